// Types of what the tests import from setup.js.
export function stalePackages(folder: string, options?: { platform?: string; arch?: string }): string[]
export function readTar(bytes: Buffer, want?: (path: string) => boolean): Record<string, Buffer>
export function osRelease(file?: string): Record<string, string>
export function debianMirror(folder?: string): string
export function lavapipeCommands(release?: Record<string, string>, root?: boolean): string[]
export function readyBrowser(options?: {
  env?: NodeJS.ProcessEnv
  find?: () => string | undefined
  install?: () => string | undefined
}): string
export function noAdapterMessage(reasons: string[], release?: Record<string, string>, platform?: string): string
