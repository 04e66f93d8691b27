// Optimisers: AdamATan2 and AdamW over flat parameters, SignSGD over rows of a table, and the learning rate.
import { adam, clipGradients, partCount, sumSquares } from '../kernels/adam.js'
import { signSgd } from '../kernels/sign-sgd.js'
import type { Engine } from './engine.js'
import type { Parameters } from './parameters.js'
import type { Tensor } from './tensor.js'

/** A number above all steps. */
const NO_STEP = 2 ** 32 - 1

export interface AdamOptions {
  /** 'atan2' (the default) needs no epsilon and bounds each step by lr · π/2. 'adamw' is Loshchilov and Hutter's. */
  algorithm?: 'atan2' | 'adamw'
  /** Rate of the first moment. Default 0.9. */
  beta1?: number
  /** Rate of the second moment. Default 0.95, as published for TRM. */
  beta2?: number
  /** Decoupled decay: values shrink by lr · weightDecay each step. Default 0.1. */
  weightDecay?: number
  /** Rate of the exponential moving average of the values; 0, the default, keeps none. */
  emaRate?: number
  /** Largest global norm of the gradients, after their factor: longer ones are shortened to it. Default 0: no limit. */
  clipNorm?: number
}

/** The numbers of one step of an optimiser. */
export interface StepNumbers {
  /** 1 for the first. */
  step: number
  learningRate: number
  /** Multiplies the gradients. Default 1. */
  factor?: number
}

/** The numbers of the coming step on the GPU. */
export class Schedule {
  readonly tensor: Tensor
  #isFresh = false

  constructor(
    private readonly engine: Engine,
    length: number,
  ) {
    this.tensor = engine.zeros([length], 'f32', 'schedule')
  }

  write(...numbers: number[]): void {
    this.#isFresh = numbers.every(Number.isFinite)
    this.engine.write(this.tensor, Float32Array.from(numbers))
  }

  /** The tensor, for one step. @throws when no finite numbers were written for it */
  take(): Tensor {
    if (!this.#isFresh)
      throw new Error(
        'optimizer: no finite { step, learningRate } for this step — give them to step(), or to prepare() before it',
      )
    this.#isFresh = false
    return this.tensor
  }
}

/** Where an optimiser first found a number that is not finite. */
export interface NotFinite {
  /** Number of the step, as the optimiser was given it. */
  step: number
  /** The first such parameter, in the order of the parameters. */
  name: string
  /** 'gradient' if the gradient, or its square, was not finite. */
  what: 'gradient' | 'value'
  /** Numbers of that step that are not finite. */
  count: number
}

/** AdamATan2 (Everett et al., "Scaling Exponents Across Parameterizations and Optimizers", 2024) or AdamW. */
export class Adam {
  readonly gradients: Parameters
  readonly m: Parameters
  readonly v: Parameters
  /** The moving average, or the values themselves if none is kept. */
  readonly average: Parameters
  /** Numbers of the coming step; see the shader. The last one is the plain learning rate, for `LossScaler`. */
  readonly schedule: Schedule
  readonly #broken: Tensor
  readonly #sums: Tensor | undefined
  /** Bound if no average is kept: a shader may not write one buffer under two names. */
  readonly #unused: Tensor | undefined
  readonly options: Readonly<Required<AdamOptions>>

  constructor(
    private readonly engine: Engine,
    readonly values: Parameters,
    { algorithm = 'atan2', beta1 = 0.9, beta2 = 0.95, weightDecay = 0.1, emaRate = 0, clipNorm = 0 }: AdamOptions = {},
  ) {
    this.options = { algorithm, beta1, beta2, weightDecay, emaRate, clipNorm }
    this.gradients = values.like('gradients')
    this.m = values.like('first moments')
    this.v = values.like('second moments')
    this.average = emaRate > 0 ? values.like('moving average', true) : values
    if (this.average === values) this.#unused = engine.zeros([64])
    this.schedule = new Schedule(engine, 7)
    this.#broken = engine.from(new Uint32Array([NO_STEP, NO_STEP, 0]))
    if (clipNorm > 0) this.#sums = engine.zeros([partCount(values.flat.size)])
  }

