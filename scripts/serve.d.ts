// Types of serve.js, which is plain JavaScript as the other scripts are.
export function serve(
  folders: Record<string, string>,
  options?: { port?: number },
): Promise<{ url: string; close: () => Promise<void> }>
