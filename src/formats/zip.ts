// Zip archives of stored (uncompressed) entries as named bytes and back; zip64 is read, checksums are checked.
import type { OpenFile } from './open-file.js'
import { type Fail, shown } from './shown.js'

const LOCAL = 0x04034b50
const CENTRAL = 0x02014b50
const END = 0x06054b50
const END64 = 0x06064b50
const LOCATOR64 = 0x07064b50
/** Extra field that holds sizes of more than 32 bits. */
const ZIP64 = 1
/** Extra field that pads the data to its ALIGNMENT, by the name PyTorch gives it ("FB"). */
const PADDING = 0x4246
const UNKNOWN = 0xffffffff
const ALIGNMENT = 64
/**
 * Bytes of the header of an entry before its name, and most bytes at the end of an archive that tell where its
 * directory is.
 */
const [HEADER, TAIL] = [30, 0xffff + 22 + 20 + 56]

/** Where an entry lies in an archive. */
export interface ZipPlace {
  /** Its first byte, and how many it has. */
  start: number
  length: number
  /** 0 counts as "not computed": PyTorch can be told to leave checksums out. */
  checksum: number
}

/** The number of entries in the directory of the archive, and its place. */
interface Directory {
  count: number
  size: number
  start: number
}

/** An entry as the directory of the archive lists it. */
interface Listed extends Omit<ZipPlace, 'start'> {
  entry: string
  /** Where its header begins. */
  local: number
}

/**
 * The entries of an archive by name, in the order of its directory, as views of `bytes`. A checksum of 0 counts as "not
 * computed", since PyTorch can be told to leave them out.
 * @throws one line that begins with `name` when the archive is truncated or damaged, an entry is compressed or
 * encrypted, a name occurs twice, or a checksum is wrong
 *
 * Format: https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT
 */
export function readZip(bytes: Uint8Array, name = 'zip'): Map<string, Uint8Array> {
  const fail = failing(name)
  checkStart(bytes, bytes.length, fail)
  const entries = new Map<string, Uint8Array>()
  const directory = findDirectory(bytes, 0, fail)
  for (const listed of listDirectory(bytes, 0, directory, fail)) {
    const { start, length, checksum } = placeOf(
      listed,
      bytes.subarray(listed.local, listed.local + HEADER),
      directory.start,
      fail,
    )
    const content = bytes.subarray(start, start + length)
    checkChecksum(listed.entry, checksum, () => crc32(content), fail)
    entries.set(listed.entry, content)
  }
  return entries
}

/**
 * The places of the entries of an archive by name. Only the directory and the headers of the entries are read. Rejects
 * where `readZip` throws, except for checksums: see `checkChecksum`.
 */
export async function indexZip(file: OpenFile, name = 'zip'): Promise<Map<string, ZipPlace>> {
  const fail = failing(name)
  checkStart(await file.read(0, Math.min(4, file.size)), file.size, fail)
  let before = Math.max(0, file.size - TAIL)
  let tail = await file.read(before, file.size - before)
  const directory = findDirectory(tail, before, fail)
  if (directory.start < before) tail = await file.read((before = directory.start), file.size - before)
  const places = new Map<string, ZipPlace>()
  for (const listed of listDirectory(tail, before, directory, fail)) {
    places.set(listed.entry, placeOf(listed, await file.read(listed.local, HEADER), directory.start, fail))
  }
  return places
}

/**
 * Compares the checksum in the directory with that of the bytes, unless none was computed.
 * @throws when they differ
 */
export function checkChecksum(entry: string, expected: number, actual: () => number, fail: Fail): void {
  if (expected === 0) return
  const found = actual()
  if (found !== expected)
    fail(
      `entry ${shown(entry)}: expected checksum ${hex(expected)}, got ${hex(found)} — ` +
        'the file is damaged; copy or download it again',
    )
}

const failing =
  (name: string): Fail =>
  message => {
    throw new Error(`${name}: ${message}`)
  }

function checkStart(start: Uint8Array, size: number, fail: Fail): void {
  if (start.length < 4 || reader(start).u32(0) !== LOCAL)
    fail(`expected a zip archive, which starts with "PK", got ${size} other bytes`)
}

/** Reads numbers at places of a file whose last bytes are `tail`, from byte `before` on. */
function reader(tail: Uint8Array, before = 0) {
  const view = new DataView(tail.buffer, tail.byteOffset, tail.byteLength)
  return {
    u16: (at: number) => view.getUint16(at - before, true),
    u32: (at: number) => view.getUint32(at - before, true),
    u64: (at: number) => Number(view.getBigUint64(at - before, true)),
  }
}

