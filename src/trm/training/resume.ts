// The state of a training in one file: everything that the next step depends on, so that a run continues bit for bit.
import { type BatchesState, TrainingBatches } from '../../data/batches.js'
import type { Examples } from '../../data/dataset.js'
import type { Parameters, Tensor } from '../../engine/index.js'
import { parseSafetensors, type StoredTensor, writeSafetensors } from '../../formats/safetensors.js'
import { shown } from '../../formats/shown.js'
import type { Slots } from '../slots.js'
import { checkpointEntries, loadTensors, readCheckpointConfig } from '../published/checkpoint.js'
import type { TrmConfig } from '../config.js'
import type { Precision } from '../model.js'
import { TRAINER_DEFAULTS, type TrainerOptions } from './options.js'
import type { Trainer } from './trainer.js'
import { isRecord } from '../../formats/json.js'

/** The metadata entry `training` of the file, as JSON. */
interface TrainingRecord {
  version: 1
  /** Steps done. */
  step: number
  /** All options of the trainer. */
  options: Required<Omit<TrainerOptions, 'recompute'>>
  /** Position in the order of the examples. */
  sampler: BatchesState
  /** Fingerprint of the training split. */
  data: string
  /** Element type of the activations. Old files lack it: f32. */
  dtype?: Precision
  /** Variants that ran, by "family class". */
  variants: Record<string, string>
  adapter: string
}

/** A file of `saveTraining` as it was read, before any comparison with model and data. */
export interface TrainingState extends Omit<TrainingRecord, 'version'> {
  /** What messages call it. */
  name: string
  config: TrmConfig
  tensors: ReadonlyMap<string, StoredTensor>
  /** The file's other entries. */
  metadata: Record<string, string>
}

const OPTIONS = [...Object.keys(TRAINER_DEFAULTS), 'batchSize', 'microBatch'] as (keyof TrainerOptions)[]

/** Name of the loss scaler's state in the file. */
const LOSS_SCALE_STATE = 'training.lossScale'

/** The tensors that a chunk of slots holds between two steps, by name. */
const slotTensors = ({ carry, steps, halted, inputs, labels, puzzleIds }: Slots): Record<string, Tensor> => ({
  ...carry,
  steps,
  halted,
  inputs,
  labels,
  puzzleIds,
})

/** What the optimiser holds between two steps, without the values. */
const optimizerTensors = ({ optimizer: { values, m, v, average } }: Trainer): Record<string, Parameters> => ({
  ...(average === values ? {} : { average }),
  firstMoment: m,
  secondMoment: v,
})

/**
 * The state of a training between two steps as safetensors. The trained values have official names, as in a checkpoint.
 * Their moving average and moments, and the carry and puzzle of all slots, are named `training.…`. The rest is in the
 * metadata.
 * Unread metrics are lost. The same state always gives the same bytes.
 * @param data fingerprint of the training split
 * @param known variants of the state that this training was resumed from
 * @param metadata further entries
 */
