// Rows of torch.save's files, read without the rest: the same tensors as from the whole file, views, checksums, damage.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Random } from '../../src/data/random.js'
import { openSource, type OpenFile } from '../../src/formats/open-file.js'
import type { StoredTensor } from '../../src/formats/safetensors.js'
import { openTorch } from '../../src/formats/torch-rows.js'
import { readTorch } from '../../src/formats/torch.js'
import { writeTorch } from '../../src/formats/torch-write.js'
import { indexZip, readZip } from '../../src/formats/zip.js'
import { repositoryFile } from '../files.js'

const fixture = async (name: string): Promise<Uint8Array> => {
  const bytes = await repositoryFile(`test/formats/fixtures/${name}.pt`)
  if (!bytes) throw new Error(`test/formats/fixtures/${name}.pt is absent, it belongs to the repository`)
  return bytes
}
const raw = ({ buffer, byteOffset, byteLength }: ArrayBufferView) => [...new Uint8Array(buffer, byteOffset, byteLength)]

async function rejection(promise: Promise<unknown>): Promise<string> {
  const error = await promise.then(
    () => undefined,
    (error: Error) => error,
  )
  assert.instance(error, Error)
  assert.not.match(error!.message, /\n/)
  return error!.message
}

test('files of PyTorch: every row as in the whole file', async () => {
  let views = 0
  for (const name of [
    'dtypes',
    'views',
    'views-protocol-4',
    'views-protocol-5',
    'module',
    'trm-attention',
    'compiled',
    'no-checksums',
  ]) {
    const bytes = await fixture(name)
    const whole = readTorch(bytes, name).tensors
    // A page reads pieces of a Blob, which are copies.
    for (const file of [openSource(bytes), openSource(new Blob([bytes as Uint8Array<ArrayBuffer>]))]) {
      const opened = await openTorch(file, name)
      assert.equal([...opened.keys()], [...whole.keys()])
      for (const [key, tensor] of opened) {
        const { dtype, shape, data } = whole.get(key)!
        assert.equal([tensor.dtype, tensor.shape], [dtype, shape])
        const count = shape[0] ?? 1
        const step = Math.max(1, Math.floor(count / 2))
        const parts: number[] = []
        const read = async () => {
          for (let from = 0; from < count; from += step)
            parts.push(...raw(await tensor.rows(from, Math.min(count, from + step))))
        }
        if (name.startsWith('views') && ['transposed', 'steps', 'permuted'].includes(key)) {
          views++
          assert.match(
            await rejection(read()),
            /its rows do not lie in one piece each — save it after \.contiguous\(\)/,
          )
        } else {
          await read()
          assert.equal(parts, raw(data), `${name}: ${key}`)
        }
      }
    }
  }
  assert.is(views, 3 * 3 * 2)
})

test('the legacy format holds the same tensors', async () => {
  const legacy = await fixture('legacy')
  const [old, opened] = [await openTorch(openSource(legacy)), await openTorch(openSource(await fixture('views')))]
  assert.equal([...old.keys()], [...opened.keys()])
  for (const key of ['base', 'row', 'column', 'window', 'expanded']) {
    const [a, b] = [old, opened].map(tensors => tensors.get(key)!)
    assert.equal([a.dtype, a.shape], [b.dtype, b.shape])
    assert.equal(raw(await a.rows(1, a.shape[0])), raw(await b.rows(1, b.shape[0])), key)
  }
  for (let length = 10; length < legacy.length; length += 23)
    assert.match(await rejection(openTorch(openSource(legacy.slice(0, length)), 'p')), /^p: .*(truncated|has no end)/)
})

test('only the rows that are asked for are read', async () => {
  const tensors: [string, StoredTensor][] = [
    ['large', { dtype: 'F32', shape: [1000, 500], data: new Float32Array(500_000).map((_, i) => i) }],
  ]
  const bytes = writeTorch(tensors)
  let read = 0
  const file: OpenFile = {
    size: bytes.length,
    read: async (at, length) => ((read += length), bytes.subarray(at, at + length)),
  }
  const large = (await openTorch(file)).get('large')!
  assert.ok(read < 70_000, `${read} bytes for the index`)
  assert.is((await large.rows(7, 9))[500], 8 * 500)
  assert.ok(read < 75_000, `${read} bytes`)
})

test('damage is found: in the index, and in the data once all of it was read', async () => {
  const bytes = writeTorch([['a', { dtype: 'U8', shape: [4, 8], data: new Uint8Array(32).fill(9) }]])
  const [place] = [...(await indexZip(openSource(bytes))).values()].slice(2)
  assert.equal([...bytes.subarray(place.start, place.start + place.length)], Array(32).fill(9))
  const damaged = bytes.slice()
  damaged[place.start + 5]++
  const a = (await openTorch(openSource(damaged), 'p')).get('a')!
  await a.rows(0, 3)
  assert.match(
    await rejection(a.rows(3, 4)),
    /^p: entry "archive\/data\/0": expected checksum [0-9a-f]{8}, got [0-9a-f]{8} — the file is damaged/,
  )
  assert.match(await rejection(openTorch(openSource(await fixture('tensor')), 'p')), /^p: it holds a single tensor/)
  assert.match(await rejection(openTorch(openSource(new Uint8Array(3)), 'p')), /^p: .*got 3 other bytes/)
})

test('100 damaged files: an error of one line, or the tensors', async () => {
  const random = new Random(5)
  const good = await fixture('dtypes')
  let [errors, valid] = [0, 0]
  for (let i = 0; i < 100; i++) {
    const bytes = i % 4 ? good.slice() : good.slice(0, random.below(good.length))
    // Most of what is hit lies in the pickle at the start or the directory at the end.
    for (let n = i % 4; n > 0; n--)
      bytes[random.below(2) ? random.below(900) : bytes.length - 1 - random.below(1500)] = random.below(256)
    try {
      for (const { shape, rows } of (await openTorch(openSource(bytes), 'p')).values()) await rows(0, shape[0] ?? 1)
      valid++
    } catch (error) {
      assert.match((error as Error).message, /^p: [^\n]+$/)
      errors++
    }
    // The index finds the same entries as the whole archive does, wherever that can be read.
    let whole: string[] | undefined
    try {
      whole = [...readZip(bytes).keys()]
    } catch {}
    if (whole) assert.equal([...(await indexZip(openSource(bytes))).keys()], whole)
  }
  assert.ok(errors > 50 && valid > 2, `${errors} errors, ${valid} valid`)
})

test.run()
