// NumPy's .npy files as typed arrays and back, whole or in pieces: numbers and bools, no objects, no archives (.npz).
import type { OpenFile } from './open-file.js'
import { foreign } from './recognise.js'
import { shown } from './shown.js'
import { gatherStrided } from './strided.js'

/** Element types, by NumPy's short names. `bool` is kept as bytes 0 and 1. */
export type NpyDtype = keyof typeof ARRAYS

/** The typed arrays a .npy file can hold. */
export type NpyData =
  | Int8Array
  | Int16Array
  | Int32Array
  | BigInt64Array
  | Uint8Array
  | Uint16Array
  | Uint32Array
  | BigUint64Array
  | Float32Array
  | Float64Array

/** One array: `data` holds the product of `shape` elements in C order (last axis fastest); shape () is a scalar. */
export interface NpyArray {
  shape: number[]
  dtype: NpyDtype
  data: NpyData
}

const ARRAYS = {
  i1: Int8Array,
  i2: Int16Array,
  i4: Int32Array,
  i8: BigInt64Array,
  u1: Uint8Array,
  u2: Uint16Array,
  u4: Uint32Array,
  u8: BigUint64Array,
  f4: Float32Array,
  f8: Float64Array,
  bool: Uint8Array,
}

const MAGIC = [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59]
const ALIGNMENT = 64
const MAX_HEADER = 65536
const MAX_PREFIX = 12

/** What the header of a .npy file says. */
export interface NpyHeader {
  shape: number[]
  dtype: NpyDtype
  /** Bytes of an element. */
  width: number
  bigEndian: boolean
  /** The first axis is the fastest; false where the order makes no difference. */
  fortranOrder: boolean
  /** Byte at which the elements begin. */
  start: number
}

/**
 * Reads one .npy file (format version 1, 2 or 3; either byte order; C or Fortran order). The elements are copied, in C
 * order.
 * @throws one line that begins with `name` when the file is no .npy file, is truncated or too long, or holds no numbers
 *
 * Format: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
 */
export function parseNpy(bytes: Uint8Array, name = 'npy'): NpyArray {
  const header = parseNpyHeader(bytes, bytes.length, name)
  const { shape, dtype, fortranOrder } = header
  const data = npyElements(bytes.subarray(header.start), header, name)
  return { shape, dtype, data: fortranOrder ? inCOrder(data, shape) : data }
}

/** A .npy file of any size whose elements are read in pieces. */
export interface OpenNpy {
  header: NpyHeader
  /** Elements `first` … `first + count` − 1 in the order in which they lie in the file. */
  read(first: number, count: number): Promise<NpyData>
}

/** Reads the header of an open .npy file. It rejects where `parseNpy` throws. */
export async function openNpy(file: OpenFile, name = 'npy'): Promise<OpenNpy> {
  const header = parseNpyHeader(await file.read(0, Math.min(file.size, MAX_PREFIX + MAX_HEADER)), file.size, name)
  const { start, width } = header
  const read = async (first: number, count: number) => {
    return npyElements(await file.read(start + first * width, count * width), header, name)
  }
  return { header, read }
}

/**
 * Reads the header of a .npy file of `size` bytes from its first bytes, and checks it against the size.
 * @throws one line that begins with `name`
 */
