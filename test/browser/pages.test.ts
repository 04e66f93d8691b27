// A test file that hangs, throws or holds no test fails alone. Needs Node: it starts the browser.
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { findChromium } from '../../scripts/chromium.js'
import { openPages } from '../../scripts/pages.js'
import { rootFolder } from '../files.js'

if (findChromium()) {
  const root = await rootFolder()
  const folder = join(root, 'build/pages-under-test')
  mkdirSync(folder, { recursive: true })
  const pages = await openPages({ root, shared: root })
  test.after(async () => {
    await pages.close()
    rmSync(folder, { recursive: true })
  })

  const run = (text: string, limit: number) => {
    const file = join(folder, 'file.js')
    writeFileSync(file, text)
    return pages.run(file, limit)
  }

  test('a page that never yields is killed', async () => {
    const { hung } = await run('while (true) {}', 3000)
    assert.ok(hung)
  })

  test('one that waits for ever too', async () => {
    const { hung } = await run('await new Promise(() => {})', 3000)
    assert.ok(hung)
  })

  test('an error while the file is read is told, with its place', async () => {
    const { code, hung, output } = await run('\nthrow new Error("broken on purpose")', 60_000)
    assert.not.ok(hung)
    assert.is(code, 1)
    assert.match(output, /broken on purpose[^]*file\.js:2/)
  })

  test('a file without tests counts none', async () => {
    const { code, output } = await run('', 60_000)
    assert.is(code, 0)
    assert.match(output, /^ {2}Total: +0$/m)
  })
} else {
  console.log('skipped: what pages do with bad test files — no Chromium on this machine')
  test.skip('bad files')
}

test.run()
