// Accuracy of a model on a dataset after each supervision step, with early halting and noisy rollouts on request.
import { testBatches } from '../../data/batches.js'
import { exampleCount, type Examples } from '../../data/dataset.js'
import { SLOT_RESULTS } from '../../kernels/supervision-loss.js'
import { type LossType, Slots } from '../slots.js'
import type { Trm } from '../model.js'
import {
  checkInference,
  choose,
  compileInference,
  type InferenceTask,
  type InferenceOptions,
  inferPuzzles,
} from './rollouts.js'
import { checkFit } from '../config.js'

export interface EvaluateOptions extends InferenceOptions {
  /** Puzzles computed at a time. Default 64. */
  batchSize?: number
  /** Evaluates only this many examples, the first ones. */
  limit?: number
  loss?: LossType
  /** Is called with the last answers to some examples. Every example comes once; padding does not. */
  onAnswers?: (answers: Answers) => void
  /** Is called after each batch. */
  onProgress?: (done: number, total: number) => void
}

/** Answers to N examples. */
export interface Answers {
  /** Token ids (N × cells). */
  inputs: Int32Array
  predictions: Int32Array
  /** (N) */
  puzzleIds: Int32Array
  qHaltLogits: Float32Array
}

/**
 * Means over examples with labels after a supervision step, as the published losses count them; null without labels.
 * A puzzle that halted earlier keeps its last answer. Of several rollouts the chosen one counts.
 */
export interface StepEvaluation {
  /** 1 … steps. */
  step: number
  /** Share of examples with every labelled cell right. */
  exactAccuracy: number | null
  /** Mean share of an example's labelled cells that are right. */
  cellAccuracy: number | null
  /** Share of examples where q_halt ≥ 0 if and only if the answer is right. */
  qHaltAccuracy: number | null
  lmLoss: number | null
}

export interface Evaluation {
  examples: number
  /** Examples with a label: all means are over these. */
  labelled: number
  /** After the last supervision step; null where no example has a label. */
  exactAccuracy: number | null
  cellAccuracy: number | null
  steps: StepEvaluation[]
  /** Mean number of supervision steps of a rollout; null where no example has a label. */
  meanSteps: number | null
  /** Share of the supervision steps that early halting saved. */
  savedSteps: number | null
}

/** Sums over the examples with labels. */
interface Totals {
  labelled: number
  exact: number
  cells: number
  qHalt: number
  lmLoss: number
}

/** Numbers of the columns. */
const COLUMN = Object.fromEntries(SLOT_RESULTS.map((name, i) => [name, i])) as Record<
  (typeof SLOT_RESULTS)[number],
  number
>

/** Adds the results of a slot with labels; they begin at `row`. */
function addTo(sum: Totals, results: Float32Array, row = 0): void {
  if (!results[row + COLUMN.labelled]) return
  sum.labelled++
  sum.exact += results[row + COLUMN.exact]
  sum.cells += results[row + COLUMN.accuracy]
  sum.qHalt += results[row + COLUMN.qHaltCorrect]
  sum.lmLoss += results[row + COLUMN.lmLoss]
}

/**
 * Accuracy over the examples with labels. By default every example takes all supervision steps, as published.
 * Rollouts and their noise do not depend on the batch size.
 * @throws when model and data do not fit, or on an invalid option
 */
export async function evaluate(model: Trm, dataset: Examples, options: EvaluateOptions = {}): Promise<Evaluation> {
  const { batchSize = 64, limit = Infinity } = options
  checkFit(model, dataset)
  const inference = checkInference(model, options, 'evaluate')
  const { steps, halt, rollouts, noise } = inference
  const total = Math.min(limit, exampleCount(dataset))
  const sums = Array.from({ length: steps }, () => ({ labelled: 0, exact: 0, cells: 0, qHalt: 0, lmLoss: 0 }))
  const inStep = !halt && noise === 0
  const count = Math.min(batchSize, total * (inStep ? 1 : rollouts))
  await compileInference(model, count, { ...inference, loss: options.loss })
  const stepsDone = inStep
    ? await evaluateInStep(model, dataset, sums, total, count, options)
    : await evaluateOneByOne(model, dataset, sums, total, count, inference, options)
  const [{ labelled }] = sums
  const mean = (sum: number) => (labelled ? sum / labelled : null)
  const means = sums.map((sum, k) => ({
    step: k + 1,
    exactAccuracy: mean(sum.exact),
    cellAccuracy: mean(sum.cells),
    qHaltAccuracy: mean(sum.qHalt),
    lmLoss: mean(sum.lmLoss),
  }))
  const { exactAccuracy, cellAccuracy } = means.at(-1)!
  const meanSteps = mean(stepsDone / rollouts)
  return {
    examples: total,
    labelled,
    exactAccuracy,
    cellAccuracy,
    steps: means,
    meanSteps,
    savedSteps: meanSteps && 1 - meanSteps / steps,
  }
}

