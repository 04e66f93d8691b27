// The score of ARC: predictions of all augmentations vote on each test input; pass@K and the two attempts of a submission.
import { arcGridRows, arcSeqLen, cropArcGrid, parseArcName, undoArcAugmentation, type ArcTask } from './arc.js'
import type { Grid } from './dihedral.js'

/** How many of the best answers may hold the right one. */
export const arcPasses: readonly number[] = [1, 2, 5, 10, 100, 1000]

/** N rows of the test split with what the model makes of them. */
export interface ArcPredictions {
  /** (N × 900) tokens. */
  inputs: ArrayLike<number>
  /** (N × 900) tokens, the best of each cell. */
  predictions: ArrayLike<number>
  /** (N); rows whose identifier is `<blank>` are padding. */
  puzzleIdentifiers: ArrayLike<number>
  /** (N); the sigmoid of these breaks ties of votes. */
  qHaltLogits: ArrayLike<number>
}

/** One answer to a test input, in Kaggle's form. */
export interface ArcAttempts {
  attempt_1: number[][]
  attempt_2: number[][]
}

export interface ArcScore {
  /** `ARC/pass@K`: mean over the tasks of the share of test inputs whose output is among the K best answers. */
  metrics: Record<string, number>
  /** The two best answers to each test input of each task; the best one twice when there is no second, [[0]] when there is none. */
  submission: Record<string, ArcAttempts[]>
  /** Test inputs in all. */
  testInputs: number
  /** Test inputs without any prediction: they count as not solved. */
  unanswered: number
  /** Predictions that are no padding but belong to no test input. */
  strangers: number
}

interface Vote {
  votes: number
  /** Of sigmoid(q_halt) over the votes. */
  confidence: number
}

/**
 * Collects predictions, in any number of batches, and scores them. An instance holds the votes of one evaluation.
 * Source: the published evaluator, in one process.
 */
export class ArcScorer {
  #names: readonly string[]
  #tasks: readonly ArcTask[]
  /** By task, then by test input, then by answer in the order of first sight. */
  #votes = new Map<string, Map<string, Map<string, Vote>>>()
  #strangers = 0

  /** `names`: of each puzzle identifier (`identifiers.json`). `tasks`: those to score (`test_puzzles.json`). Throws when there are none. */
  constructor({ names, tasks }: { names: readonly string[]; tasks: readonly ArcTask[] }) {
    if (tasks.length === 0) throw new Error('arc: expected tasks to score, got none')
    this.#names = names
    this.#tasks = tasks
    for (const { name, pairs } of tasks) this.#votes.set(name, new Map(pairs.filter(({ part }) => part === 'test').map(({ input }) => [keyOf(input), new Map()])))
  }

  /** Counts the votes of a batch. Throws when sizes disagree, an identifier is unknown or a logit is not a number. */
  add({ inputs, predictions, puzzleIdentifiers, qHaltLogits }: ArcPredictions): void {
    const count = puzzleIdentifiers.length
    for (const [what, { length }, expected] of [['inputs', inputs, count * arcSeqLen], ['predictions', predictions, count * arcSeqLen], ['qHaltLogits', qHaltLogits, count]] as const) {
      if (length !== expected) throw new Error(`arc: expected ${expected} ${what} for ${count} rows, got ${length}`)
    }
    for (let row = 0; row < count; row++) {
      const identifier = puzzleIdentifiers[row]
      const name = this.#names[identifier]
      if (name === undefined) throw new Error(`arc: row ${row}: expected a puzzle identifier of 0 … ${this.#names.length - 1}, got ${identifier} — are these the predictions of another dataset?`)
      if (name === '<blank>') continue
      const logit = qHaltLogits[row]
      if (Number.isNaN(logit)) throw new Error(`arc: row ${row}: expected a number as halting logit, got NaN — is the checkpoint damaged?`)
      const { task, augmentation } = parseArcName(name)
      const original = (tokens: ArrayLike<number>) => keyOf(undoArcAugmentation(cropArcGrid(tokens, row * arcSeqLen), augmentation))
      const votes = this.#votes.get(task)?.get(original(inputs))
      if (!votes) {
        this.#strangers++
        continue
      }
      const answer = original(predictions)
      const vote = votes.get(answer) ?? { votes: 0, confidence: 0 }
      vote.votes++
      vote.confidence += 1 / (1 + Math.exp(-logit))
      votes.set(answer, vote)
    }
  }

  /** The score of all that was added so far. */
  finish(): ArcScore {
    const solved = arcPasses.map(() => 0)
    const submission: [string, ArcAttempts[]][] = []
    let [testInputs, unanswered] = [0, 0]
    for (const { name, pairs } of this.#tasks) {
      const asked = pairs.filter(({ part }) => part === 'test')
      const answers = asked.map(({ input }) => ranked(this.#votes.get(name)!.get(keyOf(input))!))
      const ranks = asked.map(({ output }, i) => answers[i].indexOf(keyOf(output)))
      for (const [i, pass] of arcPasses.entries()) solved[i] += ranks.filter(rank => rank >= 0 && rank < pass).length / asked.length
      submission.push([name, answers.map(([first, second = first]) => ({ attempt_1: rowsOf(first), attempt_2: rowsOf(second) }))])
      testInputs += asked.length
      unanswered += answers.filter(({ length }) => length === 0).length
    }
    return {
      metrics: Object.fromEntries(arcPasses.map((pass, i) => [`ARC/pass@${pass}`, solved[i] / this.#tasks.length])),
      submission: Object.fromEntries(submission),
      testInputs,
      unanswered,
      strangers: this.#strangers,
    }
  }
}

/** Answers by votes, then by mean confidence; what was seen first stays first (the sort is stable). */
function ranked(votes: Map<string, Vote>): string[] {
  const mean = ({ votes, confidence }: Vote) => confidence / votes
  return [...votes].sort(([, a], [, b]) => b.votes - a.votes || mean(b) - mean(a)).map(([answer]) => answer)
}

/** A grid as text: one character each for its sides and its cells. */
function keyOf({ cells, rows, columns }: Grid): string {
  return String.fromCharCode(rows, columns, ...cells)
}

function rowsOf(key: string | undefined): number[][] {
  if (key === undefined) return [[0]]
  return arcGridRows({ rows: key.charCodeAt(0), columns: key.charCodeAt(1), cells: Uint8Array.from(key.slice(2), character => character.charCodeAt(0)) })
}
