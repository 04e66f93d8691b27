// Checkpoints of the command line: of which code, and which model where a file holds several; what was chosen is told.
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
import { isModelName, modelPath } from '../models/node.js'

/** Of every command that reads a checkpoint. */
export const keyOption = {
  type: 'string',
  placeholder: 'NAME',
  description:
    'which model, where the file holds several, e.g. ema_shadow (without it, such a file is refused with a list of them)',
} as const satisfies Option

/** For whoever takes `CheckpointOptions`: reads files of other codes and of several models, and says on stderr which it chose. */
export const otherFiles = (key?: string): Pick<CheckpointOptions, 'readTorch' | 'key'> => ({
  key,
  readTorch(bytes, name, key) {
    const model = readTorch(bytes, name, key)
    if (model.note) console.error(model.note)
    return model
  },
})

/** A file, or the name of a model that comes with the package; a file of that name goes first. */
const checkpointBytes = (path: string): Promise<Uint8Array> =>
  readBytes(isModelName(path) && !existsSync(path) ? modelPath(path) : path, 'checkpoint')

interface OpenCheckpoint {
  bytes: Uint8Array
  config: TrmConfig
  metadata: Record<string, string>
}

/** A checkpoint that names its configuration. Where it may be taken for another model than it is, a line on stderr says so. */
export async function openCheckpoint(path: string, key?: string): Promise<OpenCheckpoint> {
  const bytes = await checkpointBytes(path)
  const { config, metadata } = named(bytes, path, CHECKPOINT, () => readCheckpointConfig(bytes, path))
  tellStates(path, metadata, key)
  return { bytes, config, metadata }
}

/** Which of its states a file of a training or a recording is taken for. */
function tellStates(path: string, metadata: Readonly<Record<string, string>>, key?: string): void {
  if (key !== undefined) return
  if (metadata.training !== undefined) {
    console.error(
      `${path}: a state of a training: its values as trained — --key average takes their moving average, if it keeps one`,
    )
  }
  if (metadata.arch !== undefined) {
    console.error(
      `${path}: a recording of the published code: the model that it ends with — --key init takes the one that it begins with`,
    )
  }
}

/** A checkpoint of any code, with the configuration that the user gives. */
export async function readAnyCheckpoint(
  path: string,
  { key, ...options }: CheckpointOptions = {},
): Promise<Checkpoint> {
  const checkpoint = readCheckpoint(await checkpointBytes(path), path, { ...options, ...otherFiles(key) })
  tellStates(path, checkpoint.metadata, key)
  return checkpoint
}
