// Checkpoints on the command line: files of any code, and the choice of a model where a file holds several.
import { existsSync } from 'node:fs'
import { named } from '../formats/recognise.js'
import {
  type Checkpoint,
  type CheckpointOptions,
  readCheckpoint,
  readCheckpointConfig,
} from '../trm/published/checkpoint.js'
import type { TrmConfig } from '../trm/config.js'
import { CHECKPOINT, readTorch } from '../trm/published/foreign.js'
import type { Option } from './arguments.js'
import { readBytes } from './files.js'
import { isModelName, modelPath, MODELS } from '../models/node.js'

const NAMES = Object.keys(MODELS).join(', ')

/** Option of the commands that need a trained model. */
export const checkpointOption = {
  type: 'string',
  required: true,
  placeholder: 'F',
  description: `checkpoint (safetensors), or a model that comes with the package: ${NAMES}`,
} as const satisfies Option

/** Option of every command that reads a checkpoint. */
export const keyOption = {
  type: 'string',
  placeholder: 'NAME',
  description:
    'which model to read from a file that holds several, e.g. ema_shadow; without it, an error lists the models',
} as const satisfies Option

/** Options that read files of other codes and of several models. A line on stderr names the model that was chosen. */
export const otherFiles = (key?: string): Pick<CheckpointOptions, 'readTorch' | 'key'> => ({
  key,
  readTorch(bytes, name, key) {
    const model = readTorch(bytes, name, key)
    if (model.note) console.error(model.note)
    return model
  },
})

/** A file, or the name of a model that comes with the package; a file of that name goes first. */
export async function checkpointBytes(path: string): Promise<Uint8Array> {
  if (existsSync(path) || !/^[\w-]+$/.test(path)) return readBytes(path, 'checkpoint')
  if (isModelName(path)) return readBytes(modelPath(path), 'checkpoint')
  throw new Error(`checkpoint ${path}: no such file or directory — expected a file or one of ${NAMES}`)
}

interface OpenCheckpoint {
  bytes: Uint8Array
  config: TrmConfig
  metadata: Record<string, string>
}

/** Opens a checkpoint that names its configuration. A line on stderr says which of several states is used. */
export async function openCheckpoint(path: string, key?: string): Promise<OpenCheckpoint> {
  const bytes = await checkpointBytes(path)
  const { config, metadata } = named(bytes, path, CHECKPOINT, () => readCheckpointConfig(bytes, path))
  tellStates(path, metadata, key)
  return { bytes, config, metadata }
}

/** Says which state is used of a training's state or of a recording. */
function tellStates(path: string, metadata: Readonly<Record<string, string>>, key?: string): void {
  if (key !== undefined) return
  if (metadata.training !== undefined) {
    const other = '--key average takes their moving average, if the training keeps one'
    console.error(`${path}: a state of a training: its values as trained — ${other}`)
  }
  if (metadata.arch !== undefined) {
    const other = '--key init takes the one that it begins with'
    console.error(`${path}: a recording of the published code: the model that it ends with — ${other}`)
  }
}

/** Reads a checkpoint of any code, with the configuration that the user gives. */
export async function readAnyCheckpoint(
  path: string,
  { key, ...options }: CheckpointOptions = {},
): Promise<Checkpoint> {
  const checkpoint = readCheckpoint(await checkpointBytes(path), path, { ...options, ...otherFiles(key) })
  tellStates(path, checkpoint.metadata, key)
  return checkpoint
}
