// The safetensors reader and writer: round trips, reference files, float16 and bfloat16, and damaged files.
import { existsSync, readFileSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Random } from '../../src/data/random.js'
import { parseSafetensors, toFloat32, writeSafetensors, type StoredTensor } from '../../src/formats/safetensors.js'
import { sharedPath } from '../data/shared.js'

const sample = new Map<string, StoredTensor>([
  ['10', { dtype: 'F64', shape: [1, 2], data: Float64Array.of(0.1, -1e300) }],
  ['weight', { dtype: 'F32', shape: [2, 2], data: Float32Array.of(1, 2, -0.5, -Infinity) }],
  ['bytes', { dtype: 'U8', shape: [3], data: Uint8Array.of(1, 2, 255) }],
  ['half', { dtype: 'F16', shape: [2], data: Uint16Array.of(0x3c00, 0xc000) }],
  ['brain', { dtype: 'BF16', shape: [2], data: Uint16Array.of(0x3f80, 0xc000) }],
  ['long', { dtype: 'I64', shape: [], data: BigInt64Array.of(-(2n ** 60n)) }],
  ['int', { dtype: 'I32', shape: [1], data: Int32Array.of(-7) }],
  ['short', { dtype: 'I16', shape: [1], data: Int16Array.of(-7) }],
  ['tiny', { dtype: 'I8', shape: [1], data: Int8Array.of(-7) }],
  ['2 "q" ü', { dtype: 'BOOL', shape: [2], data: Uint8Array.of(0, 1) }],
  ['nothing', { dtype: 'F32', shape: [0, 4], data: new Float32Array(0) }],
])
const metadata = { step: '12', note: 'ä\n', __proto__x: '1' }

const fileOf = (header: unknown, data: number[] = []) => {
  const text = new TextEncoder().encode(typeof header === 'string' ? header : JSON.stringify(header))
  const bytes = new Uint8Array(8 + text.length + data.length)
  new DataView(bytes.buffer).setBigUint64(0, BigInt(text.length), true)
  bytes.set(text, 8)
  bytes.set(data, 8 + text.length)
  return bytes
}

test('every type, odd names and metadata survive a round trip, aligned or not', () => {
  const bytes = writeSafetensors(sample, metadata)
  for (const shift of [0, 1, 4]) {
    const shifted = new Uint8Array(bytes.length + shift)
    shifted.set(bytes, shift)
    const { tensors, metadata: read } = parseSafetensors(shifted.subarray(shift))
    assert.equal(read, metadata)
    assert.is(tensors.size, sample.size)
    for (const [name, tensor] of sample) assert.equal(tensors.get(name), tensor)
  }
})

test('the header is padded to 8 bytes and the bytes depend on the input alone', () => {
  const bytes = writeSafetensors(sample, metadata)
  const length = Number(new DataView(bytes.buffer).getBigUint64(0, true))
  assert.is(length % 8, 0)
  const header = new TextDecoder().decode(bytes.subarray(8, 8 + length))
  const places = [...sample.keys()].map(name => header.indexOf(`${JSON.stringify(name)}:`))
  assert.equal(
    places,
    [...places].sort((a, b) => a - b),
  )
  assert.equal(writeSafetensors([...sample], metadata), bytes)
  assert.equal(parseSafetensors(writeSafetensors(new Map())), { tensors: new Map(), metadata: {} })
})

test('float16 and bfloat16 decode exactly', () => {
  const half = toFloat32({
    dtype: 'F16',
    shape: [8],
    data: Uint16Array.of(0, 0x8000, 0x0001, 0x03ff, 0x7bff, 0x7c00, 0xfc00, 0x3555),
  })
  assert.equal([...half], [0, -0, 2 ** -24, 1023 * 2 ** -24, 65504, Infinity, -Infinity, 1365 * 2 ** -12])
  assert.ok(Number.isNaN(toFloat32({ dtype: 'F16', shape: [1], data: Uint16Array.of(0x7e00) })[0]))
  assert.equal(
    [...toFloat32({ dtype: 'BF16', shape: [3], data: Uint16Array.of(0x3f80, 0xff80, 0x0001) })],
    [1, -Infinity, 2 ** -133],
  )
  assert.equal([...toFloat32({ dtype: 'I64', shape: [1], data: BigInt64Array.of(-3n) })], [-3])
  assert.equal([...toFloat32({ dtype: 'F64', shape: [1], data: Float64Array.of(0.1) })], [Math.fround(0.1)])
})

