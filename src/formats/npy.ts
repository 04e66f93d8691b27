// NumPy's .npy files as typed arrays and back: little-endian numbers in C order, no objects, no archives (.npz).
import { foreign } from './recognise.js'
import { printable, shown } from './shown.js'

/** Element types, by NumPy's short names. `bool` is kept as bytes 0 and 1. */
export type NpyDtype = keyof typeof arrays

/** The typed arrays a .npy file can hold. */
export type NpyData =
  | Int8Array | Int16Array | Int32Array | BigInt64Array
  | Uint8Array | Uint16Array | Uint32Array | Float32Array | Float64Array

/** One array: `data` holds the product of `shape` elements in C order (last axis fastest); shape () is a scalar. */
export interface NpyArray {
  shape: number[]
  dtype: NpyDtype
  data: NpyData
}

const arrays = {
  i1: Int8Array,
  i2: Int16Array,
  i4: Int32Array,
  i8: BigInt64Array,
  u1: Uint8Array,
  u2: Uint16Array,
  u4: Uint32Array,
  f4: Float32Array,
  f8: Float64Array,
  bool: Uint8Array,
}

const magic = [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59]
const alignment = 64
const headerLimit = 65536

/**
 * Reads one .npy file (format version 1, 2 or 3). The elements are copied: the result does not share memory with `bytes`.
 * Throws an Error that begins with `name` when the file is not a .npy file, is truncated or too long, or holds something
 * other than little-endian numbers in C order.
 * Format: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
 */
export function parseNpy(bytes: Uint8Array, name = 'npy'): NpyArray {
  const fail = (message: string): never => {
    throw new Error(`${name}: ${message}`)
  }
  if (bytes.length < 10 || magic.some((byte, i) => bytes[i] !== byte)) {
    fail(foreign(bytes, 'a NumPy array (.npy)') ?? `expected a .npy file, which starts with \\x93NUMPY, got ${bytes.length} other bytes — is this the right file?`)
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const version = bytes[6]
  if (version < 1 || version > 3) fail(`expected .npy version 1, 2 or 3, got ${version} — save it again with numpy.save`)
  const prefix = version === 1 ? 10 : 12
  if (bytes.length < prefix) fail(`truncated: the header needs ${prefix} bytes, the file has ${bytes.length}`)
  const headerLength = version === 1 ? view.getUint16(8, true) : view.getUint32(8, true)
  const start = prefix + headerLength
  if (headerLength > headerLimit) fail(`expected a header of at most ${headerLimit} bytes, got ${headerLength} — the file is damaged`)
  if (bytes.length < start) fail(`truncated: the header ends at byte ${start}, the file has ${bytes.length} bytes`)

  const header = new TextDecoder().decode(bytes.subarray(prefix, start))
  const { descr, fortranOrder, shape } = parseHeader(header) ?? fail(`cannot read the header ${shown(header.trim())} — the file is damaged`)
  const dtype = dtypeOf(descr) ?? fail(`expected little-endian numbers (${Object.keys(arrays).join(', ')}), got dtype '${printable(descr, 20)}' — convert it with numpy.astype`)
  if (fortranOrder) fail('expected C order, got fortran_order: True — save numpy.ascontiguousarray(array) instead')

  const Type = arrays[dtype]
  const length = shape.reduce((product, size) => product * size, 1)
  const size = length * Type.BYTES_PER_ELEMENT
  if (bytes.length - start !== size) {
    fail(`expected ${size} bytes of data for shape (${shape.join(', ')}) of ${dtype}, got ${bytes.length - start} — the file is truncated or damaged`)
  }
  const copy = Uint8Array.prototype.slice.call(bytes, start)
  if (dtype === 'bool' && copy.some(byte => byte > 1)) fail('expected bools as bytes 0 and 1, got another byte — the file is damaged')
  return { shape, dtype, data: new Type(copy.buffer, 0, length) }
}

/**
 * Writes one array as a .npy file of format version 1 (2 when the header needs it), with the bytes numpy.save writes.
 * Throws when `data` is not the typed array of `dtype` or its length is not the product of `shape`.
 */
export function writeNpy({ shape, dtype, data }: NpyArray): Uint8Array {
  const Type = arrays[dtype]
  if (!(data instanceof Type)) throw new Error(`npy: expected ${Type.name} for dtype ${dtype}, got ${(data as object).constructor.name}`)
  const length = shape.reduce((product, size) => product * size, 1)
  if (length !== data.length || shape.some(size => !Number.isSafeInteger(size) || size < 0)) {
    throw new Error(`npy: expected ${length} elements for shape (${shape.join(', ')}), got ${data.length}`)
  }
  const descr = dtype === 'bool' ? '|b1' : `${Type.BYTES_PER_ELEMENT === 1 ? '|' : '<'}${dtype}`
  const tuple = shape.length === 1 ? `(${shape[0]},)` : `(${shape.join(', ')})`
  const text = `{'descr': '${descr}', 'fortran_order': False, 'shape': ${tuple}, }`
  const version = text.length + 1 + alignment > 0xffff ? 2 : 1
  const prefix = version === 1 ? 10 : 12
  const start = Math.ceil((prefix + text.length + 1) / alignment) * alignment
  const out = new Uint8Array(start + data.byteLength)
  out.set(magic)
  out[6] = version
  const view = new DataView(out.buffer)
  if (version === 1) view.setUint16(8, start - prefix, true)
  else view.setUint32(8, start - prefix, true)
  out.set(new TextEncoder().encode(text.padEnd(start - prefix - 1) + '\n'), prefix)
  out.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), start)
  return out
}

