// Types of wgsl.js, which is plain JavaScript as the other scripts are.
export function minifyWgsl(text: string, names?: ReadonlyMap<string, string>): string
export function moduleNames(texts: readonly string[]): Map<string, string>
