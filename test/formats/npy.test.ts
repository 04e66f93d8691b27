// The .npy reader and writer: NumPy's own bytes, round trips, and files that must be refused.
import { existsSync, readFileSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Random } from '../../src/data/random.js'
import { npyInt32, openNpy, parseNpy, writeNpy, type NpyArray, type NpyDtype } from '../../src/formats/npy.js'
import { openSource } from '../../src/formats/open-file.js'
import { sharedPath } from '../data/shared.js'

const bytesOf = (header: string, data: number[] = [], version = 1) => {
  const text = new TextEncoder().encode(header)
  const length = version === 1 ? [text.length & 255, text.length >> 8] : [text.length & 255, text.length >> 8, 0, 0]
  return Uint8Array.from([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, version, 0, ...length, ...text, ...data])
}

const samples: NpyArray[] = [
  { shape: [3], dtype: 'i1', data: Int8Array.of(-128, 0, 127) },
  { shape: [3], dtype: 'i2', data: Int16Array.of(-32768, 0, 32767) },
  { shape: [2, 2], dtype: 'i4', data: Int32Array.of(-(2 ** 31), -1, 1, 2 ** 31 - 1) },
  { shape: [2], dtype: 'i8', data: BigInt64Array.of(-(2n ** 63n), 2n ** 63n - 1n) },
  { shape: [2, 1], dtype: 'u1', data: Uint8Array.of(0, 255) },
  { shape: [2], dtype: 'u2', data: Uint16Array.of(0, 65535) },
  { shape: [1, 1, 2], dtype: 'u4', data: Uint32Array.of(0, 2 ** 32 - 1) },
  { shape: [2], dtype: 'u8', data: BigUint64Array.of(0n, 2n ** 64n - 1n) },
  { shape: [3], dtype: 'f4', data: Float32Array.of(-0.5, Infinity, 1e-40) },
  { shape: [], dtype: 'f8', data: Float64Array.of(Math.PI) },
  { shape: [2], dtype: 'bool', data: Uint8Array.of(0, 1) },
  { shape: [0, 5], dtype: 'i4', data: new Int32Array(0) },
]

test('every type survives a round trip', () => {
  for (const sample of samples) assert.equal(parseNpy(writeNpy(sample)), sample)
})

test('a view into a larger buffer is read and written by its own bytes', () => {
  const bytes = writeNpy({ shape: [2], dtype: 'i4', data: new Int32Array([9, 1, 2, 9]).subarray(1, 3) })
  const shifted = new Uint8Array(bytes.length + 3)
  shifted.set(bytes, 3)
  assert.equal(parseNpy(shifted.subarray(3)).data, Int32Array.of(1, 2))
})

test('versions 2 and 3, key order, double quotes and native byte marks are accepted', () => {
  const header = '{"shape": (2, ), "fortran_order": False, "descr": "|u1"}\n'
  for (const version of [1, 2, 3]) assert.equal(parseNpy(bytesOf(header, [7, 8], version)).data, Uint8Array.of(7, 8))
})

/** As numpy.save writes numpy.asfortranarray(array). */
const inFortranOrder = ({ shape: [rows, columns], dtype, data }: NpyArray): Uint8Array => {
  const turned = data.slice()
  for (let i = 0; i < data.length; i++) turned[(i % columns) * rows + Math.floor(i / columns)] = data[i]
  const bytes = writeNpy({ shape: [rows, columns], dtype, data: turned })
  const text = new TextDecoder('latin1').decode(bytes.subarray(0, 128))
  bytes.set(Uint8Array.from(text.replace('False', 'True '), letter => letter.charCodeAt(0)))
  return bytes
}

/** As numpy.save writes the array in the other byte order. */
const bigEndian = (array: NpyArray): Uint8Array => {
  const bytes = writeNpy(array)
  const width = array.data.BYTES_PER_ELEMENT
  if (width === 1) return bytes
  bytes[bytes.indexOf(60)] = 62
  for (let at = 128; at < bytes.length; at += width) bytes.subarray(at, at + width).reverse()
  return bytes
}