export function parseNpyHeader(bytes: Uint8Array, size: number, name = 'npy'): NpyHeader {
  const fail = (message: string): never => {
    throw new Error(`${name}: ${message}`)
  }
  if (bytes.length < 10 || MAGIC.some((byte, i) => bytes[i] !== byte)) {
    const unknown =
      `expected a .npy file, which starts with \\x93NUMPY, got ${size} other bytes — ` + 'is this the right file?'
    fail(foreign(bytes, 'a NumPy array (.npy)') ?? unknown)
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const version = bytes[6]
  if (version < 1 || version > 3)
    fail(`expected .npy version 1, 2 or 3, got ${version} — save it again with numpy.save`)
  const prefix = version === 1 ? 10 : MAX_PREFIX
  if (bytes.length < prefix) fail(`truncated: the header needs ${prefix} bytes, the file has ${size}`)
  const headerLength = version === 1 ? view.getUint16(8, true) : view.getUint32(8, true)
  const start = prefix + headerLength
  if (headerLength > MAX_HEADER)
    fail(`expected a header of at most ${MAX_HEADER} bytes, got ${headerLength} — the file is damaged`)
  if (bytes.length < start) fail(`truncated: the header ends at byte ${start}, the file has ${size} bytes`)

  const header = new TextDecoder().decode(bytes.subarray(prefix, start))
  const { descr, fortranOrder, shape } =
    parseHeader(header) ?? fail(`cannot read the header ${shown(header.trim())} — the file is damaged`)
  const { dtype, bigEndian } =
    dtypeOf(descr) ??
    fail(
      `expected numbers (${Object.keys(ARRAYS).join(', ')}), got dtype ${shown(
        descr,
        40,
      )} — convert it with numpy.astype`,
    )
  const width = ARRAYS[dtype].BYTES_PER_ELEMENT
  const expected = shape.reduce((product, count) => product * count, width)
  if (size - start !== expected) {
    const what = `bytes of data for shape (${shape.join(', ')}) of ${dtype}`
    fail(`expected ${expected} ${what}, got ${size - start} — the file is truncated or damaged`)
  }
  const matters = shape.filter(count => count > 1).length > 1
  return { shape, dtype, width, bigEndian, fortranOrder: fortranOrder && matters, start }
}

/** Elements as they lie in a file, copied, in the byte order of this machine. */
function npyElements(bytes: Uint8Array, { dtype, width, bigEndian }: NpyHeader, name: string): NpyData {
  const copy = Uint8Array.prototype.slice.call(bytes)
  if (dtype === 'bool' && copy.some(byte => byte > 1)) {
    throw new Error(`${name}: expected bools as bytes 0 and 1, got another byte — the file is damaged`)
  }
  if (bigEndian) {
    for (let at = 0; at < copy.length; at += width) {
      for (let i = 0; i < width / 2; i++) {
        const byte = copy[at + i]
        copy[at + i] = copy[at + width - 1 - i]
        copy[at + width - 1 - i] = byte
      }
    }
  }
  return new ARRAYS[dtype](copy.buffer, 0, copy.length / width)
}

/** The elements of an array that lies in Fortran order, in C order. */
function inCOrder(data: NpyData, shape: readonly number[]): NpyData {
  const strides = shape.map((_, axis) => shape.slice(0, axis).reduce((a, b) => a * b, 1))
  return gatherStrided(data, data.slice(), shape, strides)
}

/**
 * Writes one array as a .npy file of format version 1 (2 when the header needs it), with the bytes numpy.save writes.
 * @throws when `data` is not the typed array of `dtype`, or its length is not the product of `shape`
 */
export function writeNpy({ shape, dtype, data }: NpyArray): Uint8Array {
  const Type = ARRAYS[dtype]
  if (!(data instanceof Type))
    throw new Error(`npy: expected ${Type.name} for dtype ${dtype}, got ${(data as object).constructor.name}`)
  const length = shape.reduce((product, size) => product * size, 1)
  if (length !== data.length || shape.some(size => !Number.isSafeInteger(size) || size < 0)) {
    throw new Error(`npy: expected ${length} elements for shape (${shape.join(', ')}), got ${data.length}`)
  }
  const header = npyHeader(shape, dtype)
  const out = new Uint8Array(header.length + data.byteLength)
  out.set(header)
  out.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), header.length)
  return out
}

/** What stands before the elements in such a file. */
export function npyHeader(shape: readonly number[], dtype: NpyDtype): Uint8Array {
  const size = ARRAYS[dtype].BYTES_PER_ELEMENT
  const descr = dtype === 'bool' ? '|b1' : `${size === 1 ? '|' : '<'}${dtype}`
  const tuple = shape.length === 1 ? `(${shape[0]},)` : `(${shape.join(', ')})`
  const text = `{'descr': '${descr}', 'fortran_order': False, 'shape': ${tuple}, }`
  const version = text.length + 1 + ALIGNMENT > 0xffff ? 2 : 1
  const prefix = version === 1 ? 10 : 12
  const start = Math.ceil((prefix + text.length + 1) / ALIGNMENT) * ALIGNMENT
  const out = new Uint8Array(start)
  out.set(MAGIC)
  out[6] = version
  const view = new DataView(out.buffer)
  if (version === 1) view.setUint16(8, start - prefix, true)
  else view.setUint32(8, start - prefix, true)
  out.set(new TextEncoder().encode(text.padEnd(start - prefix - 1) + '\n'), prefix)
  return out
}

