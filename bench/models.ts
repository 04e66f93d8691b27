// The models that the benchmark measures, from small to the published ones, and random data for them.
import type { Engine, Shape, Tensor } from '../src/engine/index.js'
import { Random } from '../src/engine/random.js'
import { DEFAULTS, type TrmConfig } from '../src/trm/config.js'
import type { Precision } from '../src/trm/model.js'
import type { Puzzles } from '../src/trm/slots.js'
import { planMemory } from '../src/trm/training/memory.js'

export const SIZES = ['small', 'middle', 'official', 'large'] as const
export type Size = (typeof SIZES)[number]

/** A model and the slots that are computed at a time. */
export interface ModelSize {
  readonly size: Size
  /** Part of the names of the cases; empty if a size has one model. */
  readonly label: string
  readonly config: TrmConfig
  readonly batch: number
  readonly microBatch: number
}

export const SMALL: TrmConfig = {
  ...DEFAULTS,
  vocabulary: 6,
  cells: 16,
  puzzles: 1,
  hidden: 64,
  heads: 2,
  expansion: 1,
  cycles: 2,
  latentSteps: 2,
  supervisionSteps: 4,
  positions: 'none',
  tokenMixing: true,
  puzzleWidth: 64,
  prefix: 1,
}

export const MIDDLE: TrmConfig = {
  ...DEFAULTS,
  vocabulary: 11,
  cells: 81,
  puzzles: 1,
  hidden: 128,
  heads: 4,
  puzzleWidth: 0,
  prefix: 0,
}

/** The published networks for Sudoku-Extreme. */
export const OFFICIAL_ATTENTION: TrmConfig = { ...DEFAULTS, vocabulary: 11, cells: 81, puzzles: 1 }
export const OFFICIAL_MLP: TrmConfig = { ...OFFICIAL_ATTENTION, tokenMixing: true, positions: 'none' }

/** Finds the micro-batch of a training, as `planMemory` does on an adapter. */
export type Planner = (config: TrmConfig, batchSize: number, dtype: Precision) => number

/** Finds the micro-batches that a training takes on this engine. Nothing is computed. */
export const planner =
  (engine: Engine, memoryLimit?: number): Planner =>
  (config, batchSize, dtype) =>
    planMemory(engine, config, { batchSize, dtype, memoryLimit }).microBatch

/** The models that an adapter gets, with the micro-batches that fit it. */
export function modelSizes(isSoftware: boolean, dtype: Precision, plan: Planner): readonly ModelSize[] {
  const officialBatch = isSoftware ? 2 : 768
  const sizes: [size: Size, label: string, config: TrmConfig, batch: number][] = [
    ['small', '', SMALL, 64],
    ['middle', '', MIDDLE, 16],
    ['official', 'MLP ', OFFICIAL_MLP, officialBatch],
    ['official', 'attention ', OFFICIAL_ATTENTION, officialBatch],
  ]
  // Batches of up to 64 fit every adapter.
  return sizes.map(([size, label, config, batch]) => ({
    size,
    label,
    config,
    batch,
    microBatch: batch > 64 ? plan(config, batch, dtype) : batch,
  }))
}

/** Random values of (−1, 1). A block of 4099 repeats, because drawing millions takes long. */
export function randomValues(count: number): Float32Array<ArrayBuffer> {
  const random = new Random(1)
  const block = Float32Array.from({ length: Math.min(count, 4099) }, () => 2 * random.uniform() - 1)
  const values = new Float32Array(count)
  for (let at = 0; at < count; at += block.length) values.set(block.subarray(0, Math.min(block.length, count - at)), at)
  return values
}

/** A lasting tensor of random values. */
export function randomTensor(engine: Engine, shape: Shape, dtype: Precision = 'f32'): Tensor {
  const tensor = engine.lasting(shape, dtype)
  engine.write(tensor, randomValues(tensor.size))
  return tensor
}

/** `count` puzzles with random tokens and labels; all have puzzle id 0. */
export function randomPuzzles({ cells, vocabulary }: TrmConfig, count: number): Puzzles {
  const random = new Random(2)
  const ids = () => Int32Array.from({ length: count * cells }, () => Math.floor(random.uniform() * vocabulary))
  return { inputs: ids(), labels: ids(), puzzleIds: new Int32Array(count) }
}
