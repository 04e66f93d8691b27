// Predicts how much GPU memory a training takes, by a dry run, and finds the micro-batch that fits.
import type { Engine } from '../../engine/index.js'
import { TooLarge } from '../../engine/memory.js'
import { megabytes } from '../../formats/human.js'
import type { TrmConfig } from '../config.js'
import { type AskedPrecision, Trm } from '../model.js'
import type { TrainerOptions } from './options.js'
import { Trainer } from './trainer.js'

export interface MemoryPlan {
  /** Slots computed at a time: as requested, else as many as fit. */
  microBatch: number
  /** Bytes of all tensors of the training: model, optimiser, slots, and those of a step. */
  bytes: number
  /** The training of the dry run; its engine can count more. */
  trainer: Trainer
}

export interface MemoryOptions extends TrainerOptions {
  /**
   * Bytes that all tensors together may take. WebGPU does not tell how many the GPU has.
   * Default: no limit, but each tensor must fit a binding (`maxTensorBytes`).
   */
  memoryLimit?: number
  /** How the model stores its activations. Default f32. */
  dtype?: AskedPrecision
}

/**
 * Plans a training with these options. It runs the code of the training itself, on an engine that only counts.
 * @throws when the requested micro-batch does not fit, naming one that does, or when not even one slot fits
 */
export function planMemory(engine: Engine, config: TrmConfig, options: MemoryOptions): MemoryPlan {
  const { batchSize, microBatch: asked, memoryLimit = Infinity } = options
  const first = attempt(engine, config, options, asked ?? batchSize)
  if (!(first instanceof Misfit)) return first
  const fits = largest(engine, config, options, first)
  if (asked === undefined && fits) return fits
  const { microBatch, bytes, most } = fits ? first : (attempt(engine, config, options, 1) as Misfit)
  const recomputing = { ...options, recompute: true }
  const smaller = options.recompute
    ? undefined
    : largest(engine, config, recomputing, attempt(engine, config, recomputing, first.microBatch))
  const limit =
    most === memoryLimit ? `the limit is ${megabytes(most)}` : `this adapter binds ${megabytes(most)} at most`
  const ways = [
    ...(fits ? [`micro_batch ${fits.microBatch}`] : []),
    ...(smaller && smaller.microBatch > (fits?.microBatch ?? 0)
      ? [`micro_batch ${smaller.microBatch} with recompute`]
      : []),
  ]
  const needed = `${megabytes(bytes)} needed with micro_batch ${microBatch}`
  throw new Error(`train: ${needed}, ${limit} — use ${ways.join(', or ') || 'a smaller model'}`)
}

/** A micro-batch that does not fit, and the bytes of one tensor or of all that are too many. */
class Misfit {
  constructor(
    readonly microBatch: number,
    readonly bytes: number,
    readonly most: number,
    /** Upper bound of the micro-batches that may fit, by the memory that grows with them. */
    readonly bound: number,
  ) {}
}

function attempt(
  engine: Engine,
  config: TrmConfig,
  { memoryLimit = Infinity, dtype, ...options }: MemoryOptions,
  microBatch: number,
): MemoryPlan | Misfit {
  const dry = engine.dryRun()
  const model = Trm.empty(dry, config, dtype)
  const fixed = dry.stats.bytes
  try {
    const trainer = new Trainer(model, { ...options, microBatch })
    trainer.rehearse()
    const { bytes } = dry.stats
    if (bytes <= memoryLimit) return { microBatch: trainer.options.microBatch, bytes, trainer }
    // Chunks of different sizes share no tensors.
    const held = [...new Set(trainer.chunks.map(({ count }) => count))].reduce((a, b) => a + b)
    return new Misfit(microBatch, bytes, memoryLimit, (held * (memoryLimit - fixed)) / (bytes - fixed))
  } catch (error) {
    if (!(error instanceof TooLarge)) throw error
    return new Misfit(microBatch, error.needed, error.most, (microBatch * error.most) / error.needed)
  }
}

/** The largest plan that fits: the attempt itself, or a smaller micro-batch that cuts the batch into equal chunks. */
function largest(
  engine: Engine,
  config: TrmConfig,
  options: MemoryOptions,
  from: MemoryPlan | Misfit,
): MemoryPlan | undefined {
  const { batchSize } = options
  let found = from
  while (found instanceof Misfit) {
    const bound = Math.floor(Math.min(found.microBatch - 1, Math.max(found.bound, 1), batchSize))
    if (bound < 1) return undefined
    let even = bound
    while (batchSize % even) even--
    // Chunks of two sizes take twice the memory. A size that divides the batch is better, if it is not much smaller.
    found = attempt(
      engine,
      config,
      options,
      3 * even >= 2 * bound ? even : Math.ceil(batchSize / Math.ceil(batchSize / bound)),
    )
  }
  return found
}
