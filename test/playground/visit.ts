// Visits the built playground in headless Chromium with a fresh profile. There is no test in this file.
import { join } from 'node:path'
import type { Page } from 'playwright-core'
import * as assert from 'uvu/assert'
import { openChromium } from '../../scripts/chromium.js'
import { serve } from '../../scripts/serve.js'
import { rootFolder } from '../files.js'

/** Milliseconds that an action may take on a software adapter while the machine has other work. */
export const PATIENCE = 90_000

export interface Visit {
  page: Page
  /** Address of the page. */
  url: string
  /** Errors that the page threw or logged, and requests that left the machine. */
  troubles: string[]
  leave(): Promise<void>
}

/**
 * Opens a tab of the page; the bundled model is loaded unless `expectGpu` is false.
 * @param before runs in the page before its own script
 */
export async function visit({
  tab = 'solve',
  before,
  expectGpu = true,
}: { tab?: string; before?: () => void; expectGpu?: boolean } = {}): Promise<Visit> {
  const server = await serve({ '/': join(await rootFolder(), 'build/playground') })
  const { browser, kill } = await openChromium()
  const leave = async () => {
    await kill()
    await server.close()
  }
  try {
    const page = await browser.newPage({ viewport: { width: 1100, height: 900 } })
    page.setDefaultTimeout(PATIENCE)
    const troubles: string[] = []
    page.on('pageerror', error => troubles.push(error.message))
    page.on('console', message => message.type() === 'error' && troubles.push(message.text()))
    page.on(
      'request',
      request =>
        request.url().startsWith(server.url) ||
        /^(data|blob):/.test(request.url()) ||
        troubles.push(`asked the network for ${request.url()}`),
    )
    if (before) await page.addInitScript(before)
    await page.goto(`${server.url}#/${tab}`)
    if (expectGpu) await page.waitForSelector('#bench:not(:disabled)', { state: 'attached' })
    return { page, url: server.url, troubles, leave }
  } catch (error) {
    await leave()
    throw error
  }
}

/** The text of an element. */
export const textOf = (page: Page, id: string): Promise<string> =>
  page.evaluate(id => document.getElementById(id)!.textContent ?? '', id)

/** Waits until the text of an element matches; fails with what it says in the end. */
export async function awaitText(page: Page, id: string, pattern: RegExp, patience = PATIENCE): Promise<string> {
  try {
    await page.waitForFunction(
      ([id, source, flags]) => new RegExp(source, flags).test(document.getElementById(id)!.textContent ?? ''),
      [id, pattern.source, pattern.flags] as const,
      { timeout: patience },
    )
  } catch {
    assert.unreachable(`#${id} says ${JSON.stringify(await textOf(page, id))}, expected ${pattern}`)
  }
  return textOf(page, id)
}

/** Drops a file on an element. */
export async function drop(page: Page, selector: string, name: string, bytes: Uint8Array): Promise<void> {
  const transfer = await page.evaluateHandle(
    ([name, numbers]) => {
      const transfer = new DataTransfer()
      transfer.items.add(new File([Uint8Array.from(numbers)], name))
      return transfer
    },
    [name, [...bytes]] as const,
  )
  await page.dispatchEvent(selector, 'drop', { dataTransfer: transfer })
}

/** What a click downloads. */
export async function download(page: Page, selector: string): Promise<{ name: string; bytes: Uint8Array }> {
  const downloading = page.waitForEvent('download')
  await page.click(selector)
  const found = await downloading
  const pieces: Uint8Array[] = []
  for await (const piece of await found.createReadStream()) pieces.push(piece)
  return { name: found.suggestedFilename(), bytes: new Uint8Array(Buffer.concat(pieces)) }
}
