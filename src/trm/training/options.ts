// Hyper-parameters of a training: what they mean, their defaults, and their checks.
import type { LossType } from '../slots.js'
import type { Trm } from '../model.js'

/** A stage of a depth curriculum. */
export interface Stage {
  /** Share of all steps at which it ends, 0 … 1. */
  until: number
  /** Depth in this stage. */
  cycles: number
  latentSteps: number
}

/** Hyper-parameters; the defaults are the published ones for Sudoku. */
export interface TrainerOptions {
  /** Slots of a batch. */
  batchSize: number
  /**
   * Slots computed at a time. The result is the same, up to the order of float32 sums.
   * Default: all; `train` takes as many as fit, by `planMemory`.
   */
  microBatch?: number
  learningRate?: number
  /** Steps in which the learning rate rises to `learningRate`. */
  warmupSteps?: number
  /** End of the learning rate's cosine as a share of its peak; 1: constant. */
  minLearningRateRatio?: number
  /** Length of the cosine, in steps. */
  totalSteps?: number
  beta1?: number
  beta2?: number
  weightDecay?: number
  puzzleLearningRate?: number
  puzzleWeightDecay?: number
  /** Rate of the moving average of the parameters; 0: none. */
  emaRate?: number
  optimizer?: 'atan2' | 'adamw'
  loss?: LossType
  /** Keeps less in memory and computes it again for the gradients: the same bits in more time. Default false. */
  recompute?: boolean
  /** Largest global norm of the parameters' gradients; larger ones are scaled down to it. 0: no clipping. */
  clipNorm?: number
  /** Stages of less depth to begin with; the model's own depth follows. CGAR, arXiv 2511.08653. */
  curriculum?: readonly Stage[]
  /** Trains the puzzle embeddings alone, e.g. to adapt to new ARC tasks. */
  freezeNetwork?: boolean
  /** Seed of the halting exploration. */
  seed?: number
}

export const TRAINER_DEFAULTS: Required<Omit<TrainerOptions, 'batchSize' | 'microBatch' | 'recompute'>> = {
  learningRate: 1e-4,
  warmupSteps: 2000,
  minLearningRateRatio: 1,
  totalSteps: 100000,
  beta1: 0.9,
  beta2: 0.95,
  weightDecay: 1,
  puzzleLearningRate: 1e-4,
  puzzleWeightDecay: 1,
  emaRate: 0.999,
  optimizer: 'atan2',
  loss: 'stablemax',
  clipNorm: 0,
  curriculum: [],
  freezeNetwork: false,
  seed: 0,
}

/** Whether the stages of a curriculum end at rising shares of up to 1. */
export const isRising = (ends: readonly number[]): boolean =>
  ends.every((end, i) => end > (ends[i - 1] ?? 0) && end <= 1)

/**
 * Fills in the defaults.
 * @throws on a batch size that is no whole number, a curriculum that does not rise, or a training that trains nothing
 */
export function checkOptions({ puzzleTable }: Trm, options: TrainerOptions): Required<TrainerOptions> {
  const { batchSize, microBatch = batchSize, curriculum = [], freezeNetwork } = options
  for (const [name, value] of Object.entries({ batchSize, microBatch })) {
    if (!Number.isInteger(value) || value < 1)
      throw new Error(`train: ${name} is ${value}, expected a whole number of at least 1`)
  }
  if (freezeNetwork && !puzzleTable)
    throw new Error(
      'train: freezeNetwork leaves nothing to train in a model without puzzle embeddings — give it a puzzleWidth',
    )
  const ends = curriculum.map(({ until }) => until)
  if (!isRising(ends)) {
    const stages = `the stages of the curriculum end at ${ends.join(', ')} of the steps`
    throw new Error(`train: ${stages}, expected rising shares of up to 1`)
  }
  return { recompute: false, ...TRAINER_DEFAULTS, ...options, microBatch: Math.min(microBatch, batchSize) }
}
