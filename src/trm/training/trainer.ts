// One optimiser step of deep supervision, recorded without any read-back; micro-batches share it.
import { Adam, type Engine, learningRate, LossScaler, SparseSignSgd, type Tensor } from '../../engine/index.js'
import { metricsOf, metricsTensor, type Puzzles, Slots } from '../slots.js'
import type { Trm } from '../model.js'
import { checkOptions, type TrainerOptions } from './options.js'

/** Metrics of the steps since the last reading, as the published code logs them. */
export interface TrainingMetrics {
  /** Puzzles that halted and have labels. */
  count: number
  /** Means over these puzzles; null without any. `steps`: supervision steps of a puzzle. */
  accuracy: number | null
  exactAccuracy: number | null
  qHaltAccuracy: number | null
  steps: number | null
  /** Means over slots and steps: loss = lmLoss + 0.5 · (qHaltLoss + qContinueLoss). */
  loss: number
  lmLoss: number
  qHaltLoss: number
  /** 0 where the architecture does not train q_continue. */
  qContinueLoss: number
}

export class Trainer {
  readonly options: Required<TrainerOptions>
  readonly optimizer: Adam
  /** Scales the gradients of a model that computes in float16. */
  readonly lossScaler: LossScaler | undefined
  /** The slots of the batch, a micro-batch each. */
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
    this.options = checkOptions(model, options)
    const { batchSize, microBatch, optimizer: algorithm, puzzleWeightDecay, curriculum, totalSteps } = this.options
    this.#stages = curriculum.map(({ until, ...depth }) => ({ end: until * totalSteps, model: model.withDepth(depth) }))
    this.optimizer = new Adam(engine, model.parameters, { ...this.options, algorithm })
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

  /**
   * Records one optimiser step on a batch.
   * @param inspect is called for each chunk, while its tensors live
   */
  step(
    batch: Puzzles,
    inspect?: (chunk: Slots, tensors: { logits: Tensor; q: Tensor; predictions: Tensor; results: Tensor }) => void,
  ): void {
    const { engine } = this.model
    const { seed } = this.options
    // Host writes first: each of them submits what was recorded before.
    for (const chunk of this.chunks) chunk.offer(batch)
    engine.write(this.#clock, new Uint32Array([seed, this.stepsDone]))
    this.#prepare()
    this.#record(this.chunks, inspect)
    this.stepsDone++
    this.#stepsSinceReading++
  }

  /** For dry runs: makes every tensor of a step at each depth. Chunks of equal size share tensors, so one is enough. */
  rehearse(): void {
    for (const step of [0, ...this.#stages.map(({ end }) => Math.ceil(end))]) {
      this.stepsDone = step
      this.#prepare()
      this.#record([...new Set([this.chunks[0], this.chunks.at(-1)!])])
    }
  }

  /** The optimisers' host writes. */
  #prepare(): void {
    const { learningRate, puzzleLearningRate } = this.rates()
    this.optimizer.prepare({ step: this.stepsDone + 1, learningRate })
    this.#puzzleOptimizer?.prepare({ learningRate: puzzleLearningRate })
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
    // Gradients of parameters add up over the chunks; puzzle rows belong to one chunk.
    if (rowGradients && accumulate) engine.clear(rowGradients)
    let next = chunk.carry
    engine.gradients(
      rows ? [...trained, rows] : trained,
      () => {
        next = model.withGradient(chunk.carry, model.embed(chunk.inputs, rows), recompute)
        const { logits, q } = model.heads(next.y)
        const outputs = chunk.loss({ logits, q }, loss, 1 / batchSize, continueTargets)
        chunk.halt(q, outputs.results, this.#clock, this.#metrics, true)
        inspect?.(chunk, { logits, q, ...outputs })
        this.lossScaler?.scale(outputs.dLogits, outputs.dQ)
        return [
          [logits, outputs.dLogits],
          [q, outputs.dQ],
        ] as const
      },
      { into: rowGradients ? [...targets, rowGradients] : targets, accumulate },
    )
    // Only now: recomputing needs the old carry.
    for (const [name, state] of Object.entries(chunk.carry)) if (next[name] !== state) engine.copy(next[name], state)
    if (rowGradients && this.chunks.length > 1) {
      engine.copy(rowGradients, this.puzzleGradients!, chunk.first * config.puzzleWidth)
      engine.copy(chunk.puzzleIds, this.#puzzleIds!, chunk.first)
    }
  }

  /** Gives the training's memory back, that of `averaged` included; the model stays. Releasing twice does no harm. */
  release(): void {
    for (const part of [...this.chunks, this.optimizer, this.lossScaler]) part?.release()
    this.#engine.release(
      this.#puzzleOptimizer?.schedule.tensor,
      this.puzzleGradients,
      this.#puzzleIds,
      this.#clock,
      this.#metrics,
    )
    this.#engine.trim()
  }

  /** Reads the sums of `METRICS` over the steps since the last reading, and clears them. */
  async readSums(): Promise<Float32Array> {
    const { engine } = this.model
    const reading = engine.read(this.#metrics)
    // Where the reading fails, `clear` throws the same error at once.
    reading.catch(() => {})
    engine.clear(this.#metrics)
    this.#stepsSinceReading = 0
    return reading
  }

  /** Metrics of the steps since the last reading. A step itself reads nothing back. */
  async readMetrics(): Promise<TrainingMetrics> {
    const steps = this.#stepsSinceReading
    const sums = metricsOf(await this.readSums())
    const { count } = sums
    const perPuzzle = (name: keyof typeof sums) => (count ? sums[name] / count : null)
    const perSlot = (name: keyof typeof sums) => sums[name] / (this.options.batchSize * Math.max(steps, 1))
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
