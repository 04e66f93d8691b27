// Files of other codes as one model: .pt, training states with several models, other names of the same tensors.
import { foreign, named } from '../../formats/recognise.js'
import { parseSafetensors, type StoredTensor } from '../../formats/safetensors.js'
import { printable, shown } from '../../formats/shown.js'
import { isTorch, readTorch as readTensors, type TorchFile } from '../../formats/torch.js'
import type { TrmConfig } from '../config.js'
import { inferConfig } from './infer-config.js'
import { fromNanoTrm, isNanoTrm, NANO_NAME } from './nano-trm.js'
import { officialTensor, PUZZLE_TABLE } from './names.js'

type Tensors = Map<string, StoredTensor>

/** One model of a file, with what the file tells about it. */
export interface ForeignModel {
  /** By official names, or by the names of the file where it holds no known model. */
  tensors: Tensors
  metadata: Record<string, string>
  config: Partial<TrmConfig>
  /** Tells people which model was chosen and what it took from another; empty where there was no choice. */
  note: string
  /** Infers the fields that neither file nor user gives. */
  inferConfig: typeof inferConfig
}

/** Names of a model's tensors, after its prefix. */
const OFFICIAL_NAME = /inner\.((embed_tokens|embed_pos|lm_head|q_head|puzzle_emb|[HL]_level)\.|[HL]\d?_init$)/
const MODEL_NAME = new RegExp(`(?<=^|[./])(?:${OFFICIAL_NAME.source}|${NANO_NAME.source})`)
/** Parts of names from torch.compile, sharded training and recomputation, anywhere in a name. */
const INNER_WRAPPERS = /(?<=^|[./])(_orig_mod|_fsdp_wrapped_module|_checkpoint_wrapped_module)\./g
/** Parts of names from loss heads and parallel training, in front of a name. */
const WRAPPERS = /(?:(?<=^|[./])(?:_orig_mod|module|model)\.)+$/
/** Prefixes of an optimiser's state, which has the names of the model's tensors. */
const OPTIMIZER = /(^|[./_])(optim|optimizers?|adam\w*|grads?|gradients?|exp_avg(_sq)?|moments?|momentum)([./_]|$)/i
/** Prefix of the moving average in a training state of this project; the names that follow are ours. */
const AVERAGE = 'training.average.'
/** Prefix of a model's settings in files of Lightning. */
const SETTINGS = 'hyper_parameters/'

/** The kinds of files that are read, for messages about others. */
export const CHECKPOINT = 'a checkpoint, which is a safetensors file or a file of torch.save (.pt)'

/**
 * One model of a file, which is a .pt or safetensors.
 * A moving average lacks what no optimiser trains, and takes it from the other model.
 * @param key chooses among several models by the prefix of their tensors' names, e.g. "ema_shadow"
 * @throws where the file holds several models and no key chooses one; the message lists them
 */
export function readTorch(bytes: Uint8Array, name = 'torch', key?: string): ForeignModel {
  return { ...readModel(bytes, name, key), inferConfig }
}

function readModel(bytes: Uint8Array, name: string, key?: string): Omit<ForeignModel, 'inferConfig'> {
  const { tensors: stored, values, metadata } = readAnyTensors(bytes, name)
  const models = modelsOf(withoutInnerWrappers(stored))
  if (models.length === 0 && key === undefined) return { tensors: stored, metadata, config: {}, note: '' }
  const model = choose(models, name, key)
  const settings = [...values].filter(([path]) => path.startsWith(SETTINGS))
  const known = new Map(settings.map(([path, value]) => [path.slice(SETTINGS.length), value]))
  const official = ({ tensors }: Found) =>
    isNanoTrm(tensors) ? fromNanoTrm(tensors, known, name) : { tensors, config: {} }
  const chosen = official(model)
  const others = models.filter(other => other !== model)
  const label = shown(keyOf(model, models))
  if (others.length === 0)
    return { ...chosen, metadata, note: model.prefix.includes('/') ? `${name}: the model ${label}` : '' }
  const lent = lend(
    chosen.tensors,
    others.map(other => official(other).tensors),
    name,
  )
  const note = `${name}: the model ${label} of ${models.map(each => shown(keyOf(each, models))).join(', ')}`
  // A single model of a training state cannot be resumed.
  const { training: _, ...described } = metadata
  return {
    ...chosen,
    metadata: described,
    note: lent.length ? `${note}, with ${lent.join(', ')} of another, as it has none` : note,
  }
}

function readAnyTensors(bytes: Uint8Array, name: string): TorchFile & Pick<ForeignModel, 'metadata'> {
  const isSafetensors = bytes[8] === 0x7b
  if (!isSafetensors && !isTorch(bytes)) {
    const begin = shown(String.fromCharCode(...bytes.subarray(0, 16)))
    const unknown = `expected ${CHECKPOINT}, got ${bytes.length} bytes that begin with ${begin}`
    throw new Error(`${name}: ${foreign(bytes, CHECKPOINT) ?? unknown}`)
  }
  return named(
    bytes,
    name,
    CHECKPOINT,
    () =>
      isSafetensors
        ? { values: new Map(), ...parseSafetensors(bytes, name) }
        : { metadata: {}, ...readTensors(bytes, name) },
    `${CHECKPOINT}, a zip archive`,
  )
}

