// Chromium starts, a page of the small server has WebGPU, and the engine adds in it. Needs Node: it starts the browser.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { findChromium, openChromium } from '../../scripts/chromium.js'
import { serve } from '../../scripts/serve.js'
import { rootFolder } from '../files.js'

test('the program is where TRM_CHROMIUM says, or where it is usually installed', () => {
  const exists = (path: string) => ['/usr/bin/google-chrome', '/opt/own'].includes(path)
  assert.is(findChromium({ env: {}, platform: 'linux', exists }), '/usr/bin/google-chrome')
  assert.is(findChromium({ env: { TRM_CHROMIUM: '/opt/own' }, platform: 'linux', exists }), '/opt/own')
  assert.is(findChromium({ env: { TRM_CHROMIUM: '/opt/absent' }, platform: 'linux', exists }), undefined)
  assert.is(findChromium({ env: { TRM_CHROMIUM: 'none' }, platform: 'linux', exists }), undefined)
  assert.is(findChromium({ env: {}, platform: 'linux', exists: () => false }), undefined)
})

test('the server gives files of its folders and nothing else', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'webgpu-trm-'))
  mkdirSync(join(folder, 'site'))
  writeFileSync(join(folder, 'site/index.html'), '<p>here')
  writeFileSync(join(folder, 'secret.txt'), 'secret')
  writeFileSync(join(folder, 'part.js'), '1')
  const { url, close } = await serve({ '/': join(folder, 'site'), '/more/': folder })
  const get = async (path: string) => {
    const response = await fetch(url + path)
    return [response.status, response.status === 200 ? await response.text() : '', response.headers.get('content-type')]
  }
  try {
    assert.equal(await get(''), [200, '<p>here', 'text/html; charset=utf-8'])
    assert.equal(await get('more/part.js?x=1'), [200, '1', 'text/javascript; charset=utf-8'])
    for (const path of ['absent', '..%2fsecret.txt', '%2e%2e/secret.txt', 'more/..%2f..%2fsecret.txt'])
      assert.not.equal((await get(path))[0], 200, path)
    assert.is((await fetch(url, { method: 'POST' })).status, 405)
  } finally {
    await close()
    rmSync(folder, { recursive: true })
  }
})

if (findChromium()) {
  test('a page computes', async () => {
    const root = await rootFolder()
    const { url, close } = await serve({ '/': join(root, 'dist') })
    const { browser, kill } = await openChromium()
    try {
      const page = await browser.newPage()
      // Any address of the server is a secure context, a missing page too.
      await page.goto(`${url}none.html`)
      const sum = await page.evaluate(async path => {
        const { add, Engine } = (await import(path)) as typeof import('../../src/engine/index.js')
        const engine = await Engine.open()
        const values = await engine.read(
          add(engine.from(new Float32Array([1, 2])), engine.from(new Float32Array([3, 5]))),
        )
        engine.close()
        return [...values]
      }, '/engine.js')
      assert.equal(sum, [4, 7])
    } finally {
      await kill()
      await close()
    }
  })
} else {
  console.log('skipped: no Chromium on this machine')
  test.skip('a page computes')
}

test.run()