  /** Sends a step's numbers to the GPU, ahead of its recording: a host write submits what was recorded before. */
  prepare({ step, learningRate, factor = 1 }: StepNumbers): void {
    const { beta1, beta2, weightDecay } = this.options
    this.schedule.write(
      1 - learningRate * weightDecay,
      learningRate / (1 - beta1 ** step),
      1 / Math.sqrt(1 - beta2 ** step),
      factor,
      step,
      0,
      learningRate,
    )
  }

  /**
   * Records the update by `gradients`.
   * @param numbers of this step, unless `prepare` sent them. Sending them here takes one submit more
   * @throws when this step has no numbers
   */
  step(numbers?: StepNumbers): void {
    if (numbers) this.prepare(numbers)
    const { algorithm, beta1, beta2, emaRate, clipNorm } = this.options
    const { engine, gradients, values, m, v, average } = this
    const schedule = this.schedule.take()
    const count = values.flat.size
    const sums = this.#sums
    if (sums) {
      engine.dispatch(sumSquares, { x: gradients.flat, sums }, { count })
      engine.dispatch(clipGradients, { sums, schedule }, { count, clipNorm })
    }
    const bound = {
      schedule,
      gradients: gradients.flat,
      values: values.flat,
      m: m.flat,
      v: v.flat,
      average: this.#unused ?? average.flat,
      broken: this.#broken,
    }
    engine.dispatch(adam, bound, { count, beta1, beta2, emaRate, atan2: algorithm === 'atan2' })
    for (const changed of new Set([values, average])) changed.changed()
  }

  /** The first number that was not finite, in all steps so far. Undefined if there was none. */
  async firstNotFinite(): Promise<NotFinite | undefined> {
    const [step, at, count] = new Uint32Array((await this.engine.readInt32(this.#broken)).buffer)
    return step === NO_STEP
      ? undefined
      : { step, name: this.values.nameAt(at >>> 1), what: at & 1 ? 'value' : 'gradient', count }
  }

  /** Gives its memory back. The values stay. */
  release(): void {
    const { engine, gradients, m, v, average, values, schedule } = this
    for (const own of [gradients, m, v, average]) if (own !== values) own.release()
    engine.release(schedule.tensor, this.#broken, this.#sums, this.#unused)
  }
}

/** SignSGD with decay, for the rows of an embedding table that a batch used. */
export class SparseSignSgd {
  readonly schedule: Schedule

  constructor(
    private readonly engine: Engine,
    readonly table: Tensor,
    private readonly weightDecay: number,
  ) {
    this.schedule = new Schedule(engine, 3)
  }

  /** Sends a step's learning rate to the GPU, ahead of its recording: a host write submits what was recorded before. */
  prepare({ learningRate }: Pick<StepNumbers, 'learningRate'>): void {
    this.schedule.write(1 - learningRate * this.weightDecay, learningRate, 0)
  }

  /**
   * Records the update.
   * @param ids i32 (slots); equal ids share the sum of their gradients
   * @param gradients shape (slots, table width)
   * @param numbers of this step, unless `prepare` sent them. Sending them here takes one submit more
   * @throws when this step has no numbers
   */
  step(ids: Tensor, gradients: Tensor, numbers?: Pick<StepNumbers, 'learningRate'>): void {
    if (numbers) this.prepare(numbers)
    const schedule = this.schedule.take()
    const [slots, width] = gradients.shape
    this.engine.dispatch(signSgd, { schedule, ids, gradients, table: this.table }, { slots, width })
  }
}

export interface LearningRateOptions {
  /** Peak rate. */
  base: number
  /** Steps of linear warm-up. The first step is 1. */
  warmup: number
  /** Step at which the cosine ends. */
  total: number
  /** End of the cosine as a share of the peak. 1: the rate is constant. */
  minRatio?: number
}

/** Linear warm-up, then a cosine from the peak to `minRatio` of it. */
export function learningRate(step: number, { base, warmup, total, minRatio = 1 }: LearningRateOptions): number {
  if (step < warmup) return (base * step) / Math.max(1, warmup)
  const progress = (step - warmup) / Math.max(1, total - warmup)
  return base * (minRatio + Math.max(0, (1 - minRatio) * 0.5 * (1 + Math.cos(Math.PI * progress))))
}