interface Found {
  /** Everything before the names. */
  prefix: string
  /** The prefix without the names of wrappers. */
  label: string
  /** By the names that follow the prefix. */
  tensors: Tensors
}

/** The tensors without inner wrappers in their names, unless two would have the same name. */
function withoutInnerWrappers(stored: Tensors): Tensors {
  const bare = new Map([...stored].map(([tensor, value]) => [tensor.replace(INNER_WRAPPERS, ''), value]))
  return bare.size === stored.size ? bare : stored
}

/** The models of a file, in its order. */
function modelsOf(stored: ReadonlyMap<string, StoredTensor>): Found[] {
  const places = [...stored.keys()].map(tensor => [tensor, MODEL_NAME.exec(tensor)?.index] as const)
  const prefixes = [...new Set(places.flatMap(([tensor, at]) => (at === undefined ? [] : tensor.slice(0, at))))]
  const longestFirst = [...prefixes].sort((a, b) => b.length - a.length)
  const owned = new Map(prefixes.map(prefix => [prefix, new Map() as Tensors]))
  const rest: [string, StoredTensor][] = []
  for (const [tensor, value] of stored) {
    const owner = longestFirst.find(prefix => tensor.startsWith(prefix))
    if (owner === undefined) rest.push([tensor, value])
    else owned.get(owner)!.set(tensor.slice(owner.length), value)
  }
  // Other weights in the model's dict may belong to it: `readCheckpoint` refuses those that it does not know.
  for (const [prefix, tensors] of owned) {
    const around = prefix.replace(WRAPPERS, '')
    for (const [tensor, value] of rest) {
      const own = tensor.slice(around.length)
      if (tensor.startsWith(around) && !own.includes('/') && isWeight(value)) tensors.set(own, value)
    }
  }
  const found = [...owned]
    .filter(([prefix]) => !OPTIMIZER.test(prefix))
    .map(([prefix, tensors]) => ({ prefix, label: labelOf(prefix), tensors }))
  const average = [...stored].filter(([tensor]) => tensor.startsWith(AVERAGE))
  if (average.length === 0) return found
  return [
    ...found,
    {
      prefix: AVERAGE,
      label: 'average',
      tensors: new Map(average.map(([tensor, value]) => [officialTensor(tensor.slice(AVERAGE.length)), value])),
    },
  ]
}

/** Floats with axes: no counter, no state of a generator, no single number. */
const isWeight = ({ dtype, shape }: StoredTensor) => /F/.test(dtype) && shape.length > 0

const trimmed = (prefix: string) => prefix.replace(/[./]$/, '')

const labelOf = (prefix: string) => trimmed(prefix.replace(WRAPPERS, '')) || trimmed(prefix) || '.'

/** The shortest key that chooses a model. */
const keyOf = ({ label, prefix }: Found, models: readonly Found[]) =>
  models.filter(model => model.label === label).length === 1 ? label : trimmed(prefix) || '.'

/** The model of a key; without a key, the only model. @throws where there is none, or several */
function choose(models: readonly Found[], name: string, key?: string): Found {
  const fits = ({ label, prefix }: Found) => label === key || trimmed(prefix) === key || label.endsWith(`/${key}`)
  const asked = key === undefined ? models : models.filter(fits)
  if (asked.length === 1) return asked[0]
  const list = models.map(model => `${shown(keyOf(model, models))} (${sizeOf(model)})`).join(', ')
  const count = ['no model that is known here', 'one model'][models.length] ?? `${models.length} models`
  const mismatch = key === undefined || asked.length > 1 ? '' : `, none of them is ${shown(key)}`
  const hint = models.length
    ? ` — choose one: on the command line --key ${printable(keyOf(models[0], models))}, in code the option key`
    : ''
  throw new Error(`${name}: it holds ${count}${mismatch}${list && `: ${list}`}${hint}`)
}

function sizeOf({ tensors }: Found): string {
  const values = [...tensors.values()].reduce((sum, { data }) => sum + data.length, 0)
  return `${tensors.size} tensors, ${values.toLocaleString('en')} values`
}

/** Tensors that no optimiser trains, so that moving averages leave them out. */
const isBuffer = (tensor: string) => tensor === PUZZLE_TABLE || /^inner\.\w+_init$/.test(tensor)

/** Gives a model the buffers that it lacks and others have. @throws where these differ */
function lend(tensors: Tensors, others: readonly Tensors[], name: string): string[] {
  const lacking = new Set(
    others.flatMap(other => [...other.keys()].filter(tensor => isBuffer(tensor) && !tensors.has(tensor))),
  )
  for (const tensor of lacking) {
    const [first, ...more] = others.flatMap(other => other.get(tensor) ?? [])
    if (!more.every(other => isSame(other, first))) {
      throw new Error(
        `${name}: the model has no ${shown(tensor)}, as moving averages have none, ` +
          'and the other models have different ones — save it with its own',
      )
    }
    tensors.set(tensor, first)
  }
  return [...lacking]
}

function isSame(a: StoredTensor, b: StoredTensor): boolean {
  return a.shape.join() === b.shape.join() && a.data.every((value, i) => value === b.data[i])
}
