// One puzzle, answered step by step.
import { Slots } from './act.js'
import type { Trm } from './model.js'

/** The state of the answer after one supervision step. */
export interface SolveStep {
  /** 1 … supervisionSteps. */
  step: number
  /** Token ids, (cells). */
  answer: Int32Array
  /** Cells whose token differs from the step before (before the first step: from the puzzle). */
  changed: number[]
  /** sigmoid(q_halt): how sure the model is that the answer is right, 0 … 1. */
  halt: number
}

export interface SolveOptions {
  /** Row of the puzzle embedding. Default 0. */
  puzzleId?: number
  /** Supervision steps. Default: as many as the model was trained with. */
  steps?: number
}

/**
 * Yields the answer after each supervision step; `break` stops.
 * @param puzzle token ids, (cells)
 * @throws when the puzzle does not fit the model
 */
export async function* solve(model: Trm, puzzle: ArrayLike<number>, { puzzleId = 0, steps = model.config.supervisionSteps }: SolveOptions = {}): AsyncGenerator<SolveStep, void, undefined> {
  const { engine, config, slots: prefix } = model
  const { cells, vocabulary, puzzles, cycles } = config
  if (puzzle.length !== cells) throw new Error(`solve: the puzzle has ${puzzle.length} cells, the model takes ${cells}`)
  const inputs = Int32Array.from(puzzle)
  const wrong = inputs.findIndex(id => id < 0 || id >= vocabulary)
  if (wrong >= 0) throw new Error(`solve: token ${inputs[wrong]} at cell ${wrong + 1}, the model knows 0 … ${vocabulary - 1}`)
  if (config.puzzleWidth > 0 && !(puzzleId >= 0 && puzzleId < puzzles)) throw new Error(`solve: puzzle id ${puzzleId}, the model knows 0 … ${puzzles - 1}`)
  const slots = new Slots(model, 1)
  try {
    slots.offer({ inputs, labels: new Int32Array(cells).fill(-100), puzzleIdentifiers: Int32Array.of(puzzleId) })
    slots.restart()
    let before = inputs
    for (let step = 1; step <= steps; step++) {
      const reading = engine.scope(() => {
        model.think(slots.carry, model.embed(slots.inputs, slots.puzzleRows()), cycles)
        const { logits, q } = model.heads(slots.carry.y)
        return [engine.read(logits), engine.read(q)] as const
      })
      const [logits, q] = await Promise.all(reading)
      const answer = Int32Array.from({ length: cells }, (_, cell) => {
        const row = logits.subarray((prefix + cell) * vocabulary, (prefix + cell + 1) * vocabulary)
        return row.indexOf(Math.max(...row))
      })
      const changed = [...answer.keys()].filter(cell => answer[cell] !== before[cell])
      yield { step, answer, changed, halt: 1 / (1 + Math.exp(-q[0])) }
      before = answer
    }
  } finally {
    slots.release()
  }
}