/** The directory's place stands at the end, before a comment of at most 65535 bytes. */
function findDirectory(tail: Uint8Array, before: number, fail: Fail): Directory {
  const { u16, u32, u64 } = reader(tail, before)
  const total = before + tail.length
  let end = total - 22
  while (end >= before && end >= total - 22 - 0xffff && !(u32(end) === END && end + 22 + u16(end + 20) === total)) end--
  if (end < before || u32(end) !== END)
    fail(`expected the archive's directory at the end of its ${total} bytes, found none — the file is truncated`)
  let [count, size, start] = [u16(end + 10), u32(end + 12), u32(end + 16)]
  if (end - before >= 20 && u32(end - 20) === LOCATOR64) {
    const end64 = u64(end - 12)
    if (!(end64 >= before) || end64 + 56 > end || u32(end64) !== END64)
      fail('expected the zip64 directory where its locator says, found something else — the file is damaged')
    ;[count, size, start] = [u64(end64 + 32), u64(end64 + 40), u64(end64 + 48)]
  }
  if (start + size > end)
    fail(
      `expected the archive's directory within ${end} bytes, got bytes ${start} … ${start + size} — ` +
        'the file is damaged',
    )
  return { count, size, start }
}

function* listDirectory(
  tail: Uint8Array,
  before: number,
  { count, size, start }: Directory,
  fail: Fail,
): Generator<Listed, void> {
  const { u16, u32, u64 } = reader(tail, before)
  const seen = new Set<string>()
  const limit = start + size
  let at = start
  for (let i = 0; i < count; i++) {
    if (at + 46 > limit || u32(at) !== CENTRAL)
      fail(`expected ${count} entries in the archive's directory, entry ${i + 1} is damaged`)
    const [flags, method, checksum] = [u16(at + 8), u16(at + 10), u32(at + 16)]
    const [nameLength, extraLength, commentLength] = [u16(at + 28), u16(at + 30), u16(at + 32)]
    const extra = at + 46 + nameLength
    const next = extra + extraLength + commentLength
    if (next > limit) fail(`entry ${i + 1} of the archive's directory reaches beyond it — the file is damaged`)
    const entry = new TextDecoder().decode(tail.subarray(at + 46 - before, extra - before))
    const where = () => `entry ${shown(entry)}`
    if (flags & 1) fail(`${where()}: it is encrypted, expected plain bytes`)
    if (method !== 0)
      fail(`${where()}: it is compressed (method ${method}), expected stored bytes as torch.save writes them`)
    let [packed, length, local] = [u32(at + 20), u32(at + 24), u32(at + 42)]
    for (let field = extra; field + 4 <= extra + extraLength; field += 4 + u16(field + 2)) {
      if (u16(field) !== ZIP64) continue
      let value = field + 4
      const stop = value + u16(field + 2)
      const wide = (old: number) => {
        if (old !== UNKNOWN) return old
        if (value + 8 > stop || stop > extra + extraLength)
          fail(`${where()}: its zip64 sizes are missing — the file is damaged`)
        value += 8
        return u64(value - 8)
      }
      ;[length, packed, local] = [wide(length), wide(packed), wide(local)]
    }
    if (packed !== length)
      fail(`${where()}: expected equal stored and original sizes, got ${packed} and ${length} — the file is damaged`)
    if (local + HEADER > start)
      fail(`${where()}: expected its header at byte ${local}, found something else — the file is damaged`)
    if (seen.has(entry)) fail(`${where()}: expected every name once, got it twice — the file is damaged`)
    seen.add(entry)
    yield { entry, local, length, checksum }
    at = next
  }
}

/** `header`: the 30 bytes before an entry's name. `limit`: where the entries end. */
function placeOf({ entry, local, length, checksum }: Listed, header: Uint8Array, limit: number, fail: Fail): ZipPlace {
  const { u16, u32 } = reader(header)
  const where = () => `entry ${shown(entry)}`
  if (u32(0) !== LOCAL)
    fail(`${where()}: expected its header at byte ${local}, found something else — the file is damaged`)
  const start = local + HEADER + u16(26) + u16(28)
  if (start + length > limit)
    fail(
      `${where()}: expected ${length} bytes from byte ${start} on, the entries end at byte ${limit} — ` +
        'the file is damaged',
    )
  return { start, length, checksum }
}

