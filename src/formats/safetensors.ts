// Safetensors files as named typed arrays and back, checked byte by byte; what the names mean is not known here.
import { isRecord } from './json.js'
import { float16ToFloat32 } from './float16.js'
import { type Fail, shown } from './shown.js'

/** Element types of the format that this project reads and writes. */
export type SafetensorsDtype = keyof typeof ARRAYS

/** The typed arrays of a file: F16 and BF16 stay raw bits in Uint16Array, BOOL is bytes 0 and 1. */
export type SafetensorsData =
  Float64Array | Float32Array | Uint16Array | BigInt64Array | Int32Array | Int16Array | Int8Array | Uint8Array

/** One tensor: `data` holds the product of `shape` elements, row-major; shape [] is a scalar. */
export interface StoredTensor {
  dtype: SafetensorsDtype
  shape: number[]
  data: SafetensorsData
}

/** A whole file: tensors in the order of the header, and the free text of `__metadata__`. */
export interface SafetensorsFile {
  tensors: Map<string, StoredTensor>
  metadata: Record<string, string>
}

const ARRAYS = {
  F64: Float64Array,
  F32: Float32Array,
  F16: Uint16Array,
  BF16: Uint16Array,
  I64: BigInt64Array,
  I32: Int32Array,
  I16: Int16Array,
  I8: Int8Array,
  U8: Uint8Array,
  BOOL: Uint8Array,
}

const MAX_HEADER = 100_000_000

/**
 * Reads a safetensors file. Tensors whose bytes lie aligned share memory with `bytes`; the others are copied.
 * @throws one line that begins with `name`, and names the tensor, when the header is damaged, a dtype is unknown,
 * offsets overlap, leave holes or leave the file, or shape × element size is not the number of bytes
 *
 * Format: https://github.com/huggingface/safetensors#format
 */
export function parseSafetensors(bytes: Uint8Array, name = 'safetensors'): SafetensorsFile {
  const fail = (message: string): never => {
    throw new Error(`${name}: ${message}`)
  }
  const { header, start } = readHeader(bytes, fail)
  let metadata: Record<string, string> = {}
  const tensors = new Map<string, StoredTensor>()
  const spans: Span[] = []
  for (const [key, entry] of Object.entries(header)) {
    if (key === '__metadata__') {
      metadata = metadataOf(entry, fail)
      continue
    }
    const { tensor, begin, end } = tensorOf(entry, bytes, start, message => fail(`tensor ${shown(key)}: ${message}`))
    tensors.set(key, tensor)
    spans.push({ key, begin, end })
  }
  checkCovered(spans, bytes.length - start, fail)
  return { tensors, metadata }
}

/** Where the bytes of a tensor lie in the data. */
interface Span {
  key: string
  begin: number
  end: number
}

/** The header, and the byte at which the data begins. */
function readHeader(bytes: Uint8Array, fail: Fail): { header: Record<string, unknown>; start: number } {
  if (bytes.length < 8) fail(`expected at least 8 bytes, got ${bytes.length} — the file is truncated`)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const headerLength = Number(view.getBigUint64(0, true))
  if (headerLength > MAX_HEADER)
    fail(`it begins with ${shown(String.fromCharCode(...bytes.subarray(0, 40)))}: this is not a safetensors file`)
  const start = 8 + headerLength
  if (start > bytes.length) fail(`truncated: the header ends at byte ${start}, the file has ${bytes.length} bytes`)
  const header =
    parseHeader(bytes.subarray(8, start)) ??
    fail('expected a JSON object as header — this is not a safetensors file, or it is damaged')
  return { header, start }
}

function metadataOf(entry: unknown, fail: Fail): Record<string, string> {
  if (!isRecord(entry)) fail('expected __metadata__ to be an object of strings')
  const metadata: Record<string, string> = {}
  for (const [field, value] of Object.entries(entry as Record<string, unknown>)) {
    if (typeof value !== 'string')
      fail(`expected __metadata__ to hold strings, got ${typeof value} for ${shown(field)}`)
    setOwn(metadata, field, value as string)
  }
  return metadata
}

function tensorOf(
  entry: unknown,
  bytes: Uint8Array,
  start: number,
  fail: Fail,
): { tensor: StoredTensor; begin: number; end: number } {
  if (!isRecord(entry)) fail(`expected dtype, shape and data_offsets, got ${shown(entry)}`)
  const { dtype, shape, data_offsets: offsets } = entry as Record<string, unknown>
  if (typeof dtype !== 'string' || !Object.hasOwn(ARRAYS, dtype))
    fail(`expected dtype ${Object.keys(ARRAYS).join(', ')}, got ${shown(dtype)}`)
  if (!Array.isArray(shape) || !shape.every(isCount)) fail(`expected a shape of whole numbers, got ${shown(shape)}`)
  if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(isCount))
    fail(`expected data_offsets [begin, end], got ${shown(offsets)}`)
  const [begin, end] = offsets as number[]
  if (begin > end || start + end > bytes.length)
    fail(
      `expected data_offsets within ${bytes.length - start} bytes of data, got [${begin}, ${end}] — ` +
        'the file is truncated or damaged',
    )
  const Type = ARRAYS[dtype as SafetensorsDtype]
  const sizes = shape as number[]
  const length = sizes.reduce((product, size) => product * size, 1)
  if (length * Type.BYTES_PER_ELEMENT !== end - begin)
    fail(
      `expected ${length * Type.BYTES_PER_ELEMENT} bytes for shape (${sizes.join(', ')}) of ${dtype}, ` +
        `got ${end - begin}`,
    )
  const offset = bytes.byteOffset + start + begin
  const data =
    offset % Type.BYTES_PER_ELEMENT === 0
      ? new Type(bytes.buffer as ArrayBuffer, offset, length)
      : new Type(Uint8Array.prototype.slice.call(bytes, start + begin, start + end).buffer, 0, length)
  if (dtype === 'BOOL' && (data as Uint8Array).some(byte => byte > 1))
    fail('expected bools as bytes 0 and 1, got another byte')
  return { tensor: { dtype: dtype as SafetensorsDtype, shape: sizes, data }, begin, end }
}

