// Types of wgsl.js, which is plain JavaScript as the other scripts are.
export function minifyWgsl(text: string): string