test('reference files load and come back unchanged', () => {
  for (const name of ['trm-mlp', 'hrm']) {
    const path = sharedPath(`goldens/${name}.safetensors`)
    if (!existsSync(path)) return console.log(`skipped: ${path} is absent`)
    const file = parseSafetensors(new Uint8Array(readFileSync(path)))
    assert.ok(file.tensors.size > 0)
    const again = parseSafetensors(writeSafetensors(file.tensors, file.metadata))
    assert.equal([...again.tensors.keys()], [...file.tensors.keys()])
    for (const [key, { dtype, shape, data }] of file.tensors) {
      const copy = again.tensors.get(key)!
      assert.equal([copy.dtype, copy.shape], [dtype, shape])
      const raw = (array: StoredTensor['data']) => Buffer.from(array.buffer, array.byteOffset, array.byteLength)
      assert.is(Buffer.compare(raw(copy.data), raw(data)), 0)
    }
    assert.equal(again.metadata, file.metadata)
  }
})

test('damage is named', () => {
  const one = { dtype: 'U8', shape: [2], data_offsets: [0, 2] }
  const cases: [Uint8Array, RegExp][] = [
    [new Uint8Array(3), /at least 8 bytes, got 3/],
    [
      Uint8Array.of(255, 255, 255, 255, 255, 255, 255, 255, 1),
      /it begins with "ÿ{8}\\u0001": this is not a safetensors file/,
    ],
    [fileOf({ a: one }).subarray(0, 12), /truncated: the header ends/],
    [fileOf('[1]'), /JSON object as header/],
    [fileOf('{"a":'), /JSON object as header/],
    [fileOf({ a: 5 }), /tensor "a": expected dtype, shape and data_offsets/],
    [fileOf({ a: { ...one, dtype: 'F8_E4M3' } }, [1, 2]), /tensor "a": expected dtype F64, .* got "F8_E4M3"/],
    [fileOf({ a: { ...one, dtype: 'toString' } }, [1, 2]), /expected dtype/],
    [fileOf({ a: { ...one, shape: [-2] } }, [1, 2]), /shape of whole numbers/],
    [fileOf({ a: { ...one, shape: [1.5] } }, [1, 2]), /shape of whole numbers/],
    [fileOf({ a: { ...one, data_offsets: [0] } }, [1, 2]), /data_offsets \[begin, end\]/],
    [fileOf({ a: { ...one, data_offsets: [2, 0] } }, [1, 2]), /within 2 bytes of data, got \[2, 0\]/],
    [fileOf({ a: one }, [1]), /tensor "a": .* truncated/],
    [fileOf({ a: { ...one, shape: [3] } }, [1, 2]), /expected 3 bytes for shape \(3\) of U8, got 2/],
    [
      fileOf({ a: one, b: { ...one, data_offsets: [1, 3] } }, [1, 2, 3]),
      /tensor "b": expected data at offset 2, got 1 — tensors may not overlap/,
    ],
    [fileOf({ a: one, b: { ...one, data_offsets: [3, 5] } }, [1, 2, 3, 4, 5]), /may not leave holes/],
    [fileOf({ a: one }, [1, 2, 3]), /expected 2 bytes of data, got 3/],
    [fileOf({ __metadata__: { a: 1 } }), /__metadata__ to hold strings/],
    [fileOf({ a: { ...one, dtype: 'BOOL' } }, [1, 2]), /bools/],
  ]
  for (const [bytes, pattern] of cases) {
    assert.throws(
      () => parseSafetensors(bytes, 'm.safetensors'),
      (error: Error) =>
        pattern.test(error.message) && error.message.startsWith('m.safetensors: ') && !error.message.includes('\n'),
    )
  }
  assert.throws(
    () => writeSafetensors([['a', { dtype: 'F32', shape: [2], data: new Float32Array(3) }]]),
    /tensor "a": expected 2 elements/,
  )
  assert.throws(
    () => writeSafetensors([['a', { dtype: 'F32', shape: [1], data: new Int32Array(1) }]]),
    /expected Float32Array/,
  )
  const twice: [string, StoredTensor] = ['a', { dtype: 'U8', shape: [0], data: new Uint8Array(0) }]
  assert.throws(() => writeSafetensors([twice, twice]), /new name/)
})

test('random damage either loads or throws an Error', () => {
  const random = new Random(2)
  const bytes = writeSafetensors(sample, metadata)
  let refused = 0
  for (let i = 0; i < 3000; i++) {
    const damaged = random.below(5) === 0 ? bytes.slice(0, random.below(bytes.length)) : bytes.slice()
    for (let hits = random.below(3); hits >= 0 && damaged.length; hits--)
      damaged[random.below(damaged.length)] = random.below(256)
    try {
      for (const tensor of parseSafetensors(damaged).tensors.values())
        assert.is(toFloat32(tensor).length, tensor.data.length)
    } catch (error) {
      refused++
      assert.match((error as Error).message, /^safetensors: /)
    }
  }
  assert.ok(refused > 1000)
})

test.run()
