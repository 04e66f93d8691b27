// Models as files with the published code's names of tensors: safetensors, and .pt of PyTorch.
import type { Engine } from '../../engine/index.js'
import { parseSafetensors, type StoredTensor, toFloat32, writeSafetensors } from '../../formats/safetensors.js'
import { shown } from '../../formats/shown.js'
import { fromFloat32, isTorch } from '../../formats/torch.js'
import { checkConfig, type TrmConfig } from '../config.js'
import type { ForeignModel } from './foreign.js'
import { type AskedPrecision, parameterShapes, Trm } from '../model.js'
import {
  configFromOfficial,
  configToOfficial,
  officialName,
  officialStart,
  officialTensor,
  PUZZLE_TABLE,
} from './names.js'
import { recursionOf } from '../architectures.js'
import { isRecord } from '../../formats/json.js'

/**
 * The model as safetensors: float32 tensors with official names, the configuration in the metadata entry `config`.
 * @param metadata further entries, e.g. the number of training steps
 */
export async function saveCheckpoint(
  model: Trm,
  metadata?: Readonly<Record<string, string>>,
): Promise<Uint8Array<ArrayBuffer>> {
  return writeSafetensors(...(await checkpointEntries(model, metadata))) as Uint8Array<ArrayBuffer>
}

/** The tensors and the metadata that `saveCheckpoint` writes. */
export async function checkpointEntries(
  model: Trm,
  metadata: Readonly<Record<string, string>> = {},
): Promise<[tensors: Map<string, StoredTensor>, metadata: Record<string, string>]> {
  const { engine, config, parameters, puzzleTable, starts } = model
  const tensors = new Map<string, StoredTensor>()
  const store = (name: string, shape: readonly number[], data: Float32Array) =>
    tensors.set(name, { dtype: 'F32', shape: [...shape], data } as StoredTensor)
  for (const [state, start] of Object.entries(starts))
    store(officialStart(config.architecture, state), start.shape, await engine.read(start))
  for (const [name, values] of await parameters.read()) store(officialTensor(name), parameters.shapes[name], values)
  if (puzzleTable) store(PUZZLE_TABLE, puzzleTable.shape, await engine.read(puzzleTable))
  return [tensors, { format: 'webgpu-trm', config: JSON.stringify(configToOfficial(config)), ...metadata }]
}

/** The content of a checkpoint. */
export interface Checkpoint {
  config: TrmConfig
  /** By official names, without any prefix. */
  tensors: Map<string, StoredTensor>
  /** The other entries of the file's metadata. */
  metadata: Record<string, string>
}

export interface CheckpointOptions {
  /**
   * Reads files of other codes: .pt, several models in one file, models without a configuration. Pass `readTorch`.
   * It is an option, so that programs without such files do not carry it.
   */
  readTorch?: (bytes: Uint8Array, name: string, key?: string) => ForeignModel
  /** Chooses the model where the file holds several: the prefix of its tensors' names. */
  key?: string
  /**
   * Fields that the file lacks, or that replace those of the file. A .pt file has none.
   * Another number of `puzzles` refills the puzzle table as the published loader does: with the mean of its rows.
   */
  config?: Partial<TrmConfig>
  /** Fields for those that neither `config` nor the file gives. */
  fallback?: Partial<TrmConfig>
  /** How the model stores its activations. Default f32. */
  dtype?: AskedPrecision
}

/** The configuration and the other entries of a checkpoint's metadata. @throws when it has no configuration */
export function readCheckpointConfig(
  bytes: Uint8Array,
  name = 'checkpoint',
): { config: TrmConfig; metadata: Record<string, string> } {
  if (isTorch(bytes))
    throw new Error(
      `${name}: a file of torch.save holds no configuration, expected a checkpoint that "trm train" wrote` +
        ' — make one with trm import --from …',
    )
  const { metadata } = parseSafetensors(bytes, name)
  if (!metadata.config) throw new Error(noConfig(name))
  return { config: configOf(metadata, name), metadata }
}

/** The token embedding, which every model has. */
const TOKENS = /* @__PURE__ */ officialTensor('tokens')
/** The prefix in goldens of the model after its last training step. */
const GOLDEN_END = 'final.'

function noConfig(name: string): string {
  return (
    `${name}: no "config" in its metadata, expected a checkpoint that "trm train" wrote` +
    ' — weights without a configuration cannot be run; trm import --from … adds one'
  )
}

