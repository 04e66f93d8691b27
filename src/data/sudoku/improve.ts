// Sudokus with few clues or a wished rating: a local search over the puzzles of one solution.
import type { Random } from '../random.js'
import { rateSudoku } from './rating.js'
import type { SudokuSize } from './rules.js'
import { search } from './solver.js'

/** What a puzzle is to be like; ratings as `rateSudoku` gives them. */
export interface SudokuWish {
  /** Exact number of givens. Without it no given can be left out. */
  clues?: number
  minRating?: number
  maxRating?: number
}

/** Steps of a search before it gives up, for each cell. */
const STEPS_PER_CELL = 12
/** Most givens that a step puts back. */
const MAX_PUT_BACK = 4
/** Other solutions that are kept for each cell. */
const MAX_KEPT = 64

/** Other solutions of puzzles of one answer, which show that a given is needed without a search. */
class OtherSolutions {
  #byCell: Uint8Array[][]

  constructor(cells: number) {
    this.#byCell = Array.from({ length: cells }, () => [])
  }

  /** Whether a puzzle (digits) with a blank at `cell` is known to have another solution. */
  has(question: Uint8Array, cell: number): boolean {
    return this.#byCell[cell].some(other => question.every((digit, i) => digit === 0 || digit === other[i]))
  }

  /** Adds a solution that differs from the answer at `cell`. */
  add(cell: number, other: Uint8Array): void {
    const own = this.#byCell[cell]
    own.unshift(other.slice())
    if (own.length > MAX_KEPT) own.pop()
  }
}

/**
 * Removes givens (digits, 0 is blank) in random order while the solution stays unique, until `clues` are left or none
 * can go. Changes the question. @returns the number of givens left
 */
export function removeGivens(
  question: Uint8Array,
  size: SudokuSize,
  random: Random,
  clues = 0,
  others?: OtherSolutions,
): number {
  let left = question.reduce((count, digit) => count + (digit > 0 ? 1 : 0), 0)
  for (const cell of random.permutation(question.length)) {
    if (left === clues) break
    const digit = question[cell]
    if (digit === 0) continue
    question[cell] = 0
    // Unique as long as no solution has another digit here.
    const each = (other: Uint8Array) => others?.add(cell, other)
    if (others?.has(question, cell) || search(question, size, { limit: 1, except: { cell, digit }, each }) > 0)
      question[cell] = digit
    else left--
  }
  return left
}

/**
 * A puzzle (digits) of a solution that fits a wish; undefined when the search finds none. Each step puts some givens
 * back and removes others; it counts unless the puzzle fits less well.
 */
export function improveSudoku(
  answer: Uint8Array,
  size: SudokuSize,
  random: Random,
  wish: SudokuWish,
): Uint8Array | undefined {
  const others = new OtherSolutions(answer.length)
  let question = answer.slice()
  let misfit = misfitOf(question, removeGivens(question, size, random, wish.clues, others), size, wish)
  for (let step = 0; misfit > 0 && step < STEPS_PER_CELL * answer.length; step++) {
    const next = question.slice()
    putBack(next, answer, 1 + random.below(MAX_PUT_BACK), random)
    const nextMisfit = misfitOf(next, removeGivens(next, size, random, wish.clues, others), size, wish)
    if (nextMisfit > misfit) continue
    question = next
    misfit = nextMisfit
  }
  return misfit === 0 ? question : undefined
}

/** How far a puzzle is from a wish: first by clues, then by rating; 0 where it fits. */
function misfitOf(
  question: Uint8Array,
  left: number,
  size: SudokuSize,
  { clues = left, minRating = 0, maxRating = Infinity }: SudokuWish,
): number {
  // More than any rating, so that clues come first.
  if (left > clues) return (left - clues) * 2 ** 32
  if (minRating === 0 && maxRating === Infinity) return 0
  const ids = question.map(digit => digit + 1)
  const rating = rateSudoku(ids, size)
  return Math.max(0, minRating - rating, rating - maxRating)
}

/** Puts some of the missing givens back. */
function putBack(question: Uint8Array, answer: Uint8Array, count: number, random: Random): void {
  const missing = random.permutation(question.length).filter(cell => question[cell] === 0)
  for (const cell of missing.subarray(0, count)) question[cell] = answer[cell]
}