test('either byte order', () => {
  for (const sample of samples) assert.equal(parseNpy(bigEndian(sample)), sample)
  const header = "{'descr': '>i4', 'fortran_order': False, 'shape': (2,), }\n"
  assert.equal(parseNpy(bytesOf(header, [0, 0, 1, 2, 255, 255, 255, 255])).data, Int32Array.of(258, -1))
})

test('Fortran order', () => {
  for (const dtype of ['u1', 'i8'] as const) {
    const data = dtype === 'u1' ? Uint8Array.of(1, 2, 3, 4, 5, 6) : BigInt64Array.of(1n, 2n, 3n, 4n, 5n, 6n)
    assert.equal(parseNpy(inFortranOrder({ shape: [2, 3], dtype, data })), { shape: [2, 3], dtype, data })
  }
  const header = (shape: string) => `{'descr': '|u1', 'fortran_order': True, 'shape': (${shape}), }\n`
  // numpy.arange(12).reshape(2, 3, 2): the first axis is the fastest in the file.
  const spread = [0, 6, 2, 8, 4, 10, 1, 7, 3, 9, 5, 11]
  assert.equal(
    parseNpy(bytesOf(header('2, 3, 2'), spread)).data,
    Uint8Array.from({ length: 12 }, (_, i) => i),
  )
  for (const shape of ['3,', '1, 3', '3, 1', '1, 3, 1'])
    assert.equal(parseNpy(bytesOf(header(shape), [7, 8, 9])).data, Uint8Array.of(7, 8, 9))
  assert.equal(parseNpy(bytesOf(header('0, 3'))), { shape: [0, 3], dtype: 'u1', data: new Uint8Array(0) })
})

test('an open file is read in pieces, from memory and from a Blob', async () => {
  for (const sample of samples.filter(({ data }) => data.length > 1)) {
    for (const bytes of [writeNpy(sample), bigEndian(sample)]) {
      for (const source of [bytes, new Blob([bytes as BlobPart])]) {
        const { header, read } = await openNpy(openSource(source), 'x.npy')
        assert.equal([header.shape, header.dtype], [sample.shape, sample.dtype])
        assert.equal(await read(1, sample.data.length - 1), sample.data.slice(1))
      }
    }
  }
  const cut = writeNpy(samples[2]).slice(0, 140)
  await openNpy(openSource(cut), 'x.npy').then(
    () => assert.unreachable(),
    ({ message }) => assert.match(message, /^x\.npy: expected 16 bytes of data for shape \(2, 2\) of i4, got 12/),
  )
})

test('the official directory: the writer gives the very bytes of NumPy', () => {
  for (const name of ['train/all__inputs.npy', 'test/all__puzzle_indices.npy', 'train/all__group_indices.npy']) {
    const path = sharedPath(`goldens/arc/data/${name}`)
    if (!existsSync(path)) return console.log(`skipped: ${path} is absent`)
    const bytes = new Uint8Array(readFileSync(path))
    assert.ok(Buffer.compare(writeNpy(parseNpy(bytes)), bytes) === 0, name)
  }
})

