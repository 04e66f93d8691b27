// The format of torch.save before version 1.6: five pickles one after the other, then the storages.
import type { OpenFile } from './open-file.js'
import { readPickle } from './pickle.js'
import { type Fail, shown } from './shown.js'
import { readContent } from './torch-content.js'
import { STORAGES, type Storage, type StorageId } from './torch-storage.js'
import type { ZipPlace } from './zip.js'

const MAGIC = 0x1950a86a20f9469cfc6cn
/** Bytes that are read first, and most bytes: where the pickles are longer, twice as many are read again. */
const [FIRST_HEAD, MAX_HEAD] = [2 ** 16, 64 * 2 ** 20]

/** Whether a file begins as that format does. */
export function isLegacyTorch(start: Uint8Array): boolean {
  return [0x80, 2, 0x8a, 10, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20].every((byte, i) => start[i] === byte)
}

type StorageOf = (id: StorageId) => Storage

export interface LegacyTorch {
  content: unknown
  /** Where each storage lies, by its key. */
  places: Map<string, ZipPlace>
}

/** Reads the content, without the elements of tensors. Rejects when the file is damaged, or not little-endian. */
export async function readLegacyTorch(file: OpenFile, name: string, storageOf: StorageOf): Promise<LegacyTorch> {
  const fail = (message: string): never => {
    throw new Error(`${name}: ${message}`)
  }
  for (let length = Math.min(FIRST_HEAD, file.size); ; length = Math.min(2 * length, file.size)) {
    const ids = new Map<string, StorageId>()
    const remember = (id: StorageId) => {
      ids.set(id.key, id)
      return storageOf(id)
    }
    let head: Head
    try {
      head = readHead(await file.read(0, length), name, remember)
    } catch (error) {
      const isCut = length < file.size && length <= MAX_HEAD && /is truncated|has no end/.test((error as Error).message)
      if (isCut) continue
      throw error
    }
    const { protocol, system } = head
    if (protocol !== 1001)
      fail(`expected protocol 1001, got ${String(protocol)} — load it with torch.load and save it again`)
    if (system.get('little_endian') !== true)
      fail('expected byte order "little" — save it again on a little-endian machine')
    return { content: head.content, places: await findStorages(file, head, ids, fail) }
  }
}

interface Head {
  protocol: unknown
  system: Map<unknown, unknown>
  content: unknown
  keys: unknown[]
  end: number
}

function readHead(bytes: Uint8Array, name: string, storageOf: StorageOf): Head {
  let end = 0
  const onEnd = (at: number) => void (end += at)
  const next = () => readPickle(bytes.subarray(end), { name, globals: new Map(), onEnd })
  const [first, protocol, system] = [next(), next(), next()]
  const content = readContent(bytes.subarray(end), undefined, name, storageOf, onEnd)
  const keys = next()
  if (first !== MAGIC || !(system instanceof Map) || !Array.isArray(keys)) {
    throw new Error(`${name}: expected the legacy format of torch.save, got another pickle — the file is damaged`)
  }
  return { protocol, system, content, keys, end }
}

/** The places of the storages. Each begins with the number of its elements, in eight bytes. */
async function findStorages(
  file: OpenFile,
  { keys, end }: Head,
  ids: ReadonlyMap<string, StorageId>,
  fail: Fail,
): Promise<LegacyTorch['places']> {
  const places: LegacyTorch['places'] = new Map()
  let at = end
  for (const key of keys) {
    const where = `storage ${shown(String(key), 40)}`
    const { storageName, length } =
      ids.get(key as string) ?? fail(`${where}: no tensor is a view of it — the file is damaged`)
    if (at + 8 > file.size) fail(`${where}: the file ends at byte ${file.size} — it is truncated`)
    const bytes = await file.read(at, 8)
    const stored = Number(new DataView(bytes.buffer, bytes.byteOffset).getBigInt64(0, true))
    if (stored !== length) fail(`${where}: expected ${length} elements, got ${stored} — the file is damaged`)
    const size = length * STORAGES[storageName][1].BYTES_PER_ELEMENT
    const end = at + 8 + size
    if (end > file.size)
      fail(`${where}: expected its bytes up to byte ${end}, the file ends at byte ${file.size} — it is truncated`)
    places.set(key as string, { start: at + 8, length: size, checksum: 0 })
    at = end
  }
  return places
}
