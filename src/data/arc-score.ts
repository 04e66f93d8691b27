// The score of ARC: predictions of all augmentations vote on each test input, for pass@K and the two attempts of a
// submission.
import { parseArcName, undoArcAugmentation } from './arc-augment.js'
import { ARC_CELLS, cropArcGrid } from './arc-square.js'
import { arcGridRows, orderedJson, type ArcTask } from './arc-tasks.js'
import type { Grid } from './dihedral.js'

/** The numbers K of pass@K: the right answer must be among the K best. */
export const ARC_PASSES: readonly number[] = [1, 2, 5, 10, 100, 1000]

/** N rows of the test split with the predictions of the model. */
export interface ArcPredictions {
  /** (N × 900) tokens. */
  inputs: ArrayLike<number>
  /** (N × 900) tokens, the most likely one of each cell. */
  predictions: ArrayLike<number>
  /** (N); rows whose identifier is `<blank>` are padding. */
  puzzleIds: ArrayLike<number>
  /** (N); their sigmoid breaks ties of votes. */
  qHaltLogits: ArrayLike<number>
  /** The number of the first row in errors: 0 unless rows came before. */
  firstRow?: number
}

/** One answer to a test input, in Kaggle's form. */
export interface ArcAttempts {
  attempt_1: number[][]
  attempt_2: number[][]
}

export interface ArcScore {
  /**
   * `ARC/pass@K`: the share of test inputs whose output is among the K best answers, averaged over tasks. Test inputs
   * without a known output do not count. NaN when no output is known.
   */
  metrics: Record<string, number>
  /**
   * The two best answers to each test input of each task. The best one stands twice when there is no second, and [[0]]
   * when there is none.
   */
  submission: Record<string, ArcAttempts[]>
  /** The tasks of the submission in the order of their file. An object does not keep it for names like "42918530". */
  names: string[]
  /** All test inputs. */
  testInputs: number
  /** Test inputs without any prediction: they count as not solved. */
  unanswered: number
  /** Test inputs whose output is not known. */
  unsolved: number
  /** Rows of the test split: one for each test input of each augmentation of a task. */
  rows: number
  /** Rows without a prediction, and predictions for a row that already had one: both change the votes. */
  missing: number
  repeated: number
  /** Predictions that are no padding and belong to no test input. */
  strangers: number
}

interface Vote {
  votes: number
  /** The sum of sigmoid(q_halt) over the votes. */
  confidence: number
}

/**
 * Collects predictions, in any number of batches, and scores them. An instance holds the votes of one evaluation.
 * Source: the published evaluator, in one process.
 */
export class ArcScorer {
  #names: readonly string[]
  #tasks: readonly ArcTask[]
  /** Votes by task, test input and answer, answers in the order in which they came. */
  #votes = new Map<string, Map<string, Map<string, Vote>>>()
  #strangers = 0
  /** Predictions by puzzle identifier. */
  #seen: Uint32Array