/**
 * Runs every supervision step on every example, a batch at a time.
 * @returns the number of steps, summed over the examples with labels
 */
async function evaluateInStep(
  model: Trm,
  dataset: Examples,
  sums: Totals[],
  total: number,
  size: number,
  { loss = 'stablemax', onAnswers, onProgress }: EvaluateOptions,
): Promise<number> {
  const { engine, config } = model
  const supervisionSteps = sums.length
  const columns = SLOT_RESULTS.length
  const slots = new Slots(model, size)
  const history = engine.lasting([supervisionSteps, size, columns])
  let done = 0
  try {
    for await (const batch of testBatches(dataset, size, total)) {
      let answers: Promise<[Int32Array, Float32Array]> | undefined
      slots.offer(batch)
      slots.haltAll()
      slots.restart()
      for (let k = 0; k < supervisionSteps; k++) {
        answers = engine.scope(() => {
          const outputs = slots.advance()
          const { results, predictions } = slots.loss(outputs, loss, 1)
          engine.copy(results, history, k * size * columns)
          return onAnswers && k === supervisionSteps - 1
            ? Promise.all([engine.readInt32(predictions), engine.read(outputs.q)])
            : undefined
        })
        // Where this reading fails, the one below does too, and earlier.
        answers?.catch(() => {})
        engine.submit()
      }
      const results = await engine.read(history)
      const real = batch.count
      if (answers) {
        const [predictions, q] = await answers
        const cells = real * config.cells
        onAnswers!({
          inputs: batch.inputs.subarray(0, cells),
          predictions: predictions.subarray(0, cells),
          puzzleIds: batch.puzzleIds.subarray(0, real),
          qHaltLogits: Float32Array.from({ length: real }, (_, i) => q[2 * i]),
        })
      }
      sums.forEach((sum, k) => {
        for (let slot = 0; slot < real; slot++) addTo(sum, results, (k * size + slot) * columns)
      })
      done += real
      onProgress?.(done, total)
    }
  } finally {
    slots.release()
    engine.release(history)
  }
  return sums[0].labelled * supervisionSteps
}

/**
 * Runs every rollout of every example in a slot of its own until it ends.
 * @returns the number of steps, summed over the rollouts with labels
 */
async function evaluateOneByOne(
  model: Trm,
  dataset: Examples,
  sums: Totals[],
  total: number,
  count: number,
  inference: Required<InferenceOptions>,
  { loss, onAnswers, onProgress }: EvaluateOptions,
): Promise<number> {
  const { rollouts, vote } = inference
  let [stepsDone, done] = [0, 0]
  const tasks = tasksOf(dataset, total, rollouts)
  for await (const { task, results } of inferPuzzles(model, tasks, { ...inference, count, loss })) {
    for (const steps of results) if (steps[0].scores[COLUMN.labelled]) stepsDone += steps.length
    sums.forEach((sum, k) => {
      const after = results.map(steps => steps[Math.min(k, steps.length - 1)])
      addTo(sum, after[choose(after, vote)].scores)
    })
    const last = results.map(steps => steps.at(-1)!)
    const { answer, q } = last[choose(last, vote)]
    onAnswers?.({
      inputs: Int32Array.from(task.inputs),
      predictions: answer,
      puzzleIds: Int32Array.of(task.puzzleId),
      qHaltLogits: Float32Array.of(q),
    })
    onProgress?.(++done, total)
  }
  return stepsDone
}

/** The rollouts of the first `total` examples, in order. */
async function* tasksOf(dataset: Examples, total: number, rollouts: number): AsyncGenerator<InferenceTask, void> {
  let puzzle = 0
  for await (const { inputs, labels, puzzleIds } of testBatches(dataset, 1, total)) {
    for (let rollout = 0; rollout < rollouts; rollout++)
      yield { inputs, labels, puzzleId: puzzleIds[0], puzzle, rollout }
    puzzle++
  }
}
