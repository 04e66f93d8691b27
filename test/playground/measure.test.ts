// The Measure tab in headless Chromium: the goldens agree, a bench runs and exports, the adapter is described.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { findChromium } from '../../scripts/chromium.js'
import { awaitText, download, PATIENCE, textOf, visit, type Visit } from './visit.js'

if (!findChromium()) console.log('skipped: no Chromium on this machine')
const browserTest = findChromium() ? test : test.skip

let here: Visit
test.before(async () => {
  if (findChromium()) here = await visit({ tab: 'measure' })
})
test.after(() => here?.leave())

browserTest('this GPU is right: every golden beside the page agrees', async () => {
  const { page } = here
  await page.click('#verify')
  const verdict = await awaitText(page, 'verify-verdict', /^(yes|no|could not)/, 2 * PATIENCE)
  assert.match(verdict, /^yes: all \d+ quantities agree$/)
  assert.is(await page.locator('#verify-rows details').count(), 5)
  assert.ok((await page.locator('#verify-rows td').count()) > 2000)
})

browserTest('the adapter is told', async () => {
  const { page } = here
  assert.match(await textOf(page, 'adapter'), /Name.+Largest tensor\d/)
  assert.match(await textOf(page, 'limits'), /maxComputeInvocationsPerWorkgroup\d/)
})

browserTest('chosen cases are measured, and exported as JSON', async () => {
  const { page } = here
  for (const box of await page.locator('#bench-parts input').all()) await box.uncheck()
  await page.locator('#bench-parts label', { hasText: 'inference' }).locator('input').check()
  assert.is(await textOf(page, 'bench-count'), '1 case')
  await page.click('#bench')
  await awaitText(page, 'bench-state', /^(peak [\d.]+ GFLOP|failed)/, 2 * PATIENCE)
  assert.match(await textOf(page, 'bench-rows'), /smallsupervision step, inference, batch 64/)
  const { bytes } = await download(page, '#bench-export')
  const result = JSON.parse(new TextDecoder().decode(bytes))
  assert.is(result.rows.length, 1)
  assert.ok(result.rows[0].medianMs > 0 && result.peak.gflops > 0 && result.browser.includes('Chrome'))
  assert.match(result.adapter, /./)
})

browserTest('nothing went wrong behind the page', () => assert.equal(here.troubles, []))

test.run()
