// The page of one HTML file and the package: it learns in headless Chromium, and shows what it learnt.
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { findChromium, openChromium } from '../../scripts/chromium.js'
import { serve } from '../../scripts/serve.js'
import { rootFolder } from '../files.js'

const learn = async () => {
  const root = await rootFolder()
  const { url, close } = await serve({
    '/': join(root, 'examples'),
    '/node_modules/webgpu-trm/dist/': join(root, 'dist'),
  })
  const { browser, kill } = await openChromium()
  try {
    const page = await browser.newPage()
    const errors: string[] = []
    page.on('pageerror', error => errors.push(error.message))
    await page.goto(`${url}two-spirals.html?steps=400`)
    await page.waitForSelector('#again:not([disabled])', { timeout: 60_000 })
    const status = (await page.textContent('#status'))!
    assert.match(status, /^step 400 of 400: loss 0\.[01]\d+ — on /)
    // Both classes are seen on the map, in their colours.
    const reds = await page.evaluate(() => {
      const { data } = document.querySelector('canvas')!.getContext('2d')!.getImageData(0, 0, 64, 64)
      return data.filter((_, i) => i % 4 === 0).reduce((sum, red) => sum + Number(red > 150), 0) / 64 ** 2
    })
    assert.ok(reds > 0.3 && reds < 0.7, `${reds}`)
    assert.equal(errors, [])
  } finally {
    await kill()
    await close()
  }
}

if (findChromium()) {
  test('two spirals are told apart, live', learn)
} else {
  console.log('skipped: no Chromium on this machine')
  test.skip('two spirals are told apart, live')
}

test.run()