export async function saveTraining(
  trainer: Trainer,
  batches: TrainingBatches,
  {
    data,
    known = {},
    metadata = {},
  }: { data: string; known?: Readonly<Record<string, string>>; metadata?: Readonly<Record<string, string>> },
): Promise<Uint8Array<ArrayBuffer>> {
  const { model, chunks, options, stepsDone: step, lossScaler } = trainer
  const { engine } = model
  const record: TrainingRecord = {
    version: 1,
    step,
    options: Object.fromEntries(OPTIONS.map(name => [name, options[name]])) as unknown as TrainingRecord['options'],
    sampler: batches.state,
    dtype: model.dtype,
    data,
    variants: sorted({ ...known, ...engine.variants.used }),
    adapter: engine.adapter.description,
  }
  const [tensors, described] = await checkpointEntries(model, { ...metadata, training: JSON.stringify(record) })
  for (const [part, values] of Object.entries(optimizerTensors(trainer))) {
    for (const [name, data] of await values.read())
      tensors.set(`training.${part}.${name}`, { dtype: 'F32', shape: [...values.shapes[name]], data })
  }
  for (const [name, { shape, dtype }] of Object.entries(slotTensors(chunks[0]))) {
    const all = [options.batchSize, ...shape.slice(1)]
    const size = all.reduce((a, b) => a * b)
    const isFloat = dtype === 'f32' || dtype === 'f16'
    const data = isFloat ? new Float32Array(size) : new Int32Array(size)
    for (const chunk of chunks) {
      const tensor = slotTensors(chunk)[name]
      data.set(
        isFloat ? await engine.read(tensor) : await engine.readInt32(tensor),
        (chunk.first * size) / options.batchSize,
      )
    }
    tensors.set(`training.slots.${name}`, { dtype: isFloat ? 'F32' : 'I32', shape: all, data })
  }
  if (lossScaler)
    tensors.set(LOSS_SCALE_STATE, {
      dtype: 'F32',
      shape: [...lossScaler.state.shape],
      data: await engine.read(lossScaler.state),
    })
  return writeSafetensors(tensors, described) as Uint8Array<ArrayBuffer>
}

/**
 * Reads a file of `saveTraining`.
 * @param name what messages call it
 * @throws when the file is cut off, damaged, or no state of a training
 */
export function readTraining(bytes: Uint8Array, name = 'training state'): TrainingState {
  const { tensors, metadata } = parseSafetensors(bytes, name)
  const { training, ...others } = metadata
  if (training === undefined)
    throw new Error(
      `${name}: it holds no state of a training, expected training.safetensors of a run of "trm train"` +
        ' — a model alone cannot be resumed',
    )
  const damaged = (what: string): never => {
    throw new Error(`${name}: its metadata entry "training" ${what} — the file is damaged or from another version`)
  }
  let record: TrainingRecord
  try {
    record = JSON.parse(training)
  } catch {
    return damaged('is not JSON')
  }
  if (!isRecord(record) || record.version !== 1) damaged(`has version ${record?.version}, expected 1`)
  const { step, options, sampler, data, dtype = 'f32', variants, adapter } = record
  if (!Number.isSafeInteger(step) || step < 0) damaged(`says ${step} steps were done`)
  if (!isRecord(options) || !isRecord(sampler) || !isRecord(variants) || typeof data !== 'string')
    damaged('lacks options, sampler, variants or data')
  return {
    name,
    step,
    options,
    sampler,
    data,
    dtype,
    variants,
    adapter,
    config: readCheckpointConfig(bytes, name).config,
    tensors,
    metadata: others,
  }
}

/**
 * Puts a new trainer and its model into a state. With the same adapter and micro-batches the same bits follow.
 * @param data fingerprint of `dataset`
 * @returns the batches that follow
 * @throws when the state has other data, another configuration or other options; then nothing is overwritten
 */
export function restoreTraining(
  trainer: Trainer,
  dataset: Examples,
  state: TrainingState,
  { data, epochsPerPass = 1 }: { data: string; epochsPerPass?: number },
): TrainingBatches {
  checkSame(trainer, state, data, epochsPerPass)
  const { model, chunks, options, lossScaler } = trainer
  const { engine } = model
  const batches = TrainingBatches.restore(dataset, state.sampler)
  const parts = Object.entries(optimizerTensors(trainer)).flatMap(([part, values]) =>
    values.names.map(parameter => ({
      values,
      parameter,
      data: take(state, `training.${part}.${parameter}`, 'F32', values.shapes[parameter]) as Float32Array,
    })),
  )
  const slots = Object.entries(slotTensors(chunks[0])).map(([tensor, { shape, dtype }]) => ({
    tensor,
    dtype,
    data: take(state, `training.slots.${tensor}`, dtype === 'f32' || dtype === 'f16' ? 'F32' : 'I32', [
      options.batchSize,
      ...shape.slice(1),
    ]),
  }))
  const scaling = lossScaler && (take(state, LOSS_SCALE_STATE, 'F32', lossScaler.state.shape) as Float32Array)
  loadTensors(model, state.tensors, state.name)
  if (scaling) engine.write(lossScaler!.state, scaling)
  for (const { values, parameter, data } of parts) values.write(parameter, data)
  for (const { tensor, dtype, data } of slots) {
    const width = data.length / options.batchSize
    for (const chunk of chunks) {
      const rows = data.subarray(chunk.first * width, (chunk.first + chunk.count) * width)
      engine.write(slotTensors(chunk)[tensor], dtype === 'u32' ? Uint32Array.from(rows) : rows)
    }
  }
  trainer.stepsDone = state.step
  return batches
}

