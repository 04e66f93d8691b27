// One optimiser step of deep supervision, recorded without any read-back; micro-batches share it.
import { Adam, type Engine, learningRate, LossScaler, SparseSignSgd, type Tensor } from '../../engine/index.js'
import { METRICS } from '../../kernels/slots.js'
import { type LossType, metricsTensor, type Puzzles, Slots } from '../slots.js'
import type { Trm } from '../model.js'

/** A stage of a depth curriculum. */
export interface Stage {
  /** Share of all steps at which it ends, 0 … 1. */
  until: number
  cycles: number
  latentSteps: number
}

/** Hyper-parameters; the defaults are the published ones for Sudoku. */
export interface TrainerOptions {
  /** Slots of a batch. */
  batchSize: number
  /** Slots computed at a time; the result is the same up to float32 summation. Default: all; `train` takes as many as fit, by `planMemory`. */
  microBatch?: number
  learningRate?: number
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
  /** Keep less and compute again what the gradients need: the same bits with less memory, in more time. Default false. */
  recompute?: boolean
  /** Largest global norm of the parameters' gradients; longer ones are shortened to it. 0: as they are. */
  clipNorm?: number
  /** Stages of less depth to begin with, one after the other; then the model's own. CGAR, arXiv 2511.08653. */
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

/** Sums over the steps since the last reading, as the published code logs them. */
export interface TrainingMetrics {
  /** Puzzles that ended (halted) and have labels; the next four are means over them, null where there is none. */
  count: number
  accuracy: number | null
  exactAccuracy: number | null
  qHaltAccuracy: number | null
  steps: number | null
  /** Means per slot and step: loss = lmLoss + 0.5 · (qHaltLoss + qContinueLoss). */
  loss: number
  lmLoss: number
  qHaltLoss: number
  /** 0 where the architecture does not train it. */
  qContinueLoss: number
}

export class Trainer {
  readonly options: Required<TrainerOptions>
  readonly optimizer: Adam
  /** Where the model computes in float16. Its gradients are scaled. */
  readonly lossScaler: LossScaler | undefined
  readonly chunks: readonly Slots[]
  /** Steps done. */
  stepsDone = 0
  /** Gradients of the slots' puzzle rows, (batch, puzzleWidth), before equal ids are summed. */
  readonly puzzleGradients: Tensor | undefined
  readonly #puzzleIds: Tensor | undefined
  readonly #puzzleOptimizer: SparseSignSgd | undefined
  readonly #clock: Tensor
  readonly #metrics: Tensor
  readonly #engine: Engine
  readonly #stages: readonly { end: number; model: Trm }[]
  #stepsSinceReading = 0