/**
 * The elements of an integer or bool array as Int32Array (the same memory when they already are).
 * Throws, beginning with `name`, for float arrays and for a value outside −2³¹ … 2³¹ − 1.
 */
export function npyInt32({ dtype, data }: NpyArray, name = 'npy'): Int32Array {
  if (data instanceof Int32Array) return data
  if (dtype === 'f4' || dtype === 'f8') throw new Error(`${name}: expected integers, got dtype ${dtype} — convert it with numpy.astype('int32')`)
  const out = new Int32Array(data.length)
  for (let i = 0; i < out.length; i++) {
    const value = Number(data[i])
    out[i] = value
    if (out[i] !== value) throw new Error(`${name}: expected integers of 32 bits, got ${data[i]} at element ${i} — the values are too large for token ids or indices`)
  }
  return out
}

function dtypeOf(descr: string): NpyDtype | undefined {
  const match = /^([<|=])([iuf])([1248])$/.exec(descr)
  if (descr === '|b1' || descr === '?') return 'bool'
  const short = match ? match[2] + match[3] : ''
  return short in arrays ? short as NpyDtype : undefined
}

/** The Python dict literal of the header: three known keys in any order, nothing else. */
function parseHeader(text: string): { descr: string; fortranOrder: boolean; shape: number[] } | undefined {
  const match = /^\{(.*?),?\s*\}\s*$/s.exec(text.trim())
  if (!match) return undefined
  const fields = new Map<string, string>()
  const field = /\s*(?:'([a-z_]+)'|"([a-z_]+)")\s*:\s*('[^']*'|"[^"]*"|True|False|\([\d\sL,]*\))\s*(,|$)/gy
  while (field.lastIndex < match[1].length) {
    const found = field.exec(match[1])
    if (!found) return undefined
    fields.set(found[1] ?? found[2], found[3])
  }
  const descr = fields.get('descr')
  const order = fields.get('fortran_order')
  const tuple = fields.get('shape')
  if (fields.size !== 3 || !descr || !/^['"]/.test(descr) || (order !== 'True' && order !== 'False') || !tuple?.startsWith('(')) return undefined
  const parts = tuple.slice(1, -1).split(',').map(part => part.trim().replace(/L$/, ''))
  if (parts.at(-1) === '') parts.pop()
  if (!parts.every(part => /^\d{1,15}$/.test(part))) return undefined
  return { descr: descr.slice(1, -1), fortranOrder: order === 'True', shape: parts.map(Number) }
}
