// Models as safetensors files with the published code's tensor names.
import type { Engine } from '../engine/index.js'
import { parseSafetensors, type StoredTensor, toFloat32, writeSafetensors } from '../formats/safetensors.js'
import type { TrmConfig } from './config.js'
import { Trm } from './model.js'
import { configFromOfficial, configToOfficial, officialTensor, PUZZLE_TABLE, Y_START, Z_START } from './official.js'

/**
 * The model as safetensors: float32 tensors with official names, the configuration in the metadata entry `config`.
 * @param metadata further entries, e.g. the number of training steps
 */
export async function saveCheckpoint(model: Trm, metadata: Readonly<Record<string, string>> = {}): Promise<Uint8Array<ArrayBuffer>> {
  const { engine, config, parameters, puzzleTable, yStart, zStart } = model
  const tensors = new Map<string, StoredTensor>()
  const store = (name: string, shape: readonly number[], data: Float32Array) => tensors.set(name, { dtype: 'F32', shape: [...shape], data } as StoredTensor)
  store(Y_START, yStart.shape, await engine.read(yStart))
  store(Z_START, zStart.shape, await engine.read(zStart))
  for (const [name, values] of await parameters.read()) store(officialTensor(name), parameters.shapes[name], values)
  if (puzzleTable) store(PUZZLE_TABLE, puzzleTable.shape, await engine.read(puzzleTable))
  return writeSafetensors(tensors, { format: 'webgpu-trm', config: JSON.stringify(configToOfficial(config)), ...metadata }) as Uint8Array<ArrayBuffer>
}

/** The configuration that a checkpoint names in its metadata, and its other metadata. */
export function readCheckpointConfig(bytes: Uint8Array, name = 'checkpoint'): { config: TrmConfig; metadata: Record<string, string> } {
  const { metadata } = parseSafetensors(bytes, name)
  if (!metadata.config) throw new Error(`${name}: no "config" in its metadata, expected a checkpoint that "trm train" wrote — weights without a configuration cannot be run`)
  let fields: Record<string, unknown>
  try {
    fields = JSON.parse(metadata.config)
  } catch {
    throw new Error(`${name}: its metadata entry "config" is not JSON — the file is damaged or from another program`)
  }
  if (typeof fields !== 'object' || fields === null || Array.isArray(fields)) throw new Error(`${name}: its metadata entry "config" is not an object of fields — the file is damaged or from another program`)
  return { config: configFromOfficial(fields), metadata }
}

/** Loads a model from the bytes of a checkpoint. */
export function loadCheckpoint(engine: Engine, bytes: Uint8Array, name = 'checkpoint'): Trm {
  const { config } = readCheckpointConfig(bytes, name)
  const model = Trm.create(engine, config)
  loadTensors(model, parseSafetensors(bytes, name).tensors, name)
  return model
}

/**
 * Overwrites the model's values with tensors of official names, with an optional prefix before each name.
 * @throws when a tensor is missing or has another shape; nothing is overwritten then
 */
export function loadTensors(model: Trm, tensors: ReadonlyMap<string, StoredTensor>, file: string, prefix = ''): void {
  const { engine, parameters, puzzleTable, yStart, zStart } = model
  const find = (official: string, shape: readonly number[]): Float32Array => {
    const stored = tensors.get(prefix + official)
    if (!stored) throw new Error(`${file}: tensor "${prefix + official}" is missing, the configuration asks for it with shape [${shape}]`)
    if (stored.shape.join() !== shape.join()) throw new Error(`${file}: tensor "${prefix + official}" has shape [${stored.shape}], the configuration asks for [${shape}]`)
    return toFloat32(stored)
  }
  const values = parameters.names.map(name => [name, find(officialTensor(name), parameters.shapes[name])] as const)
  const starts = [[yStart, find(Y_START, yStart.shape)], [zStart, find(Z_START, zStart.shape)]] as const
  const table = puzzleTable && find(PUZZLE_TABLE, puzzleTable.shape)
  for (const [name, data] of values) parameters.write(name, data)
  for (const [tensor, data] of starts) engine.write(tensor, data)
  if (puzzleTable && table) engine.write(puzzleTable, table)
}