  constructor(
    readonly model: Trm,
    options: TrainerOptions,
  ) {
    const { engine, config, puzzleTable } = model
    this.#engine = engine
    const { batchSize } = options
    if (!Number.isInteger(batchSize) || batchSize < 1)
      throw new Error(`train: batchSize is ${batchSize}, expected a whole number of at least 1`)
    const { microBatch: asked = batchSize } = options
    if (!Number.isInteger(asked) || asked < 1)
      throw new Error(`train: microBatch is ${asked}, expected a whole number of at least 1`)
    const microBatch = Math.min(asked, batchSize)
    this.options = { recompute: false, ...TRAINER_DEFAULTS, ...options, microBatch }
    const {
      optimizer,
      beta1,
      beta2,
      weightDecay,
      puzzleWeightDecay,
      emaRate,
      clipNorm,
      curriculum,
      totalSteps,
      freezeNetwork,
    } = this.options
    if (freezeNetwork && !puzzleTable)
      throw new Error(
        'train: freezeNetwork leaves nothing to train in a model without puzzle embeddings — give it a puzzleWidth',
      )
    if (curriculum.some(({ until }, i) => !(until > (curriculum[i - 1]?.until ?? 0) && until <= 1)))
      throw new Error(
        `train: the stages of the curriculum end at ${curriculum.map(({ until }) => until).join(', ')} of the steps, expected rising shares of up to 1`,
      )
    this.#stages = curriculum.map(({ until, ...depth }) => ({ end: until * totalSteps, model: model.withDepth(depth) }))
    this.optimizer = new Adam(engine, model.parameters, {
      algorithm: optimizer,
      beta1,
      beta2,
      weightDecay,
      emaRate,
      clipNorm,
    })
    const chunks: Slots[] = []
    for (let first = 0; first < batchSize; first += microBatch)
      chunks.push(new Slots(model, Math.min(microBatch, batchSize - first), first))
    this.chunks = chunks
    if (puzzleTable) {
      this.puzzleGradients = engine.zeros([batchSize, config.puzzleWidth])
      this.#puzzleIds = engine.zeros([batchSize], 'i32')
      this.#puzzleOptimizer = new SparseSignSgd(engine, puzzleTable, puzzleWeightDecay)
    }
    if (model.dtype === 'f16') this.lossScaler = new LossScaler(engine, this.optimizer, this.#puzzleOptimizer)
    this.#clock = engine.zeros([2], 'u32')
    this.#metrics = metricsTensor(engine)
  }

  /** The model with the moving average of its parameters, for evaluation and checkpoints. */
  get averaged(): Trm {
    const { average } = this.optimizer
    return average === this.model.parameters ? this.model : this.model.withParameters(average)
  }

  /** The model at the depth of the coming step. */
  get atDepth(): Trm {
    return this.#stages.find(({ end }) => this.stepsDone < end)?.model ?? this.model
  }

  /** Learning rates of the coming step. */
  rates(): { learningRate: number; puzzleLearningRate: number } {
    const {
      learningRate: base,
      puzzleLearningRate,
      warmupSteps: warmup,
      totalSteps: total,
      minLearningRateRatio: minRatio,
    } = this.options
    const at = (peak: number) => learningRate(this.stepsDone + 1, { base: peak, warmup, total, minRatio })
    return { learningRate: at(base), puzzleLearningRate: at(puzzleLearningRate) }
  }

  /** Records one optimiser step on a batch. `inspect` sees the tensors of each chunk before they die. */
  step(
    batch: Puzzles,
    inspect?: (chunk: Slots, tensors: { logits: Tensor; q: Tensor; predictions: Tensor; results: Tensor }) => void,
  ): void {
    const { engine } = this.model
    const { seed } = this.options
    const rates = this.rates()
    // Host writes first: each of them submits what was recorded before.
    for (const chunk of this.chunks) chunk.offer(batch)
    engine.write(this.#clock, new Uint32Array([seed, this.stepsDone]))
    this.optimizer.prepare(this.stepsDone + 1, rates.learningRate)
    this.#puzzleOptimizer?.prepare(rates.puzzleLearningRate)
    this.#record(this.chunks, inspect)
    this.stepsDone++
    this.#stepsSinceReading++
  }

  /** Makes every tensor that a step of any depth makes: chunks of the same size share theirs, so that one of each is enough. For dry runs. */
  rehearse(): void {
    for (const step of [0, ...this.#stages.map(({ end }) => Math.ceil(end))]) {
      this.stepsDone = step
      this.#record([...new Set([this.chunks[0], this.chunks.at(-1)!])])
    }
  }

  #record(chunks: readonly Slots[], inspect?: Parameters<Trainer['step']>[1]): void {
    const { engine } = this.model
    chunks.forEach((chunk, i) => {
      if (i > 0) engine.submit()
      engine.scope(() => this.#runChunk(chunk, i > 0, inspect))
    })
    this.lossScaler?.check(...(this.puzzleGradients ? [this.puzzleGradients] : []))
    if (this.#puzzleOptimizer) {
      const [only] = this.chunks
      this.#puzzleOptimizer.step(this.chunks.length === 1 ? only.puzzleIds : this.#puzzleIds!, this.puzzleGradients!)
    }
    if (!this.options.freezeNetwork) this.optimizer.step()
  }

  #runChunk(chunk: Slots, accumulate: boolean, inspect: Parameters<Trainer['step']>[1]): void {
    const { atDepth: model, optimizer } = this
    const { engine, config } = model
    const { batchSize, loss, recompute, freezeNetwork } = this.options
    chunk.restart()
    const rows = chunk.puzzleRows()
    const x = model.embed(chunk.inputs, rows)
    model.beforeGradient(chunk.carry, x)
    const continueTargets = chunk.continueTargets(x, model)
    const trained = freezeNetwork ? [] : model.weights
    const targets = freezeNetwork ? [] : optimizer.gradients.all()
    let rowGradients: Tensor | undefined
    if (rows) rowGradients = this.chunks.length === 1 ? this.puzzleGradients! : engine.tensor(rows.shape)
    // Parameters add up over the chunks; a chunk's puzzle rows are its own.
    if (rowGradients && accumulate) engine.clear(rowGradients)
    let next = chunk.carry
    engine.gradients(
      rows ? [...trained, rows] : trained,
      () => {
        next = model.withGradient(chunk.carry, model.embed(chunk.inputs, rows), recompute)
        const { logits, q } = model.heads(next.y)
        const outcome = chunk.loss({ logits, q }, loss, 1 / batchSize, continueTargets)
        chunk.halt(q, outcome.results, this.#clock, this.#metrics, true)
        inspect?.(chunk, { logits, q, ...outcome })
        this.lossScaler?.scale(outcome.dLogits, outcome.dQ)
        return [
          [logits, outcome.dLogits],
          [q, outcome.dQ],
        ] as const
      },
      { into: rowGradients ? [...targets, rowGradients] : targets, accumulate },
    )
    // Not before: what is recomputed begins with the old carry.
    for (const [name, state] of Object.entries(chunk.carry)) if (next[name] !== state) engine.copy(next[name], state)
    if (rowGradients && this.chunks.length > 1) {
      engine.copy(rowGradients, this.puzzleGradients!, chunk.first * config.puzzleWidth)
      engine.copy(chunk.puzzleIds, this.#puzzleIds!, chunk.first)
    }
  }

  /** Lets the training go, its moving average too, so that `averaged` is of no use any more; the model stays. Twice does no harm. */
  release(): void {
    for (const part of [...this.chunks, this.optimizer, this.lossScaler]) part?.release()
    this.#engine.release(
      this.#puzzleOptimizer?.schedule,
      this.puzzleGradients,
      this.#puzzleIds,
      this.#clock,
      this.#metrics,
    )
    this.#engine.trim()
  }

  /** Reads and clears the sums of `METRICS` over the steps since the last reading. */
  async readSums(): Promise<Float32Array> {
    const { engine } = this.model
    const reading = engine.read(this.#metrics)
    // Where the reading fails, clearing does so at once, and says the same.
    reading.catch(() => {})
    engine.clear(this.#metrics)
    this.#stepsSinceReading = 0
    return reading
  }

  /** The metrics of the steps since the last reading: the loop's only read-back. */
  async readMetrics(): Promise<TrainingMetrics> {
    const steps = this.#stepsSinceReading
    const sums = Object.fromEntries(METRICS.map((name, i) => [name, i])) as Record<(typeof METRICS)[number], number>
    const values = await this.readSums()
    const count = values[sums.count]
    const perPuzzle = (name: keyof typeof sums) => (count ? values[sums[name]] / count : null)
    const perSlot = (name: keyof typeof sums) => values[sums[name]] / (this.options.batchSize * Math.max(steps, 1))
    const [lmLoss, qHaltLoss, qContinueLoss] = [perSlot('lmLoss'), perSlot('qHaltLoss'), perSlot('qContinueLoss')]
    return {
      count,
      accuracy: perPuzzle('accuracy'),
      exactAccuracy: perPuzzle('exactAccuracy'),
      qHaltAccuracy: perPuzzle('qHaltAccuracy'),
      steps: perPuzzle('steps'),
      loss: lmLoss + 0.5 * (qHaltLoss + qContinueLoss),
      lmLoss,
      qHaltLoss,
      qContinueLoss,
    }
  }
}
