// Files of PyTorch's torch.save as named tensors: a zip of raw storages and a pickle, of which nothing is executed.
import { float32ToFloat16 } from './float16.js'
import { foreign, named } from './recognise.js'
import type { StoredTensor } from './safetensors.js'
import { type Fail, printable, shown } from './shown.js'
import { contentOf, readContent, type TorchValues } from './torch-content.js'
import { gather, isContiguous, lengthOf, Storage, type StorageId, STORAGES } from './torch-storage.js'
import { readZip } from './zip.js'

/** The tensors of a file in the order of its state dict, and other numbers and texts, e.g. settings of a training. */
export interface TorchFile {
  tensors: Map<string, StoredTensor>
  values: TorchValues
}

const TORCH = 'a file of torch.save (.pt)'
/** Kinds of zip archives that may still be one, damaged or not. */
const LIKE = 'a file of torch.save (.pt), a zip archive'
/** Most bytes of copies of views that are not contiguous, in addition to four times the size of the file. */
const MAX_COPIES = 0x4000000

/**
 * Reads a file of `torch.save`. Where one dict holds all tensors, they have its names, whether it is the whole content
 * or stands under a key such as "model". Otherwise, as in the state of a training with several models, they have paths:
 * keys and places in lists with "/" between. Moments of optimisers (under numbers) and everything that is no tensor are
 * left out.
 * Nothing in the file is executed. Objects other than tensors are not made, and a pickle that names code that could run
 * is refused before anything is built.
 * Contiguous tensors share memory with `bytes` where they lie aligned, as torch.save leaves them, and with each other
 * where they did in PyTorch. Other tensors are copied.
 * @throws one line that begins with `name` for other formats, damage, element types without a dtype, big-endian files
 */
export function readTorch(bytes: Uint8Array, name = 'torch'): TorchFile {
  const fail = (message: string): never => {
    throw new Error(`${name}: ${message}`)
  }
  if (!isZip(bytes))
    fail(
      foreign(bytes, TORCH) ??
        `expected a file of torch.save, which starts with "PK", got ${bytes.length} other bytes — ` +
          'is this the right file?',
    )
  const entries = named(bytes, name, TORCH, () => readZip(bytes, name), LIKE)
  const paths = [...entries.keys()]
  if (!paths.some(isPickle)) fail(foreign(bytes, TORCH, LIKE) ?? noPickle(paths))
  const folder = folderOf(paths, fail)
  const storages = new Map<string, Storage>()
  const content = readContent(entries.get(`${folder}data.pkl`)!, entries.get(`${folder}byteorder`), name, id => {
    const { storageName, key, length } = id
    const [dtype, Type] = STORAGES[storageName]
    const entry = entryOf(id, entries, folder, fail)
    const known = storages.get(`${storageName} ${key}`)
    if (known) return known
    const data =
      entry.byteOffset % Type.BYTES_PER_ELEMENT === 0
        ? new Type(entry.buffer as ArrayBuffer, entry.byteOffset, length)
        : new Type(Uint8Array.prototype.slice.call(entry).buffer, 0, length)
    if (dtype === 'BOOL' && (data as Uint8Array).some(byte => byte > 1))
      fail(`storage ${shown(key)}: expected bools as bytes 0 and 1, got another byte`)
    const storage = new Storage(key, dtype, data)
    storages.set(`${storageName} ${key}`, storage)
    return storage
  })

  const { views, values } = contentOf(content, fail)
  const tensors = new Map<string, StoredTensor>()
  let copied = 0
  for (const [key, view] of views) {
    const { storage, offset, shape, strides } = view
    const where = () => `tensor ${shown(key)}`
    const length = lengthOf(view, storage.data.length, where, fail)
    let data = storage.data.subarray(offset, offset + length)
    if (!isContiguous(shape, strides)) {
      copied += length * storage.data.BYTES_PER_ELEMENT
      if (copied > MAX_COPIES + 4 * bytes.length)
        fail(
          `${where()}: its views would take ${copied} bytes, the file has ${bytes.length} — ` +
            'save tensors after .contiguous() or .clone()',
        )
      data = gather(view, length)
    }
    tensors.set(key, { dtype: storage.dtype, shape, data })
  }
  return { tensors, values }
}

/** The folder of the entries. Fails when torch.save did not write the file. */
export function folderOf(paths: readonly string[], fail: Fail): string {
  const pickles = paths.filter(isPickle)
  if (pickles.length !== 1) fail(noPickle(paths))
  const folder = pickles[0].slice(0, -'data.pkl'.length)
  if (paths.includes(`${folder}constants.pkl`))
    fail('it is a TorchScript program, expected tensors — save model.state_dict() with torch.save')
  return folder
}

function isPickle(path: string): boolean {
  return /^[^/]*\/data\.pkl$/.test(path)
}

function noPickle(paths: readonly string[]): string {
  const got = paths.filter(isPickle).length || 'none'
  return (
    `expected one entry FOLDER/data.pkl as torch.save writes it, got ${got} among ${paths.length} — ` +
    'is this another kind of zip?'
  )
}

/** The entry of a storage: its bytes or their place. Fails when it is missing or has another size. */
export function entryOf<T extends { length: number }>(
  { storageName, key, length }: StorageId,
  entries: ReadonlyMap<string, T>,
  folder: string,
  fail: Fail,
): T {
  const where = () => `storage ${shown(key)}`
  const entry =
    entries.get(`${folder}data/${key}`) ??
    fail(`${where()}: the entry ${printable(`${folder}data/${key}`)} is missing — the file is damaged`)
  const size = length * STORAGES[storageName][1].BYTES_PER_ELEMENT
  if (entry.length !== size)
    fail(
      `${where()}: expected ${size} bytes for ${length} elements of ${storageName}, got ${entry.length} — ` +
        'the file is damaged',
    )
  return entry
}

/** Whether bytes begin like a file of torch.save: a zip archive, or a bare pickle in formats that are not read here. */
export function isTorch(bytes: Uint8Array): boolean {
  // A safetensors file may begin with the same byte as a pickle, but has its header's brace after eight.
  return isZip(bytes) || (bytes[0] === 0x80 && bytes[8] !== 0x7b)
}

export function isZip(bytes: Uint8Array): boolean {
  return bytes[0] === 0x50 && bytes[1] === 0x4b && bytes[2] === 3 && bytes[3] === 4
}

/**
 * Float32 values as a tensor of another float type. Each rounds to the nearest, ties to even; values that are too large
 * become infinite.
 */
export function fromFloat32(
  values: Float32Array,
  shape: readonly number[],
  dtype: 'F32' | 'F16' | 'BF16',
): StoredTensor {
  if (dtype === 'F32') return { dtype, shape: [...shape], data: values }
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length)
  const data =
    dtype === 'F16' ? float32ToFloat16(values) : new Uint16Array(values.length).map((_, i) => bfloat16Bits(bits[i]))
  return { dtype, shape: [...shape], data }
}

function bfloat16Bits(bits: number): number {
  if ((bits & 0x7fffffff) > 0x7f800000) return (bits >>> 16) | 0x40
  return (bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16
}