/** @throws when the state has other data, another configuration or other options than a training */
function checkSame({ model, options }: Trainer, state: TrainingState, data: string, epochsPerPass: number): void {
  const { name, sampler } = state
  const refuse = (what: string, theirs: unknown, ours: unknown): never => {
    throw new Error(
      `${name}: it is of a training with ${what} ${shown(theirs)}, this one has ${shown(ours)}` +
        ' — resume with the settings that the run began with, or begin a new one',
    )
  }
  const compare = (theirs: object, ours: object, fields: readonly string[]) => {
    for (const field of fields) {
      const [was, is] = [theirs, ours].map(object => (object as Record<string, unknown>)[field])
      if (JSON.stringify(was) !== JSON.stringify(is)) refuse(field, was, is)
    }
  }
  compare(state.config, model.config, [...new Set([...Object.keys(state.config), ...Object.keys(model.config)])])
  compare({ dtype: 'f32', ...state }, model, ['dtype'])
  // Without a cosine and a curriculum the length of the schedule has no effect, so a run may become longer.
  const scheduled = options.minLearningRateRatio !== 1 || options.curriculum.length > 0
  compare(
    { ...TRAINER_DEFAULTS, ...state.options },
    options,
    OPTIONS.filter(field => field !== 'microBatch' && (field !== 'totalSteps' || scheduled)),
  )
  compare(sampler, { epochsPerPass, batchSize: options.batchSize }, ['epochsPerPass', 'batchSize'])
  if (state.data !== data)
    throw new Error(
      `${name}: it is of a training on other data ` +
        `(fingerprint ${state.data.slice(0, 12)}, expected ${data.slice(0, 12)})` +
        ' — resume with the data that the run began with',
    )
}

/** A tensor of the state. @throws when it is missing or different */
function take({ name, tensors }: TrainingState, tensor: string, dtype: 'F32' | 'I32', shape: readonly number[]) {
  const stored = tensors.get(tensor)
  const refuse = (what: string): never => {
    throw new Error(`${name}: tensor "${tensor}" is ${what} — the file is damaged or from another version`)
  }
  if (!stored) return refuse('missing')
  if (stored.dtype !== dtype || stored.shape.join() !== shape.join())
    refuse(`${stored.dtype} [${stored.shape}], expected ${dtype} [${shape}]`)
  return stored.data as Float32Array | Int32Array
}

/**
 * SHA-256 of a split in hexadecimal digits: of its metadata and arrays, and of a sample of rows that stay in files.
 */
export async function fingerprint(dataset: Examples): Promise<string> {
  const { metadata, ...arrays } = 'read' in dataset ? await dataset.sample() : dataset
  const digest = async (bytes: ArrayBufferView) =>
    [...new Uint8Array(await crypto.subtle.digest('SHA-256', bytes as BufferSource))]
      .map(byte => byte.toString(16).padStart(2, '0'))
      .join('')
  const parts = [JSON.stringify(sorted(metadata))]
  for (const [name, array] of Object.entries(sorted(arrays)))
    parts.push(`${name} ${array.length} ${await digest(array)}`)
  return digest(new TextEncoder().encode(parts.join('\n')))
}

function sorted<T extends object>(record: T): T {
  return Object.fromEntries(Object.entries(record).sort(([a], [b]) => (a < b ? -1 : 1))) as T
}