  /**
   * @param options names of the puzzle identifiers, in their order (`identifiers.json`), and the tasks to score
   * (`test_puzzles.json`)
   * @throws when there are no tasks
   */
  constructor({ names, tasks }: { names: readonly string[]; tasks: readonly ArcTask[] }) {
    if (tasks.length === 0) throw new Error('arc: expected tasks to score, got none')
    this.#names = names
    this.#tasks = tasks
    this.#seen = new Uint32Array(names.length)
    for (const { name, pairs } of tasks)
      this.#votes.set(
        name,
        new Map(pairs.filter(({ part }) => part === 'test').map(({ input }) => [keyOf(input), new Map()])),
      )
  }

  /**
   * Counts the votes of a batch.
   * @throws when sizes disagree, an identifier is unknown, or a logit is not a number
   */
  add({ inputs, predictions, puzzleIds, qHaltLogits, firstRow = 0 }: ArcPredictions): void {
    const count = puzzleIds.length
    for (const [what, { length }, expected] of [
      ['inputs', inputs, count * ARC_CELLS],
      ['predictions', predictions, count * ARC_CELLS],
      ['qHaltLogits', qHaltLogits, count],
    ] as const) {
      if (length !== expected) throw new Error(`arc: expected ${expected} ${what} for ${count} rows, got ${length}`)
    }
    for (let row = 0; row < count; row++) {
      const identifier = puzzleIds[row]
      const name = this.#names[identifier]
      if (name === undefined)
        throw new Error(
          `arc: row ${firstRow + row}: expected a puzzle identifier of 0 … ${this.#names.length - 1}, ` +
            `got ${identifier} — are these the predictions of another dataset?`,
        )
      if (name === '<blank>') continue
      const logit = qHaltLogits[row]
      if (Number.isNaN(logit))
        throw new Error(
          `arc: row ${firstRow + row}: expected a number as halting logit, got NaN — is the checkpoint damaged?`,
        )
      const { task, augmentation } = parseArcName(name)
      const original = (tokens: ArrayLike<number>) =>
        keyOf(undoArcAugmentation(cropArcGrid(tokens, row * ARC_CELLS), augmentation))
      const votes = this.#votes.get(task)?.get(original(inputs))
      if (!votes) {
        this.#strangers++
        continue
      }
      this.#seen[identifier]++
      const answer = original(predictions)
      const vote = votes.get(answer) ?? { votes: 0, confidence: 0 }
      vote.votes++
      vote.confidence += 1 / (1 + Math.exp(-logit))
      votes.set(answer, vote)
    }
  }

  /** The score of all predictions so far. */
  finish(): ArcScore {
    const solved = ARC_PASSES.map(() => 0)
    const submission: [string, ArcAttempts[]][] = []
    let [testInputs, unanswered, unsolved, scoredTasks] = [0, 0, 0, 0]
    for (const { name, pairs } of this.#tasks) {
      const asked = pairs.filter(({ part }) => part === 'test')
      const answers = asked.map(({ input }) => ranked(this.#votes.get(name)!.get(keyOf(input))!))
      submission.push([
        name,
        answers.map(([first, second = first]) => ({ attempt_1: rowsOf(first), attempt_2: rowsOf(second) })),
      ])
      testInputs += asked.length
      unanswered += answers.filter(({ length }) => length === 0).length
      const ranks = asked.flatMap(({ output, placeholder }, i) =>
        placeholder ? [] : [answers[i].indexOf(keyOf(output))],
      )
      unsolved += asked.length - ranks.length
      if (ranks.length === 0) continue
      scoredTasks++
      for (const [i, pass] of ARC_PASSES.entries()) {
        solved[i] += ranks.filter(rank => rank >= 0 && rank < pass).length / ranks.length
      }
    }
    return {
      metrics: Object.fromEntries(ARC_PASSES.map((pass, i) => [`ARC/pass@${pass}`, solved[i] / scoredTasks])),
      submission: Object.fromEntries(submission),
      names: submission.map(([name]) => name),
      testInputs,
      unanswered,
      unsolved,
      ...this.#countRows(),
      strangers: this.#strangers,
    }
  }

  #countRows(): Pick<ArcScore, 'rows' | 'missing' | 'repeated'> {
    const counts = this.#tasks.map(
      ({ name, pairs }) => [name, pairs.filter(({ part }) => part === 'test').length] as const,
    )
    const testInputs = new Map(counts)
    let [rows, missing, repeated] = [0, 0, 0]
    for (const [identifier, name] of this.#names.entries()) {
      const expected = name === '<blank>' ? undefined : testInputs.get(parseArcName(name).task)
      if (expected === undefined) continue
      rows += expected
      missing += Math.max(0, expected - this.#seen[identifier])
      repeated += Math.max(0, this.#seen[identifier] - expected)
    }
    return { rows, missing, repeated }
  }
}

/**
 * The text of `submission.json`, with the tasks in the order of their file. Empty grids stay, as the published
 * evaluator writes them. In a file that is to be handed in (some output is unknown) [[0]] replaces them, since Kaggle's
 * grids have cells; `empty` counts these.
 */
export function arcSubmissionJson({ submission, names, unsolved }: ArcScore): { text: string; empty: number } {
  let empty = 0
  const gridOf = (rows: number[][]) => {
    if (rows.length > 0 || unsolved === 0) return rows
    empty++
    return [[0]]
  }
  const filled = (attempts: ArcAttempts): ArcAttempts => ({
    attempt_1: gridOf(attempts.attempt_1),
    attempt_2: gridOf(attempts.attempt_2),
  })
  return { text: orderedJson(names.map(name => [name, submission[name].map(filled)])), empty }
}

/**
 * The answers by votes, then by mean confidence. Ties keep the order in which the answers came (the sort is stable).
 */
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
  return arcGridRows({
    rows: key.charCodeAt(0),
    columns: key.charCodeAt(1),
    cells: Uint8Array.from(key.slice(2), character => character.charCodeAt(0)),
  })
}
