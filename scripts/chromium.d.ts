// Types of chromium.js, which is plain JavaScript because setup.js runs it before anything is built.
import type { Browser } from 'playwright-core'
export function findChromium(options?: {
  env?: NodeJS.ProcessEnv
  platform?: string
  exists?: (path: string) => boolean
}): string | undefined
export function chromiumDriver(program?: string): string | undefined
export function openChromium(options?: {
  program?: string
  flags?: string[]
}): Promise<{ browser: Browser; kill: () => Promise<void> }>