test('what cannot be read is refused with the name and the reason', () => {
  const good = "{'descr': '<i4', 'fortran_order': False, 'shape': (1,), }\n"
  const cases: [Uint8Array, RegExp][] = [
    [new Uint8Array(0), /^x\.npy: this is an empty file, expected a NumPy array \(\.npy\) — copy/],
    [new TextEncoder().encode('PK this is a zip archive'), /expected a \.npy file/],
    [bytesOf(good, [1, 2, 3]), /expected 4 bytes of data for shape \(1\) of i4, got 3/],
    [bytesOf(good, [1, 2, 3, 4, 5]), /got 5/],
    [bytesOf(good, [], 9), /version 1, 2 or 3, got 9/],
    [bytesOf(good.replace('<i4', '|O'), [1, 2, 3, 4]), /expected numbers \(i1, .*bool\), got dtype "\|O"/],
    [bytesOf(good.replace('<i4', '<f2'), [1, 2]), /got dtype "<f2" — convert it/],
    [
      bytesOf(good.replace("'<i4'", "[('a', '<i4'), ('b', '<i4', (2,))]")),
      /got dtype "\[\('a', '<i4'\), \('b', '<i4', \(2,\)\)\]"/,
    ],
    [bytesOf(good.replace('<i4', '<i\x1b\x07\u009b\u202e')), /got dtype "<i\\u001b\\u0007\\u009b\\u202e"/],
    [bytesOf(good.replace('<i4', 'x'.repeat(300))), /got dtype "x{40}…"/],
    [bytesOf(`\x1b[2J${good}`), /cannot read the header "\\u001b\[2J\{/],
    [bytesOf(good.replace('(1,)', '(-1,)')), /cannot read the header/],
    [bytesOf(good.replace('(1,)', '(999999999999999, 999999999999999)')), /expected .* bytes of data/],
    [bytesOf(good.replace("'shape'", "'form'")), /cannot read the header/],
    [bytesOf("{'descr': '|b1', 'fortran_order': False, 'shape': (1,), }\n", [2]), /bools/],
    [bytesOf(good, [1, 2, 3, 4]).subarray(0, 30), /truncated: the header ends/],
  ]
  for (const [bytes, pattern] of cases) {
    assert.throws(
      () => parseNpy(bytes, 'x.npy'),
      (error: Error) =>
        pattern.test(error.message) && error.message.startsWith('x.npy: ') && !error.message.includes('\n'),
    )
  }
  assert.throws(() => writeNpy({ shape: [3], dtype: 'i4', data: new Int32Array(2) }), /expected 3 elements/)
  assert.throws(() => writeNpy({ shape: [2], dtype: 'f4', data: new Int32Array(2) }), /expected Float32Array/)
})

test('damaged and truncated files either load or throw an Error', () => {
  const random = new Random(1)
  let loaded = 0
  for (const sample of samples) {
    const bytes = writeNpy(sample)
    for (let i = 0; i < 300; i++) {
      const damaged = random.below(4) === 0 ? bytes.slice(0, random.below(bytes.length)) : bytes.slice()
      if (damaged.length) damaged[random.below(Math.min(damaged.length, 100))] ^= 1 << random.below(8)
      try {
        const { shape, data } = parseNpy(damaged)
        assert.is(
          data.length,
          shape.reduce((a, b) => a * b, 1),
        )
        loaded++
      } catch (error) {
        assert.match((error as Error).message, /^npy: /)
      }
    }
  }
  assert.ok(loaded > 0)
})

test('npyInt32 takes any integers that fit', () => {
  const of = (dtype: NpyDtype, data: NpyArray['data']) => npyInt32({ shape: [data.length], dtype, data }, 'y')
  assert.equal(of('i8', BigInt64Array.of(-5n, 2n ** 31n - 1n)), Int32Array.of(-5, 2 ** 31 - 1))
  assert.equal(of('u1', Uint8Array.of(0, 255)), Int32Array.of(0, 255))
  assert.throws(
    () => of('i8', BigInt64Array.of(0n, 2n ** 31n)),
    /^y: expected integers of 32 bits, got 2147483648 at element 1/,
  )
  assert.throws(() => of('u4', Uint32Array.of(2 ** 31)), /32 bits/)
  assert.equal(of('u8', BigUint64Array.of(7n, 2n ** 31n - 1n)), Int32Array.of(7, 2 ** 31 - 1))
  for (const value of [2n ** 31n, 2n ** 32n, 2n ** 53n + 1n, 2n ** 64n - 1n])
    assert.throws(() => of('u8', BigUint64Array.of(1n, value)), new RegExp(`got ${value} at element 1`))
  for (const value of [-(2n ** 31n) - 1n, 2n ** 32n, -(2n ** 63n), 2n ** 63n - 1n])
    assert.throws(() => of('i8', BigInt64Array.of(1n, value)), new RegExp(`got ${value} at element 1`))
  assert.equal(of('i8', BigInt64Array.of(-1n, -(2n ** 31n))), Int32Array.of(-1, -(2 ** 31)))
  assert.throws(() => of('f4', Float32Array.of(1)), /expected integers, got dtype f4/)
})

test.run()