/**
 * Writes an archive of stored entries, their data aligned to 64 bytes. The same input always gives the same bytes.
 * @throws when the archive would pass 4 GiB or 65534 entries
 */
export function writeZip(entries: Iterable<readonly [name: string, data: Uint8Array]>): Uint8Array<ArrayBuffer> {
  const parts: { label: Uint8Array; data: Uint8Array; local: number; start: number; checksum: number }[] = []
  let offset = 0
  for (const [name, data] of entries) {
    const label = new TextEncoder().encode(name)
    const start = Math.ceil((offset + 30 + label.length + 4) / ALIGNMENT) * ALIGNMENT
    parts.push({ label, data, local: offset, start, checksum: crc32(data) })
    offset = start + data.length
  }
  const directory = offset
  const size = parts.reduce((sum, { label }) => sum + 46 + label.length, 0)
  if (directory + size >= UNKNOWN || parts.length >= 0xffff)
    throw new Error(
      `zip: expected less than 4 GiB and 65535 entries, got ${directory + size} bytes and ${parts.length} entries — ` +
        'store less, or 16-bit floats',
    )
  const bytes = new Uint8Array(directory + size + 22)
  const view = new DataView(bytes.buffer)
  const u16 = (at: number, ...values: number[]) => values.forEach((value, i) => view.setUint16(at + 2 * i, value, true))
  const u32 = (at: number, ...values: number[]) => values.forEach((value, i) => view.setUint32(at + 4 * i, value, true))
  let at = directory
  for (const { label, data, local, start, checksum } of parts) {
    const padding = start - local - 30 - label.length
    // Version 2.0, names in UTF-8, stored, 1 January 1980.
    u32(local, LOCAL)
    u16(local + 4, 20, 0x800, 0, 0, 33)
    u32(local + 14, checksum, data.length, data.length)
    u16(local + 26, label.length, padding)
    bytes.set(label, local + 30)
    u16(local + 30 + label.length, PADDING, padding - 4)
    bytes.fill(0x5a, local + 34 + label.length, start)
    bytes.set(data, start)
    u32(at, CENTRAL)
    u16(at + 4, 20, 20, 0x800, 0, 0, 33)
    u32(at + 16, checksum, data.length, data.length)
    u16(at + 28, label.length)
    u32(at + 42, local)
    bytes.set(label, at + 46)
    at += 46 + label.length
  }
  u32(at, END)
  u16(at + 8, parts.length, parts.length)
  u32(at + 12, size, directory)
  return bytes
}

/** Remainders of a byte, k zero bytes after it: eight tables of 256. */
const TABLES = /* @__PURE__ */ remainders()

function remainders(): Uint32Array[] {
  const tables = Array.from({ length: 8 }, () => new Uint32Array(256))
  for (let byte = 0; byte < 256; byte++) {
    let value = byte
    for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1
    tables[0][byte] = value
  }
  for (let k = 1; k < 8; k++)
    for (let byte = 0; byte < 256; byte++)
      tables[k][byte] = (tables[k - 1][byte] >>> 8) ^ tables[0][tables[k - 1][byte] & 255]
  return tables
}

/** The CRC-32 of zip, eight bytes at a time. `before` is the checksum of the bytes before these. */
export function crc32(bytes: Uint8Array, before = 0): number {
  const [t0, t1, t2, t3, t4, t5, t6, t7] = TABLES
  let crc = before ^ -1
  let i = 0
  for (const whole = bytes.length - (bytes.length % 8); i < whole; i += 8) {
    crc ^= bytes[i] | (bytes[i + 1] << 8) | (bytes[i + 2] << 16) | (bytes[i + 3] << 24)
    crc =
      t7[crc & 255] ^
      t6[(crc >>> 8) & 255] ^
      t5[(crc >>> 16) & 255] ^
      t4[crc >>> 24] ^
      t3[bytes[i + 4]] ^
      t2[bytes[i + 5]] ^
      t1[bytes[i + 6]] ^
      t0[bytes[i + 7]]
  }
  for (; i < bytes.length; i++) crc = (crc >>> 8) ^ t0[(crc ^ bytes[i]) & 255]
  return (crc ^ -1) >>> 0
}

function hex(value: number): string {
  return value.toString(16).padStart(8, '0')
}