/**
 * The elements of an integer or bool array as Int32Array (the same memory when they already are one).
 * @throws one line that begins with `name` for float arrays, and for a value outside −2³¹ … 2³¹ − 1; `place` names its
 * place
 */
export function npyInt32(
  { dtype, data }: Omit<NpyArray, 'shape'> & Partial<NpyArray>,
  name = 'npy',
  place = (i: number) => `element ${i}`,
): Int32Array {
  if (data instanceof Int32Array) return data
  if (dtype === 'f4' || dtype === 'f8')
    throw new Error(`${name}: expected integers, got dtype ${dtype} — convert it with numpy.astype('int32')`)
  const out = new Int32Array(data.length)
  const tooLarge = (i: number) => {
    const hint = 'the values are too large for token ids or indices'
    throw new Error(`${name}: expected integers of 32 bits, got ${data[i]} at ${place(i)} — ${hint}`)
  }
  if (data instanceof BigInt64Array || data instanceof BigUint64Array) {
    // Halves are far faster to compare than large integers.
    const halves = new Int32Array(data.buffer, data.byteOffset, 2 * data.length)
    const isSigned = data instanceof BigInt64Array
    for (let i = 0; i < out.length; i++) {
      const [low, high] = [halves[2 * i], halves[2 * i + 1]]
      if (high !== (isSigned ? low >> 31 : 0) || (!isSigned && low < 0)) tooLarge(i)
      out[i] = low
    }
    return out
  }
  for (let i = 0; i < out.length; i++) {
    out[i] = data[i]
    if (out[i] !== data[i]) tooLarge(i)
  }
  return out
}

function dtypeOf(descr: string): { dtype: NpyDtype; bigEndian: boolean } | undefined {
  const [, order, letter, width] = /^([<>|=]?)([iufb])([1248])$/.exec(descr) ?? []
  const dtype = descr === '?' || letter + width === 'b1' ? 'bool' : letter + width
  return Object.hasOwn(ARRAYS, dtype)
    ? { dtype: dtype as NpyDtype, bigEndian: order === '>' && width !== '1' }
    : undefined
}

/** The Python dict literal of the header: three known keys in any order, nothing else. */
function parseHeader(text: string): { descr: string; fortranOrder: boolean; shape: number[] } | undefined {
  const match = /^\{(.*?),?\s*\}\s*$/s.exec(text.trim())
  if (!match) return undefined
  const fields = new Map<string, string>()
  const field = /\s*(?:'([a-z_]+)'|"([a-z_]+)")\s*:\s*('[^']*'|"[^"]*"|True|False|\([\d\sL,]*\)|\[.*\])\s*(,|$)/gsy
  while (field.lastIndex < match[1].length) {
    const found = field.exec(match[1])
    if (!found) return undefined
    fields.set(found[1] ?? found[2], found[3])
  }
  const descr = fields.get('descr')
  const order = fields.get('fortran_order')
  const tuple = fields.get('shape')
  if (
    fields.size !== 3 ||
    !descr ||
    !/^['"[]/.test(descr) ||
    (order !== 'True' && order !== 'False') ||
    !tuple?.startsWith('(')
  )
    return undefined
  const parts = tuple
    .slice(1, -1)
    .split(',')
    .map(part => part.trim().replace(/L$/, ''))
  if (parts.at(-1) === '') parts.pop()
  if (!parts.every(part => /^\d{1,15}$/.test(part))) return undefined
  // An array of records has a list of fields, which is shown as it is.
  return {
    descr: descr.startsWith('[') ? descr : descr.slice(1, -1),
    fortranOrder: order === 'True',
    shape: parts.map(Number),
  }
}
