// How well a model does on a dataset, after each supervision step.
import { testBatches } from '../data/batches.js'
import { type Dataset, exampleCount } from '../data/dataset.js'
import { SLOT_RESULTS } from '../kernels/supervision-loss.js'
import { type LossType, Slots } from './act.js'
import type { Trm } from './model.js'
import { checkFit } from './train.js'

export interface EvaluateOptions {
  /** Puzzles computed at a time. Default 64. */
  batchSize?: number
  /** Only the first so many examples. */
  limit?: number
  loss?: LossType
  /** Called after each batch. */
  onProgress?: (done: number, total: number) => void
}

/** Means over the examples after one supervision step. */
export interface StepEvaluation {
  /** 1 … supervisionSteps. */
  step: number
  /** Share of examples with every labelled cell right. */
  exactAccuracy: number
  /** Mean share of right cells. */
  cellAccuracy: number
  /** Share of examples where "halt" (q ≥ 0) is said exactly of right answers. */
  qHaltAccuracy: number
  lmLoss: number
}

export interface Evaluation {
  examples: number
  /** After the last supervision step. */
  exactAccuracy: number
  cellAccuracy: number
  steps: StepEvaluation[]
}

/** Runs every supervision step on every example. @throws when model and data do not fit */
export async function evaluate(model: Trm, dataset: Dataset, { batchSize = 64, limit = Infinity, loss = 'stablemax', onProgress }: EvaluateOptions = {}): Promise<Evaluation> {
  checkFit(model, dataset)
  const { engine, config } = model
  const { supervisionSteps, cycles } = config
  const total = Math.min(limit, exampleCount(dataset))
  const size = Math.min(batchSize, total)
  const columns = SLOT_RESULTS.length
  const at = Object.fromEntries(SLOT_RESULTS.map((name, i) => [name, i])) as Record<(typeof SLOT_RESULTS)[number], number>
  const slots = new Slots(model, size)
  const history = engine.lasting([supervisionSteps, size, columns])
  const sums = Array.from({ length: supervisionSteps }, () => ({ exact: 0, cells: 0, qHalt: 0, lmLoss: 0 }))
  let done = 0
  try {
    for (const batch of testBatches(dataset, size)) {
      if (done >= total) break
      slots.offer(batch)
      slots.haltAll()
      slots.restart()
      for (let k = 0; k < supervisionSteps; k++) {
        engine.scope(() => {
          model.think(slots.carry, model.embed(slots.inputs, slots.puzzleRows()), cycles)
          engine.copy(slots.loss(model.heads(slots.carry.y), loss, 1).results, history, k * size * columns)
        })
        engine.submit()
      }
      const results = await engine.read(history)
      const real = Math.min(batch.count, total - done)
      sums.forEach((sum, k) => {
        for (let slot = 0; slot < real; slot++) {
          const row = (k * size + slot) * columns
          sum.exact += results[row + at.exact]
          sum.cells += results[row + at.accuracy]
          sum.qHalt += results[row + at.qHaltCorrect]
          sum.lmLoss += results[row + at.lmLoss]
        }
      })
      done += real
      onProgress?.(done, total)
    }
  } finally {
    slots.release()
    engine.release(history)
  }
  const steps = sums.map((sum, k) => ({
    step: k + 1,
    exactAccuracy: sum.exact / done,
    cellAccuracy: sum.cells / done,
    qHaltAccuracy: sum.qHalt / done,
    lmLoss: sum.lmLoss / done,
  }))
  const { exactAccuracy, cellAccuracy } = steps.at(-1)!
  return { examples: done, exactAccuracy, cellAccuracy, steps }
}
