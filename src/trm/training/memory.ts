// How much GPU memory a training takes, found out by a dry run before anything is allocated, and which micro-batch fits.
import type { Engine } from '../../engine/index.js'
import { TooLarge } from '../../engine/memory.js'
import { megabytes } from '../../formats/human.js'
import type { TrmConfig } from '../config.js'
import { type AskedPrecision, Trm } from '../model.js'
import { Trainer, type TrainerOptions } from './trainer.js'

export interface MemoryPlan {
  /** Slots computed at a time: as asked for, else as many as fit. */
  microBatch: number
  /** Bytes of all tensors of the training: model, optimiser, slots, and what a step needs. */
  bytes: number
  /** The training of the dry run, for whatever else is to be counted on its engine. */
  trainer: Trainer
}

export interface MemoryOptions extends TrainerOptions {
  /** Bytes that all tensors together may take. WebGPU does not tell how many there are. Default: each tensor must fit a binding (`maxTensorBytes`), and nothing else limits. */
  memoryLimit?: number
  /** How the model stores its activations. Default f32. */
  dtype?: AskedPrecision
}

/**
 * Plans a training with these options; the same code runs as in the training itself, on an engine that only counts.
 * @throws when the micro-batch that was asked for does not fit, naming one that does; without one, when not even a single slot fits
 */
export function planMemory(engine: Engine, config: TrmConfig, options: MemoryOptions): MemoryPlan {
  const { batchSize, microBatch: asked, memoryLimit = Infinity } = options
  const first = attempt(engine, config, options, asked ?? batchSize)
  if (!(first instanceof Misfit)) return first
  const fits = largest(engine, config, options, first)
  if (asked === undefined && fits) return fits
  const { microBatch, bytes, most } = fits ? first : (attempt(engine, config, options, 1) as Misfit)
  const again = options.recompute
    ? undefined
    : largest(
        engine,
        config,
        { ...options, recompute: true },
        attempt(engine, config, { ...options, recompute: true }, first.microBatch),
      )
  const limit =
    most === memoryLimit ? `the limit is ${megabytes(most)}` : `this adapter binds ${megabytes(most)} at most`
  const ways = [
    ...(fits ? [`micro_batch ${fits.microBatch}`] : []),
    ...(again && again.microBatch > (fits?.microBatch ?? 0) ? [`micro_batch ${again.microBatch} with recompute`] : []),
  ]
  throw new Error(
    `train: ${megabytes(bytes)} needed with micro_batch ${microBatch}, ${limit} — use ${ways.join(', or ') || 'a smaller model'}`,
  )
}

/** What does not fit: the size of one tensor, or of all of them. */
class Misfit {
  constructor(
    readonly microBatch: number,
    readonly bytes: number,
    readonly most: number,
    /** The greatest micro-batch that may fit, judged by what grows with it. */
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
    // Chunks of two sizes share no tensors.
    const held = [...new Set(trainer.chunks.map(({ count }) => count))].reduce((a, b) => a + b)
    return new Misfit(microBatch, bytes, memoryLimit, (held * (memoryLimit - fixed)) / (bytes - fixed))
  } catch (error) {
    if (!(error instanceof TooLarge)) throw error
    return new Misfit(microBatch, error.needed, error.most, (microBatch * error.most) / error.needed)
  }
}

/** What fits at most: the attempt itself, or a smaller size that cuts the batch into chunks as equal as can be. */
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
    // Chunks of two sizes take twice the memory, so a smaller one that divides the batch is better, if it is not much smaller.
    found = attempt(
      engine,
      config,
      options,
      3 * even >= 2 * bound ? even : Math.ceil(batchSize / Math.ceil(batchSize / bound)),
    )
  }
  return found
}
