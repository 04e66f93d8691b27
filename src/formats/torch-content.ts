// The content of a pickle of torch.save: storages, views, dicts, modules, and the tensors in them by name.
import { isHarmless } from './harmless.js'
import { type Globals, Inert, type PickleGlobal, readPickle } from './pickle.js'
import { type Fail, shown } from './shown.js'
import { isCount, Storage, type StorageId, type StorageName, STORAGES, View } from './torch-storage.js'

/** Plain values of a file by path: keys and places in lists, joined by "/". */
export type TorchValues = Map<string, string | number | boolean | null>

/** Most bytes of a pickle. */
const MAX_PICKLE = 0x4000000

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
export function contentOf(content: unknown, fail: Fail): { views: Map<string, View>; values: TorchValues } {
  if (content instanceof View)
    return fail('it holds a single tensor, expected a dict of tensors by name — save model.state_dict()')
  if (content instanceof Inert && !isModule(content))
    return fail(
      `it holds an object of ${shown(content.type)}, expected a dict of tensors by name — save model.state_dict()`,
    )
  if (!(content instanceof Map || content instanceof Inert || Array.isArray(content)))
    return fail('expected a dict of tensors by name, got something else — save model.state_dict()')
  const dicts = new Map<string, [string, View][]>()
  const values: TorchValues = new Map()
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