/** Checks that tensors cover the data exactly, as the format wants: each begins where the one before it ended. */
function checkCovered(spans: Span[], size: number, fail: Fail): void {
  spans.sort((a, b) => a.begin - b.begin || a.end - b.end)
  let covered = 0
  for (const { key, begin, end } of spans) {
    if (begin !== covered)
      fail(
        `tensor ${shown(key)}: expected data at offset ${covered}, got ${begin} — ` +
          `tensors may not ${begin < covered ? 'overlap' : 'leave holes'}`,
      )
    covered = end
  }
  if (covered !== size)
    fail(`expected ${covered} bytes of data, got ${size} — bytes after the last tensor belong to none`)
}

/**
 * Writes a safetensors file: tensors in the order given, header padded with spaces to 8 bytes, metadata keys as given.
 * The same input always gives the same bytes. Put wide types first if other readers need aligned data.
 * @throws when `data` is not the typed array of its dtype, or its length is not the product of its shape
 */
export function writeSafetensors(
  tensors: Map<string, StoredTensor> | Iterable<[string, StoredTensor]>,
  metadata: Record<string, string> = {},
): Uint8Array {
  const header: Record<string, unknown> = {}
  if (Object.keys(metadata).length > 0) header.__metadata__ = metadata
  const parts: SafetensorsData[] = []
  const fields = Object.keys(header).map(key => `${JSON.stringify(key)}:${JSON.stringify(header[key])}`)
  const seen = new Set<string>()
  let covered = 0
  for (const [key, { dtype, shape, data }] of tensors) {
    const where = `safetensors: tensor "${key}"`
    if (key === '__metadata__' || seen.has(key)) throw new Error(`${where}: expected a new name, got one that is taken`)
    seen.add(key)
    const Type = Object.hasOwn(ARRAYS, dtype) ? ARRAYS[dtype] : undefined
    if (!Type) throw new Error(`${where}: expected dtype ${Object.keys(ARRAYS).join(', ')}, got ${shown(dtype)}`)
    if (!(data instanceof Type))
      throw new Error(`${where}: expected ${Type.name} for dtype ${dtype}, got ${(data as object).constructor.name}`)
    const length = shape.reduce((product, size) => product * size, 1)
    if (!shape.every(isCount) || length !== data.length) {
      throw new Error(`${where}: expected ${length} elements for shape (${shape.join(', ')}), got ${data.length}`)
    }
    // Written by hand rather than as one object: JavaScript objects move keys like "0" to the front.
    fields.push(
      `${JSON.stringify(key)}:${JSON.stringify({ dtype, shape, data_offsets: [covered, covered + data.byteLength] })}`,
    )
    covered += data.byteLength
    parts.push(data)
  }
  const text = new TextEncoder().encode(`{${fields.join(',')}}`)
  const start = Math.ceil((8 + text.length) / 8) * 8
  const out = new Uint8Array(start + covered)
  new DataView(out.buffer).setBigUint64(0, BigInt(start - 8), true)
  out.fill(0x20, 8 + text.length, start)
  out.set(text, 8)
  let offset = start
  for (const part of parts) {
    out.set(new Uint8Array(part.buffer, part.byteOffset, part.byteLength), offset)
    offset += part.byteLength
  }
  return out
}

/**
 * The elements as Float32Array: F32 shares memory, F16 and BF16 decode exactly, F64 and integers round to the nearest.
 * I64 values above 2⁵³ round twice.
 */
export function toFloat32({ dtype, data }: StoredTensor): Float32Array {
  if (data instanceof Float32Array) return data
  if (dtype === 'BF16') {
    const bits = new Uint32Array(data.length)
    for (let i = 0; i < bits.length; i++) bits[i] = (data as Uint16Array)[i] << 16
    return new Float32Array(bits.buffer)
  }
  return dtype === 'F16'
    ? float16ToFloat32(data as Uint16Array)
    : Float32Array.from(data as ArrayLike<number | bigint>, Number)
}

function parseHeader(bytes: Uint8Array): Record<string, unknown> | undefined {
  if (bytes[0] !== 0x7b) return undefined
  try {
    const value: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
    return isRecord(value) ? value : undefined
  } catch {
    return undefined
  }
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
}

/** Sets a key as the object's own, even `__proto__`. */
function setOwn(target: Record<string, string>, key: string, value: string): void {
  Object.defineProperty(target, key, { value, enumerable: true, writable: true, configurable: true })
}
