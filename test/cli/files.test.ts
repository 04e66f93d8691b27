// Reading files in pieces, because Node reads at most 2 GiB at once.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { openFile, readBytes } from '../../src/cli/files.js'

const folder = mkdtempSync(join(tmpdir(), 'trm-files-'))
test.after(() => rmSync(folder, { recursive: true, force: true }))

test('a file is read piece by piece', async () => {
  const file = join(folder, 'some')
  const bytes = Uint8Array.from({ length: 1000 }, (_, i) => i)
  writeFileSync(file, bytes)
  for (const atOnce of [1, 7, 999, 1000, 5000, undefined]) assert.equal(await readBytes(file, 'file', atOnce), bytes)
})

test('empty files and files without a size', async () => {
  writeFileSync(join(folder, 'empty'), '')
  assert.equal(await readBytes(join(folder, 'empty'), 'file'), new Uint8Array())
  assert.ok((await readBytes('/proc/self/status', 'file')).length > 100)
})

test('parts of an open file, and of one without a size', async () => {
  const bytes = Uint8Array.from({ length: 1000 }, (_, i) => i)
  writeFileSync(join(folder, 'parts'), bytes)
  for (const atOnce of [7, undefined]) {
    const file = await openFile(join(folder, 'parts'), 'file', atOnce)
    assert.is(file.size, 1000)
    assert.equal(await Promise.all([file.read(990, 10), file.read(0, 1), file.read(5, 0)]), [
      bytes.slice(990),
      bytes.slice(0, 1),
      new Uint8Array(),
    ])
    assert.is(
      await file.read(990, 11).then(
        () => '',
        ({ message }) => message,
      ),
      `file ${join(folder, 'parts')}: it became shorter while it was read: expected 1000 bytes but found 1000`,
    )
    await file.close!()
  }
  const status = await openFile('/proc/self/status', 'file')
  assert.is(new TextDecoder().decode(await status.read(0, 5)), 'Name:')
  await status.close!()
})

test('what cannot be read is named in a line', async () => {
  const message = async (path: string) =>
    await readBytes(path, 'dataset').then(
      () => '',
      (error: Error) => error.message,
    )
  assert.is(await message(join(folder, 'absent')), `dataset ${join(folder, 'absent')}: no such file or directory`)
  assert.is(await message(folder), `dataset ${folder}: it is a directory`)
})

test.run()
