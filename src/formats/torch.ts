// Files of PyTorch's torch.save as named tensors: a zip of raw storages and a pickle, of which nothing is executed.
import { float32ToFloat16 } from './float16.js'
import { isHarmless } from './harmless.js'
import { type Globals, Inert, type PickleGlobal, readPickle } from './pickle.js'
import { foreign, named } from './recognise.js'
import type { SafetensorsData, SafetensorsDtype, StoredTensor } from './safetensors.js'
import { printable, shown } from './shown.js'
import { gatherStrided } from './strided.js'
import { readZip } from './zip.js'

/** The tensors of a file in the order of its state dict, and other numbers and texts, e.g. settings of a training. */
export interface TorchFile {
  tensors: Map<string, StoredTensor>
  /** By path: keys and places in lists, joined by "/". */
  values: Map<string, string | number | boolean | null>
}

/** PyTorch's storage types, the dtypes here, and their arrays. */
export const STORAGES = {
  DoubleStorage: ['F64', Float64Array],
  FloatStorage: ['F32', Float32Array],
  HalfStorage: ['F16', Uint16Array],
  BFloat16Storage: ['BF16', Uint16Array],
  LongStorage: ['I64', BigInt64Array],
  IntStorage: ['I32', Int32Array],
  ShortStorage: ['I16', Int16Array],
  CharStorage: ['I8', Int8Array],
  ByteStorage: ['U8', Uint8Array],
  BoolStorage: ['BOOL', Uint8Array],
} as const satisfies Record<string, readonly [SafetensorsDtype, unknown]>

export type StorageName = keyof typeof STORAGES

/** The elements that tensors are views of. */
export class Storage {
  constructor(
    readonly key: string,
    readonly dtype: SafetensorsDtype,
    readonly data: SafetensorsData,
  ) {}
}

/**
 * A tensor of the pickle: a view of a storage. Element (i, j, …) lies at offset + i · strides[0] + j · strides[1] + …
 */
export class View {
  constructor(
    readonly storage: Storage,
    readonly offset: number,
    readonly shape: number[],
    readonly strides: number[],
  ) {}
}

type Fail = (message: string) => never

const TORCH = 'a file of torch.save (.pt)'
/** Kinds of zip archives that may still be one, damaged or not. */
const LIKE = 'a file of torch.save (.pt), a zip archive'
const MAX_PICKLE = 0x4000000
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

