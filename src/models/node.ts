// The trained models in Node: read from the package's folder.
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import type { Engine } from '../engine/index.js'
import { loadCheckpoint } from '../trm/published/checkpoint.js'
import type { Trm } from '../trm/model.js'
import type { LoadModelOptions } from './index.js'
import { checkName, type ModelName } from './names.js'

export { MODELS, isModelName, type ModelName } from './names.js'
export type { LoadModelOptions } from './index.js'

/**
 * The path of a model's file.
 * @throws when there is no model of this name, and when the package came without its file
 */
export function modelPath(name: string): string {
  // The bundle of this module lies in dist/ or in dist/chunks/.
  const paths = ['../models', '../../models'].map(folder =>
    fileURLToPath(new URL(`${folder}/${checkName(name)}.safetensors`, import.meta.url)),
  )
  const found = paths.find(path => existsSync(path))
  if (!found) throw new Error(`models: models/${name}.safetensors of the package is absent — install it again`)
  return found
}

/**
 * Reads a trained model and puts it on the engine's device.
 * @throws when there is no model of this name, and when its file is absent or damaged
 */
export async function loadModel(engine: Engine, name: ModelName, { url, dtype }: LoadModelOptions = {}): Promise<Trm> {
  const bytes = await readFile(url ?? modelPath(name))
  return loadCheckpoint(engine, new Uint8Array(bytes), name, { dtype })
}
