// One puzzle, answered step by step: by one train of thought, or by noisy rollouts side by side.
import type { Trm } from '../model.js'
import {
  checkInference,
  choose,
  compileInference,
  countVotes,
  type SlotResult,
  RolloutSlots,
  type InferenceOptions,
} from './rollouts.js'

/** The state of the answer after one supervision step. */
export interface SolveStep {
  /** 1 … steps. */
  step: number
  /** Token ids, (cells). */
  answer: Int32Array
  /** Cells whose token differs from the step before (before the first step: from the puzzle). */
  changed: number[]
  /** sigmoid(q_halt): how sure the model is that the answer is right, 0 … 1. */
  halt: number
  /** Number of the rollout that answers, 0 … rollouts − 1. */
  rollout: number
  /** Rollouts that give this answer, that one counted. */
  votes: number
  /** Rollouts that have not halted; all of them, without `halt`. */
  running: number
}

export interface SolveOptions extends InferenceOptions {
  /** Row of the puzzle embedding. Default 0. */
  puzzleId?: number
}

/**
 * Yields the answer after each supervision step; `break` stops. With `halt` a rollout that says "halt" keeps its answer, and the last
 * step is the one after which none runs on. All rollouts are computed at the same time.
 * @param puzzle token ids, (cells)
 * @throws when the puzzle does not fit the model, or on an option that cannot be
 */
export async function* solve(
  model: Trm,
  puzzle: ArrayLike<number>,
  options: SolveOptions = {},
): AsyncGenerator<SolveStep, void, undefined> {
  const { config } = model
  const { cells, vocabulary, puzzles } = config
  const { puzzleId = 0 } = options
  const { steps, halt, confidence, rollouts, noise, seed, vote } = checkInference(model, options, 'solve')
  if (puzzle.length !== cells) throw new Error(`solve: the puzzle has ${puzzle.length} cells, the model takes ${cells}`)
  const inputs = Int32Array.from(puzzle)
  const wrong = inputs.findIndex(id => id < 0 || id >= vocabulary)
  if (wrong >= 0)
    throw new Error(`solve: token ${inputs[wrong]} at cell ${wrong + 1}, the model knows 0 … ${vocabulary - 1}`)
  if (config.puzzleWidth > 0 && !(puzzleId >= 0 && puzzleId < puzzles))
    throw new Error(`solve: puzzle id ${puzzleId}, the model knows 0 … ${puzzles - 1}`)
  await compileInference(model, rollouts, { noise, seed, confidence })
  const thinkers = new RolloutSlots(model, rollouts, { noise, seed, confidence })
  const labels = new Int32Array(cells).fill(-100)
  try {
    for (let rollout = 0; rollout < rollouts; rollout++)
      thinkers.place(rollout, { inputs, labels, puzzleId, puzzle: 0, rollout })
    const last: SlotResult[] = []
    const halted = new Array<boolean>(rollouts).fill(false)
    let before = inputs
    for (let step = 1; step <= steps; step++) {
      const sayings = await thinkers.step()
      for (const [rollout, saying] of sayings.entries()) {
        if (halted[rollout]) continue
        last[rollout] = saying
        halted[rollout] = halt && saying.halts
      }
      const rollout = choose(last, vote)
      const answer = last[rollout].answer.slice()
      const changed = [...answer.keys()].filter(cell => answer[cell] !== before[cell])
      const running = halted.filter(ended => !ended).length
      yield {
        step,
        answer,
        changed,
        halt: 1 / (1 + Math.exp(-last[rollout].q)),
        rollout,
        votes: countVotes(last)[rollout],
        running,
      }
      if (running === 0) return
      before = answer
    }
  } finally {
    thinkers.release()
  }
}
