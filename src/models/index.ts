// The trained models in a browser: each is fetched when it is asked for.
import type { Engine } from '../engine/index.js'
import { loadCheckpoint } from '../trm/published/checkpoint.js'
import type { AskedPrecision, Trm } from '../trm/model.js'
import { checkName, type ModelName } from './names.js'

export { MODELS, isModelName, type ModelName } from './names.js'

// Written out, as bundlers copy only files whose names they see.
const FILES: Record<ModelName, () => URL> = {
  'sudoku-4x4': () => new URL('../models/sudoku-4x4.safetensors', import.meta.url),
  'sudoku-6x6': () => new URL('../models/sudoku-6x6.safetensors', import.meta.url),
  'sudoku-9x9': () => new URL('../models/sudoku-9x9.safetensors', import.meta.url),
  'maze-9x9': () => new URL('../models/maze-9x9.safetensors', import.meta.url),
}

export interface LoadModelOptions {
  /** How activations are stored; float32 by default. */
  dtype?: AskedPrecision
  /** Where the file lies, for bundlers that do not copy it and for servers of your own. */
  url?: string | URL
}

/**
 * Fetches a trained model and puts it on the engine's device.
 * @throws when there is no model of this name, and when the file does not arrive or is damaged
 */
export async function loadModel(
  engine: Engine,
  name: ModelName,
  { url = FILES[checkName(name)](), dtype }: LoadModelOptions = {},
): Promise<Trm> {
  const response = await fetch(url)
  if (!response.ok)
    throw new Error(
      `models: ${name}: ${url} answered ${response.status} — copy models/ beside your bundle, or give url`,
    )
  return loadCheckpoint(engine, new Uint8Array(await response.arrayBuffer()), name, { dtype })
}