/** A storage as the pickle describes it. */
export interface StorageId {
  storageName: StorageName
  key: string
  /** Elements. */
  length: number
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

/**
 * The saved content: dicts as Maps, tensors as Views of what `storageOf` gives.
 * @param order the entry "byteorder" of newer versions
 * @param onEnd see `readPickle`
 */
export function readContent(
  pickle: Uint8Array,
  order: Uint8Array | undefined,
  name: string,
  storageOf: (id: StorageId) => Storage,
  onEnd?: (end: number) => void,
): unknown {
  const fail = (message: string): never => {
    throw new Error(`${name}: ${message}`)
  }
  if (order && new TextDecoder().decode(order).trim() !== 'little')
    fail(
      `expected byte order "little", got ${shown(new TextDecoder().decode(order.subarray(0, 20)))} — ` +
        'save it again on a little-endian machine',
    )
  if (pickle.length > MAX_PICKLE)
    fail(`expected a pickle of at most ${MAX_PICKLE} bytes, got ${pickle.length} — save a plain state_dict of tensors`)
  const persistent = (id: unknown): Storage | Inert => {
    const [kind, type, key, , length] = Array.isArray(id) ? id : []
    const storageName = (type as PickleGlobal | undefined)?.name?.slice('torch.'.length) as StorageName
    if (kind === 'storage' && storageName && !Object.hasOwn(STORAGES, storageName)) return new Inert(storageName, [])
    if (
      kind !== 'storage' ||
      !Object.hasOwn(STORAGES, storageName ?? '') ||
      typeof key !== 'string' ||
      !isCount(length)
    ) {
      return fail(
        'expected a storage ("storage", type, key, location, length) in the pickle, got something else — ' +
          'the file is damaged',
      )
    }
    return storageOf({ storageName, key, length })
  }
  return readPickle(pickle, { name, globals: globalsFor(fail), isHarmless, persistent, onEnd })
}

/** The number of a tensor's elements. Fails when they do not lie within the `stored` elements of its storage. */
export function lengthOf(
  { storage, offset, shape, strides }: View,
  stored: number,
  where: () => string,
  fail: Fail,
): number {
  const length = shape.reduce((product, size) => product * size, 1)
  const last = length === 0 ? offset - 1 : shape.reduce((sum, size, axis) => sum + (size - 1) * strides[axis], offset)
  if (!Number.isSafeInteger(length) || !(last < stored) || offset > stored) {
    fail(
      `${where()}: expected elements within the ${stored} of storage ${shown(storage.key)}, ` +
        `got shape (${shape.join(', ')}), strides (${strides.join(', ')}) from ${offset} on — the file is damaged`,
    )
  }
  return length
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

/** The globals that a pickle of tensors may name. */
function globalsFor(fail: Fail): Globals {
  const bad = (what: string) => fail(`the pickle's ${what} has other arguments than expected — the file is damaged`)
  const rebuild = ([storage, offset, shape, strides]: unknown[]): View | Inert => {
    // Of element types that are not known here.
    if (storage instanceof Inert) return storage
    const sizes = (value: unknown): value is number[] =>
      Array.isArray(value) && value.length <= 64 && value.every(isCount)
    if (
      !(storage instanceof Storage) ||
      !isCount(offset) ||
      !sizes(shape) ||
      !sizes(strides) ||
      shape.length !== strides.length
    )
      return bad('tensor')
    return new View(storage, offset, shape.slice(), strides.slice())
  }
  const parameter = ([view]: unknown[]): View | Inert =>
    view instanceof View || view instanceof Inert ? view : bad('parameter')
  const dict: PickleGlobal['call'] = () => new Map()
  const calls: Record<string, PickleGlobal['call']> = {
    'collections.OrderedDict': ([items = [], ...more]) => {
      if (!Array.isArray(items) || more.length || !items.every(item => Array.isArray(item) && item.length === 2))
        return bad('OrderedDict')
      return new Map(items as [unknown, unknown][])
    },
    'collections.defaultdict': dict,
    'collections.Counter': dict,
    'torch._utils._rebuild_tensor': rebuild,
    'torch._utils._rebuild_tensor_v2': rebuild,
    'torch._utils._rebuild_parameter': parameter,
    'torch._utils._rebuild_parameter_with_state': parameter,
    // A tensor with attributes, such as those that nn.Buffer sets.
    'torch._tensor._rebuild_from_type_v2': ([how, , args]) =>
      (how as PickleGlobal | undefined)?.call && Array.isArray(args)
        ? (how as PickleGlobal).call!(args)
        : bad('tensor'),
    'torch.Size': ([sizes]) => (Array.isArray(sizes) ? sizes : bad('Size')),
  }
  return new Map<string, PickleGlobal>([
    ...Object.keys(STORAGES).map(type => [`torch.${type}`, { name: `torch.${type}` }] as const),
    ...Object.entries(calls).map(([name, call]) => [name, { name, call }] as const),
  ])
}

type Module = Inert & { state: Map<string, unknown> }

/** Whether an object is an nn.Module that was saved whole: its class is not needed to find its tensors. */
function isModule(value: unknown): value is Module {
  return value instanceof Inert && value.state instanceof Map && value.state.get('_modules') instanceof Map
}

/**
 * The state_dict of a module: its parameters and lasting buffers, then those of its submodules. `left` counts how many
 * more modules may come.
 */
function stateOf({ state }: Module, prefix = '', left = { modules: 100_000 }): [string, View][] {
  const entries = (name: string) =>
    state.get(name) instanceof Map ? [...(state.get(name) as Map<string, unknown>)] : []
  const passing = state.get('_non_persistent_buffers_set')
  const lasting = entries('_buffers').filter(([name]) => !(Array.isArray(passing) && passing.includes(name)))
  const own = [...entries('_parameters'), ...lasting]
    .filter(([, view]) => view instanceof View)
    .map(([name, view]) => [prefix + name, view] as [string, View])
  const parts = entries('_modules').filter(([, part]) => isModule(part) && prefix.length < 1000 && left.modules-- > 0)
  return [...own, ...parts.flatMap(([name, part]) => stateOf(part as Module, `${prefix}${name}.`, left))]
}

/** Most levels of nesting that are searched for tensors. */
const MAX_DEPTH = 32

/** All tensors of a file by name, or by path where several dicts hold some, and its plain values by path. */
export function contentOf(content: unknown, fail: Fail): { views: Map<string, View>; values: TorchFile['values'] } {
  if (content instanceof View)
    return fail('it holds a single tensor, expected a dict of tensors by name — save model.state_dict()')
  if (content instanceof Inert && !isModule(content))
    return fail(
      `it holds an object of ${shown(content.type)}, expected a dict of tensors by name — save model.state_dict()`,
    )
  if (!(content instanceof Map || content instanceof Inert || Array.isArray(content)))
    return fail('expected a dict of tensors by name, got something else — save model.state_dict()')
  const dicts = new Map<string, [string, View][]>()
  const values: TorchFile['values'] = new Map()
  // What stands in two places, or in itself, counts in the first.
  const seen = new Set<unknown>()
  const visit = (value: unknown, path: readonly string[]): void => {
    if (value instanceof View) {
      const dict = path.slice(0, -1).join('/')
      const own = dicts.get(dict) ?? []
      own.push([path.at(-1)!, value])
      dicts.set(dict, own)
    } else if (isModule(value)) {
      dicts.set(path.join('/'), stateOf(value))
    } else if (value instanceof Map || Array.isArray(value)) {
      if (seen.has(value) || path.length > MAX_DEPTH) return
      seen.add(value)
      // Under numbers stand the parameters' states of an optimiser.
      for (const [key, entry] of value.entries())
        if (Array.isArray(value) || typeof key === 'string') visit(entry, [...path, String(key)])
    } else if (value === null || typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean')
      values.set(path.join('/'), value)
  }
  visit(content, [])
  if (dicts.size === 0 && !(content instanceof Map && content.size === 0)) {
    const keys = [...(content as Map<unknown, unknown> | unknown[]).keys()].slice(0, 8).map(key => shown(String(key)))
    return fail(
      `expected a dict of tensors by name, found no tensor under ${keys.join(', ')} — save model.state_dict()`,
    )
  }
  const several = dicts.size > 1
  const views = [...dicts].flatMap(([dict, own]) =>
    own.map(([key, view]) => [several && dict ? `${dict}/${key}` : key, view] as const),
  )
  return { views: new Map(views), values }
}

export function isContiguous(shape: readonly number[], strides: readonly number[]): boolean {
  if (shape.includes(0)) return true
  const wanted = contiguousStrides(shape)
  return shape.every((size, axis) => size === 1 || strides[axis] === wanted[axis])
}

export function contiguousStrides(shape: readonly number[]): number[] {
  const strides = shape.map(() => 1)
  for (let axis = shape.length - 2; axis >= 0; axis--) strides[axis] = strides[axis + 1] * Math.max(1, shape[axis + 1])
  return strides
}

/** The elements of a view in row-major order. */
function gather({ storage, offset, shape, strides }: View, length: number): SafetensorsData {
  const source = storage.data
  const out = new (source.constructor as new (length: number) => SafetensorsData)(length)
  return gatherStrided(source, out, shape, strides, offset)
}

export function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
}