/**
 * Reads a checkpoint: safetensors of this project or, with `readTorch`, a file of the published code.
 * Prefixes of names ("_orig_mod.model.", "model.") are removed. A golden counts as the model after its last step.
 * A file without a configuration needs `config` or `fallback` for the fields that the tensors' shapes do not tell.
 * @throws naming the fields that are missing or contradict the tensors, or the first tensor that does not fit
 */
export function readCheckpoint(bytes: Uint8Array, name = 'checkpoint', options: CheckpointOptions = {}): Checkpoint {
  const { plain, foreign } = readFile(bytes, name, options)
  const { tensors: stored, metadata } = foreign ?? plain!
  const given = { ...foreign?.config, ...options.config }
  const hasConfig = metadata.config !== undefined
  const tensors = withoutPrefix(stored, name, metadata.arch && stored.has(GOLDEN_END + TOKENS) ? GOLDEN_END : '')
  const config = hasConfig
    ? checkConfig({ ...configOf(metadata, name), ...given }, officialName)
    : foreign!.inferConfig(tensors, { config: given, fallback: options.fallback }, name)
  const table = tensors.get(PUZZLE_TABLE)
  if (table && given.puzzles !== undefined && table.shape[0] !== given.puzzles)
    tensors.set(PUZZLE_TABLE, refill(table, config.puzzles, name))
  const shapes = tensorShapes(config)
  const wanted = new Map([...shapes].map(([tensor, shape]) => [tensor, find(tensors, tensor, shape, name)]))
  // A file of this project may hold more tensors; another file that does is another model.
  const more = hasConfig ? undefined : [...tensors.keys()].find(tensor => !shapes.has(tensor))
  if (more !== undefined) {
    const hint = 'is it a checkpoint of another model?'
    throw new Error(`${name}: tensor ${shown(more)} is none of a Tiny Recursive Model's — ${hint}`)
  }
  return { config, tensors: wanted, metadata }
}

/** The tensors and metadata of a file: `plain` ones of safetensors, or the one model that `readTorch` finds. */
function readFile(bytes: Uint8Array, name: string, { config, fallback, readTorch, key }: CheckpointOptions) {
  const torch = isTorch(bytes)
  // `readTorch` recognises other kinds of files, so it gets every file that is no safetensors.
  const plain = torch || (readTorch && bytes[8] !== 0x7b) ? undefined : parseSafetensors(bytes, name)
  // A golden holds a model's states and gradients. Elsewhere each model, and each of its moments, has the tokens once.
  const hasSeveral =
    plain && !plain.metadata.arch && [...plain.tensors.keys()].filter(tensor => tensor.endsWith(TOKENS)).length > 1
  if (plain && !plain.metadata.config && !config && !fallback) throw new Error(noConfig(name))
  const isForeign = !plain || key !== undefined || hasSeveral || !plain.metadata.config
  if (!isForeign) return { plain }
  if (readTorch) return { plain, foreign: readTorch(bytes, name, key) }
  const what = !plain
    ? 'torch.save'
    : hasSeveral || key !== undefined
      ? 'several models'
      : 'a model without a configuration'
  throw new Error(
    `${name}: a file of ${what}, expected a checkpoint that "trm train" wrote` +
      ' — make that with trm import --from …, or in code give the option readTorch',
  )
}

/** A checkpoint as safetensors, its tensors in float32, its configuration in the metadata entry `config`. */
export function writeCheckpoint({ config, tensors, metadata }: Checkpoint): Uint8Array<ArrayBuffer> {
  const entries = [...tensors].map(
    ([name, stored]) => [name, fromFloat32(toFloat32(stored), stored.shape, 'F32')] as [string, StoredTensor],
  )
  return writeSafetensors(entries, {
    format: 'webgpu-trm',
    ...metadata,
    config: JSON.stringify(configToOfficial(config)),
  }) as Uint8Array<ArrayBuffer>
}

/**
 * Loads a model from the bytes of a checkpoint.
 * @param options the configuration, for files that hold none; see `readCheckpoint`
 */
export function loadCheckpoint(
  engine: Engine,
  bytes: Uint8Array,
  name = 'checkpoint',
  options: CheckpointOptions = {},
): Trm {
  const { config, tensors } = readCheckpoint(bytes, name, options)
  const model = Trm.empty(engine, config, options.dtype)
  loadTensors(model, tensors, name)
  return model
}

