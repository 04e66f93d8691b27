// Finds Chromium on this machine and starts it headless, with WebGPU on, for the tests in a page.
//   Plain JavaScript: setup.js asks for the browser before anything is installed or built.
import { existsSync, realpathSync } from 'node:fs'
import { dirname, join } from 'node:path'

const PLACES = {
  linux: [
    '/usr/bin/chromium',
    '/usr/bin/chromium-browser',
    '/usr/bin/google-chrome-stable',
    '/usr/bin/google-chrome',
    '/opt/google/chrome/chrome',
    '/snap/bin/chromium',
  ],
  darwin: [
    '/Applications/Chromium.app/Contents/MacOS/Chromium',
    '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
  ],
  win32: [
    'C:/Program Files/Google/Chrome/Application/chrome.exe',
    'C:/Program Files (x86)/Google/Chrome/Application/chrome.exe',
  ],
}

/**
 * The path of Chromium: TRM_CHROMIUM where that is set ('none' for no browser), else one of the usual places. Undefined
 * where there is none.
 */
export function findChromium({ env = process.env, platform = process.platform, exists = existsSync } = {}) {
  const named = env.TRM_CHROMIUM
  if (named) return named !== 'none' && exists(named) ? named : undefined
  return PLACES[platform]?.find(path => exists(path))
}

/** The driver file of this Chromium's SwiftShader, so that Node can use the same; undefined where it has none. */
export function chromiumDriver(program = findChromium()) {
  if (!program) return undefined
  // Debian's /usr/bin/chromium is a script, the browser lies in /usr/lib.
  const folders = [dirname(realpathSync(program)), '/usr/lib/chromium', '/usr/lib/chromium-browser']
  return folders.map(folder => join(folder, 'vk_swiftshader_icd.json')).find(path => existsSync(path))
}

const FLAGS = [
  '--no-sandbox',
  '--enable-unsafe-webgpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  // A test file that loses the GPU process must not disable WebGPU for the next file.
  '--disable-gpu-process-crash-limit',
  '--disable-domain-blocking-for-3d-apis',
]

/**
 * Starts a headless Chromium with a fresh profile. Returns playwright's Browser, and `kill`, which always ends it.
 * On a machine without GPU, pages compute on SwiftShader.
 * @param {{ program?: string, flags?: string[] }} options `flags` are added to those of WebGPU
 * @returns {Promise<{ browser: import('playwright-core').Browser, kill: () => Promise<void> }>}
 */
export async function openChromium({ program = findChromium(), flags = [] } = {}) {
  if (!program)
    throw new Error(
      'openChromium: no Chromium on this machine ' +
        "— install Debian's package chromium, or name the program in TRM_CHROMIUM",
    )
  const { chromium } = await import('playwright-core')
  const server = await chromium.launchServer({ executablePath: program, headless: true, args: [...FLAGS, ...flags] })
  const browser = await chromium.connect(server.wsEndpoint())
  return { browser, kill: () => server.kill() }
}
