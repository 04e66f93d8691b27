// The tensors of a torch.save file that need not fit in memory: their shapes, and some of their rows at a time.
import type { OpenFile } from './open-file.js'
import type { SafetensorsData, SafetensorsDtype } from './safetensors.js'
import { type Fail, shown } from './shown.js'
import { isLegacyTorch, readLegacyTorch } from './torch-legacy.js'
import { contentOf, readContent } from './torch-content.js'
import { isContiguous, lengthOf, Storage, type StorageId, STORAGES, type View } from './torch-storage.js'
import { entryOf, folderOf, isZip, readTorch } from './torch.js'
import { checkChecksum, crc32, indexZip, type ZipPlace } from './zip.js'

/** A tensor whose first axis is read in pieces. */
export interface RowTensor {
  dtype: SafetensorsDtype
  shape: readonly number[]
  /**
   * The elements of rows `from` … `to` − 1, row-major. When a whole storage is read from its first row to its last, its
   * checksum is compared at the end. Rejects when the file cannot be read or is damaged.
   */
  rows(from: number, to: number): Promise<SafetensorsData>
}

/**
 * The tensors of a file of `torch.save` by name, also of the legacy format. Only their places are read. See `readTorch`
 * for what is allowed and which errors occur. Each row must lie in one piece: a transposed tensor rejects with a hint
 * to save a contiguous one.
 */
export async function openTorch(file: OpenFile, name = 'torch'): Promise<Map<string, RowTensor>> {
  const fail = (message: string): never => {
    throw new Error(`${name}: ${message}`)
  }
  const ids = new Map<Storage, StorageId>()
  const storageOf = (id: StorageId) => {
    const [dtype, Type] = STORAGES[id.storageName]
    const storage = new Storage(id.key, dtype, new Type(0))
    ids.set(storage, id)
    return storage
  }
  const start = await file.read(0, Math.min(64, file.size))
  const isLegacy = isLegacyTorch(start)
  // It says what the file is instead.
  if (!isLegacy && !isZip(start)) readTorch(start, name)
  const { content, placeOf } = isLegacy ? await openLegacy() : await openZip()
  return new Map(
    [...contentOf(content, fail).views].map(([key, view]) => {
      const id = ids.get(view.storage)!
      return [key, rowsOf(file, view, { ...placeOf(id), id, where: `tensor ${shown(key)}`, fail })]
    }),
  )

  async function openLegacy() {
    const { content, places } = await readLegacyTorch(file, name, storageOf)
    const missing = (key: string) => fail(`storage ${shown(key)} is missing — the file is damaged`)
    const placeOf = ({ key }: StorageId) => ({ entry: key, place: places.get(key) ?? missing(key) })
    return { content, placeOf }
  }

  async function openZip() {
    const places = await indexZip(file, name)
    const folder = folderOf([...places.keys()], fail)
    const load = async (path: string) => {
      const place = places.get(path)
      const bytes = place && (await file.read(place.start, place.length))
      if (bytes) checkChecksum(path, place.checksum, () => crc32(bytes), fail)
      return bytes
    }
    const content = readContent((await load(`${folder}data.pkl`))!, await load(`${folder}byteorder`), name, storageOf)
    const placeOf = (id: StorageId) => ({ entry: `${folder}data/${id.key}`, place: entryOf(id, places, folder, fail) })
    return { content, placeOf }
  }
}

interface Origin {
  entry: string
  place: ZipPlace
  id: StorageId
  where: string
  fail: Fail
}

function rowsOf(file: OpenFile, view: View, { entry, place, id, where, fail }: Origin): RowTensor {
  const { storage, offset, shape, strides } = view
  const length = lengthOf(view, id.length, () => where, fail)
  const [, Type] = STORAGES[id.storageName]
  const { BYTES_PER_ELEMENT: width } = Type
  const row = shape.slice(1).reduce((product, size) => product * size, 1)
  const stride = shape.length > 0 && shape[0] > 1 ? strides[0] : row
  const isWhole = isContiguous(shape, strides) && length === id.length
  let [checked, checksum] = [0, 0]
  const rows = async (from: number, to: number): Promise<SafetensorsData> => {
    if (!isContiguous(shape.slice(1), strides.slice(1))) {
      fail(`${where}: its rows do not lie in one piece each — save it after .contiguous()`)
    }
    const count = (to - from) * row
    if (count === 0) return new Type(0)
    const first = place.start + (offset + from * stride) * width
    const bytes = await file.read(first, ((to - from - 1) * stride + row) * width)
    if (isWhole && from === checked) {
      ;[checked, checksum] = [to, crc32(bytes, checksum)]
      if (to === (shape[0] ?? 1)) checkChecksum(entry, place.checksum, () => checksum, fail)
    }
    const stored =
      bytes.byteOffset % width === 0
        ? new Type(bytes.buffer as ArrayBuffer, bytes.byteOffset, bytes.length / width)
        : new Type(Uint8Array.prototype.slice.call(bytes).buffer)
    if (stride === row) return stored
    const out = new Type(count)
    for (let i = 0; i < to - from; i++) {
      // Both are of the same type, which TypeScript does not see.
      ;(out as Float32Array).set(stored.subarray(i * stride, i * stride + row) as Float32Array, i * row)
    }
    return out
  }
  return { dtype: storage.dtype, shape, rows }
}
