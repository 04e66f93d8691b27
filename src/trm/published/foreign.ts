// Files of other codes as one model: .pt, states of trainings that hold several models, other names for the same tensors.
import { foreign, named } from '../../formats/recognise.js'
import { parseSafetensors, type StoredTensor } from '../../formats/safetensors.js'
import { printable, shown } from '../../formats/shown.js'
import { isTorch, readTorch as readTensors, type TorchFile } from '../../formats/torch.js'
import type { TrmConfig } from '../config.js'
import { inferConfig } from './infer-config.js'
import { fromNanoTrm, isNanoTrm, NANO_NAME } from './nano-trm.js'
import { officialTensor, PUZZLE_TABLE } from './names.js'

type Tensors = Map<string, StoredTensor>

/** One model of a file, and what else the file tells of it. */
export interface ForeignModel {
  /** By official names, or by the file's where it holds no model that is known. */
  tensors: Tensors
  metadata: Record<string, string>
  config: Partial<TrmConfig>
  /** What was chosen, and what was taken from elsewhere, for people; empty where there was no choice. */
  note: string
  /** What tells the fields that neither file nor user does. */
  inferConfig: typeof inferConfig
}

/** What tensors of a model are called, after its prefix. */
const OFFICIAL_NAME = /inner\.((embed_tokens|embed_pos|lm_head|q_head|puzzle_emb|[HL]_level)\.|[HL]\d?_init$)/
const MODEL_NAME = new RegExp(`(?<=^|[./])(?:${OFFICIAL_NAME.source}|${NANO_NAME.source})`)
/** What torch.compile, sharded training and recomputation put into names, wherever a part is wrapped. */
const HULLS = /(?<=^|[./])(_orig_mod|_fsdp_wrapped_module|_checkpoint_wrapped_module)\./g
/** What loss heads and parallel training put before names. */
const WRAPPERS = /(?:(?<=^|[./])(?:_orig_mod|module|model)\.)+$/
/** What an optimiser remembers bears the names of the model's tensors. */
const OPTIMIZER = /(^|[./_])(optim|optimizers?|adam\w*|grads?|gradients?|exp_avg(_sq)?|moments?|momentum)([./_]|$)/i
/** Where a state of a training here keeps the moving average, by the names of our parameters. */
const AVERAGE = 'training.average.'
/** Where Lightning keeps the settings of a model. */
const SETTINGS = 'hyper_parameters/'

/** What is read, for messages about other files; it names the kinds that are. */
export const CHECKPOINT = 'a checkpoint, which is a safetensors file or a file of torch.save (.pt)'

/**
 * The one model of a file: a .pt, or safetensors that hold several. Where there are several, `key` chooses by what stands before
 * their tensors' names, e.g. "ema_shadow". A moving average that lacks what no optimiser trains takes it from the other model.
 * @throws where the file holds several models and no key chooses one: the message tells all of them
 */
export function readTorch(bytes: Uint8Array, name = 'torch', key?: string): ForeignModel {
  return { ...readModel(bytes, name, key), inferConfig }
}

function readModel(bytes: Uint8Array, name: string, key?: string): Omit<ForeignModel, 'inferConfig'> {
  const { tensors: stored, values, metadata } = readAnyTensors(bytes, name)
  const models = modelsOf(withoutHulls(stored))
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
  // One model of a state of a training here cannot be resumed.
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
    throw new Error(
      `${name}: ${foreign(bytes, CHECKPOINT) ?? `expected ${CHECKPOINT}, got ${bytes.length} bytes that begin with ${begin}`}`,
    )
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
  /** All that stands before the names. */
  prefix: string
  /** The same without what wraps any model. */
  label: string
  /** By the names that follow the prefix. */
  tensors: Tensors
}

/** The same names without hulls, unless the file holds a tensor under both. */
function withoutHulls(stored: Tensors): Tensors {
  const bare = new Map([...stored].map(([tensor, value]) => [tensor.replace(HULLS, ''), value]))
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
  // Weights beside the model in the same dict may belong to it: the checkpoint's reader refuses what it does not know.
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

/** Neither a counter, nor a generator's state, nor a lone number. */
const isWeight = ({ dtype, shape }: StoredTensor) => /F/.test(dtype) && shape.length > 0

const trimmed = (prefix: string) => prefix.replace(/[./]$/, '')

const labelOf = (prefix: string) => trimmed(prefix.replace(WRAPPERS, '')) || trimmed(prefix) || '.'

/** The shortest key that chooses a model. */
const keyOf = ({ label, prefix }: Found, models: readonly Found[]) =>
  models.filter(model => model.label === label).length === 1 ? label : trimmed(prefix) || '.'

/** The model of that key; without one, the only model. */
function choose(models: readonly Found[], name: string, key?: string): Found {
  const fits = ({ label, prefix }: Found) => label === key || trimmed(prefix) === key || label.endsWith(`/${key}`)
  const asked = key === undefined ? models : models.filter(fits)
  if (asked.length === 1) return asked[0]
  const list = models.map(model => `${shown(keyOf(model, models))} (${sizeOf(model)})`).join(', ')
  const count = ['no model that is known here', 'one model'][models.length] ?? `${models.length} models`
  const trouble = key === undefined || asked.length > 1 ? '' : `, none of them is ${shown(key)}`
  const hint = models.length
    ? ` — choose one: on the command line --key ${printable(keyOf(models[0], models))}, in code the option key`
    : ''
  throw new Error(`${name}: it holds ${count}${trouble}${list && `: ${list}`}${hint}`)
}

function sizeOf({ tensors }: Found): string {
  const values = [...tensors.values()].reduce((sum, { data }) => sum + data.length, 0)
  return `${tensors.size} tensors, ${values.toLocaleString('en')} values`
}

/** Tensors that no optimiser trains, so that moving averages leave them out. */
const isBuffer = (tensor: string) => tensor === PUZZLE_TABLE || /^inner\.\w+_init$/.test(tensor)

/** Gives a model the buffers that it lacks and another has. @throws where others have different ones */
function lend(tensors: Tensors, others: readonly Tensors[], name: string): string[] {
  const lacking = new Set(
    others.flatMap(other => [...other.keys()].filter(tensor => isBuffer(tensor) && !tensors.has(tensor))),
  )
  for (const tensor of lacking) {
    const [first, ...more] = others.flatMap(other => other.get(tensor) ?? [])
    if (!more.every(other => isSame(other, first))) {
      throw new Error(
        `${name}: the model has no ${shown(tensor)}, as moving averages have none, and the other models have different ones — save it with its own`,
      )
    }
    tensors.set(tensor, first)
  }
  return [...lacking]
}

function isSame(a: StoredTensor, b: StoredTensor): boolean {
  return a.shape.join() === b.shape.join() && a.data.every((value, i) => value === b.data[i])
}