function configOf(metadata: Readonly<Record<string, string>>, name: string): TrmConfig {
  let fields: Record<string, unknown> | undefined
  try {
    fields = JSON.parse(metadata.config)
  } catch {
    // The check below throws.
  }
  if (!isRecord(fields))
    throw new Error(
      `${name}: its metadata entry "config" is not JSON of fields — the file is damaged or from another program`,
    )
  return configFromOfficial(metadata.arch === undefined ? fields : { ...fields, name: metadata.arch })
}

/** Official names and shapes of all tensors of a model. */
function tensorShapes(config: TrmConfig): Map<string, readonly number[]> {
  const shapes = new Map<string, readonly number[]>(
    recursionOf(config.architecture).states.map(state => [officialStart(config.architecture, state), [config.hidden]]),
  )
  for (const [ours, shape] of Object.entries(parameterShapes(config))) shapes.set(officialTensor(ours), shape)
  if (config.puzzleWidth > 0) shapes.set(PUZZLE_TABLE, [config.puzzles, config.puzzleWidth])
  return shapes
}

/** The tensors of a prefix, without it and without the prefixes of torch.compile, loss heads and parallel training. */
function withoutPrefix(
  tensors: ReadonlyMap<string, StoredTensor>,
  name: string,
  prefix: string,
): Map<string, StoredTensor> {
  const out = new Map<string, StoredTensor>()
  for (const [key, stored] of tensors) {
    if (!key.startsWith(prefix)) continue
    const bare = key.slice(prefix.length).replace(/^(?:(?:_orig_mod|module|model)\.)+/, '')
    if (out.has(bare)) throw new Error(`${name}: tensor ${shown(bare)} occurs twice, with and without a prefix`)
    out.set(bare, stored)
  }
  return out
}

/** A puzzle table of `rows` rows, each the mean of the table's rows. */
function refill(table: StoredTensor, rows: number, name: string): StoredTensor {
  const [from, width] = table.shape
  if (table.shape.length !== 2 || from === 0)
    throw new Error(`${name}: tensor "${PUZZLE_TABLE}" has shape [${table.shape}], expected rows and columns`)
  const values = toFloat32(table)
  const mean = new Float64Array(width)
  for (let i = 0; i < values.length; i++) mean[i % width] += values[i]
  const row = Float32Array.from(mean, sum => sum / from)
  const data = new Float32Array(rows * width)
  for (let i = 0; i < rows; i++) data.set(row, i * width)
  return { dtype: 'F32', shape: [rows, width], data }
}

/** A tensor of the expected shape. @throws when it is missing, has another shape, or holds integers */
function find(
  tensors: ReadonlyMap<string, StoredTensor>,
  tensor: string,
  shape: readonly number[],
  file: string,
): StoredTensor {
  const stored = tensors.get(tensor)
  if (!stored)
    throw new Error(`${file}: tensor "${tensor}" is missing, the configuration asks for it with shape [${shape}]`)
  if (stored.shape.join() !== shape.join())
    throw new Error(`${file}: tensor "${tensor}" has shape [${stored.shape}], the configuration asks for [${shape}]`)
  if (!/F/.test(stored.dtype)) throw new Error(`${file}: tensor "${tensor}" holds ${stored.dtype}, expected floats`)
  return stored
}

/**
 * Overwrites the model's values with tensors of official names.
 * @param prefix stands before each name
 * @throws when a tensor is missing or has another shape; then nothing is overwritten
 */
export function loadTensors(model: Trm, tensors: ReadonlyMap<string, StoredTensor>, file: string, prefix = ''): void {
  const { engine, config, parameters, puzzleTable } = model
  const values = (official: string, shape: readonly number[]) =>
    toFloat32(find(tensors, prefix + official, shape, file))
  const trained = parameters.names.map(name => [name, values(officialTensor(name), parameters.shapes[name])] as const)
  const starts = Object.entries(model.starts).map(
    ([state, start]) => [start, values(officialStart(config.architecture, state), start.shape)] as const,
  )
  const table = puzzleTable && values(PUZZLE_TABLE, puzzleTable.shape)
  for (const [name, data] of trained) parameters.write(name, data)
  for (const [tensor, data] of starts) engine.write(tensor, data)
  if (puzzleTable && table) engine.write(puzzleTable, table)
}
