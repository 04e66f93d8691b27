// Answers one puzzle step by step: by one rollout, or by several with noise at the same time.
import type { Trm } from '../model.js'
import {
  checkInference,
  checkPuzzle,
  choose,
  compileInference,
  countVotes,
  type SlotResult,
  RolloutSlots,
  type InferenceOptions,
  probability,
} from './rollouts.js'

/** The state of the answer after one supervision step. */
export interface SolveStep {
  /** 1 … steps. */
  step: number
  /** Token ids, (cells). */
  answer: Int32Array
  /** Cells whose token differs from the step before (before the first step: from the puzzle). */
  changed: number[]
  /** sigmoid(q_halt), 0 … 1: the model's probability that the answer is right. */
  halt: number
  /** Number of the rollout whose answer this is, 0 … rollouts − 1. */
  rollout: number
  /** Rollouts that have this answer, that one included. */
  votes: number
  /** Rollouts that have not halted; without `halt` all of them. */
  running: number
}

export interface SolveOptions extends InferenceOptions {
  /** Row of the puzzle embedding. Default 0. */
  puzzleId?: number
}

/**
 * Yields the answer after each supervision step; `break` stops. All rollouts are computed at the same time.
 * With `halt` a rollout that halts keeps its answer, and the steps end when all have halted.
 * @param puzzle token ids, (cells)
 * @throws when the puzzle does not fit the model, or on an invalid option
 */
export async function* solve(
  model: Trm,
  puzzle: ArrayLike<number>,
  options: SolveOptions = {},
): AsyncGenerator<SolveStep, void, undefined> {
  const { puzzleId = 0 } = options
  const { steps, halt, confidence, rollouts, noise, seed, vote } = checkInference(model, options, 'solve')
  checkPuzzle(model, puzzle, puzzleId, 'solve')
  const inputs = Int32Array.from(puzzle)
  await compileInference(model, rollouts, { noise, seed, confidence })
  const slots = new RolloutSlots(model, rollouts, { noise, seed, confidence })
  const labels = new Int32Array(inputs.length).fill(-100)
  try {
    for (let rollout = 0; rollout < rollouts; rollout++)
      slots.place(rollout, { inputs, labels, puzzleId, puzzle: 0, rollout })
    const last: SlotResult[] = []
    const halted = new Array<boolean>(rollouts).fill(false)
    let before = inputs
    for (let step = 1; step <= steps; step++) {
      const results = await slots.step()
      for (const [rollout, result] of results.entries()) {
        if (halted[rollout]) continue
        last[rollout] = result
        halted[rollout] = halt && result.halts
      }
      const rollout = choose(last, vote)
      const answer = last[rollout].answer.slice()
      const changed = [...answer.keys()].filter(cell => answer[cell] !== before[cell])
      const running = halted.filter(ended => !ended).length
      yield {
        step,
        answer,
        changed,
        halt: probability(last[rollout].q),
        rollout,
        votes: countVotes(last)[rollout],
        running,
      }
      if (running === 0) return
      before = answer
    }
  } finally {
    slots.release()
  }
}
