// Answers many puzzles at once: in a batch of slots, of which each takes the next puzzle as soon as one has its answer.
import type { Trm } from '../model.js'
import {
  checkInference,
  checkPuzzle,
  choose,
  compileInference,
  countVotes,
  inferPuzzles,
  probability,
  type InferenceOptions,
  type InferenceTask,
} from './rollouts.js'

export interface AnswerOptions extends InferenceOptions {
  /** Puzzles, or rollouts of them, computed at a time. The answers do not depend on it. Default 64. */
  batchSize?: number
  /** Row of the puzzle embedding: one for all puzzles, or one for each. Default 0. */
  puzzleIds?: number | ArrayLike<number>
  /** Called after each puzzle. */
  onProgress?: (done: number, total: number) => void
}

/** The answer to one puzzle. */
export interface PuzzleAnswer {
  /** Token ids, (cells). */
  answer: Int32Array
  /** sigmoid(q_halt), 0 … 1: the model's probability that the answer is right. */
  halt: number
  /** Supervision steps until this answer: as many as asked for, or fewer with `halt`. */
  steps: number
  /** Number of the rollout whose answer this is, 0 … rollouts − 1. */
  rollout: number
  /** Rollouts that have this answer, that one included. */
  votes: number
}

/**
 * Answers to N puzzles, in their order. No labels are needed; to compare with labels see `evaluate`.
 * @param puzzles token ids: N rows of (cells) each, or a typed array (N × cells)
 * @throws when a puzzle does not fit the model, or on an invalid option
 */
export async function answer(
  model: Trm,
  puzzles: ArrayLike<number> | readonly ArrayLike<number>[],
  options: AnswerOptions = {},
): Promise<PuzzleAnswer[]> {
  const { batchSize = 64, puzzleIds = 0, onProgress } = options
  if (!Number.isInteger(batchSize) || batchSize < 1)
    throw new Error(`answer: batchSize is ${batchSize}, expected a whole number of at least 1`)
  const inference = checkInference(model, options, 'answer')
  const { rollouts, vote } = inference
  const rows = rowsOf(puzzles, model.config.cells)
  const ids = typeof puzzleIds === 'number' ? rows.map(() => puzzleIds) : Array.from(puzzleIds)
  if (ids.length !== rows.length)
    throw new Error(`answer: ${ids.length} puzzle ids for ${rows.length} puzzles, expected one for each, or one number`)
  rows.forEach((row, i) => checkPuzzle(model, row, ids[i], `answer: puzzle ${i + 1}`))
  const answers: PuzzleAnswer[] = new Array(rows.length)
  if (!rows.length) return answers
  const count = Math.min(batchSize, rows.length * rollouts)
  await compileInference(model, count, inference)
  let done = 0
  for await (const { task, results } of inferPuzzles(model, tasksOf(rows, ids, rollouts), { ...inference, count })) {
    const last = results.map(steps => steps.at(-1)!)
    const rollout = choose(last, vote)
    answers[task.puzzle] = {
      answer: last[rollout].answer.slice(),
      halt: probability(last[rollout].q),
      steps: results[rollout].length,
      rollout,
      votes: countVotes(last)[rollout],
    }
    onProgress?.(++done, rows.length)
  }
  return answers
}

/** @throws when the values are no whole rows */
function rowsOf(puzzles: ArrayLike<number> | readonly ArrayLike<number>[], cells: number): ArrayLike<number>[] {
  if (!puzzles.length || typeof puzzles[0] !== 'number') return Array.from(puzzles as readonly ArrayLike<number>[])
  const values = Array.from(puzzles as ArrayLike<number>)
  if (values.length % cells)
    throw new Error(`answer: ${values.length} values are no whole puzzles, the model takes ${cells} cells each`)
  return Array.from({ length: values.length / cells }, (_, i) => values.slice(i * cells, (i + 1) * cells))
}

/** The rollouts of all puzzles, in order; no cell is compared with a label. */
async function* tasksOf(
  rows: readonly ArrayLike<number>[],
  ids: readonly number[],
  rollouts: number,
): AsyncGenerator<InferenceTask, void> {
  for (const [puzzle, inputs] of rows.entries()) {
    const labels = new Int32Array(inputs.length).fill(-100)
    for (let rollout = 0; rollout < rollouts; rollout++)
      yield { inputs, labels, puzzleId: ids[puzzle], puzzle, rollout }
  }
}
