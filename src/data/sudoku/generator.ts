// New Sudokus with exactly one solution each, in two splits that share no solution grid.
import type { Dataset, Split } from '../dataset.js'
import { PuzzlePairs, puzzleDataset, rowsToAvoid } from '../pairs.js'
import { Random } from '../random.js'
import { improveSudoku, removeGivens } from './improve.js'
import { layoutOf, type SudokuSize } from './rules.js'
import { type SolutionSource, solutionSource } from './solutions.js'
import { sudokuClass } from './symmetry.js'
import { sudokuKind } from './table.js'

export interface GenerateSudokuOptions {
  size: SudokuSize
  train: number
  test: number
  /**
   * Exact number of givens. Without it, givens are removed until none can go (about 4–6, 8–12 and 22–28 by size).
   * Where removal does not reach it, a local search over the puzzles of a solution goes on. In 9×9 it finds 21 and 20
   * givens; 17 … 19 are hardly ever found, and the call throws.
   */
  clues?: number
  /** Most givens. With it, `clues` is the fewest, and each puzzle draws its number evenly between the two. */
  maxClues?: number
  /** Least and largest rating, see `rateSudoku`; by default all. A local search finds puzzles that removal does not. */
  minRating?: number
  maxRating?: number
  /**
   * The splits share no solution up to symmetry either, see `sudokuClass`. In 4×4 and 6×6, which have 2 and 49 classes,
   * the test split has solutions of 1 and of at most 8 classes.
   */
  apart?: boolean
  /** Splits whose solutions no puzzle has; with `apart`, none is a symmetric form of one of them either. */
  avoid?: readonly Dataset[]
  seed?: number
}

/** Fewest givens that a puzzle with one solution can have, by size. */
const FEWEST_CLUES: Record<SudokuSize, number> = { 4: 4, 6: 8, 9: 17 }
/** Tries, and local searches, that may fail one after the other. */
const MAX_MISSES = 2000
const MAX_FAILED_SEARCHES = 40

/**
 * New puzzles with exactly one solution, all distinct, in two splits that share no solution grid. In 4×4, which has
 * only 288 grids, 15 % of the grids are kept for the test split, and many puzzles share a grid; otherwise each puzzle
 * has its own.
 * @throws when an option is out of range, or no further distinct puzzle of that kind is found
 */
export function generateSudoku(options: GenerateSudokuOptions): { train: Dataset; test: Dataset } {
  checkOptions(options)
  const random = new Random(options.seed ?? 0)
  const generator = new SudokuGenerator(options, random)
  const test = generator.draw('test')
  return { train: generator.draw('train'), test }
}

class SudokuGenerator {
  #options: GenerateSudokuOptions
  #random: Random
  #solutions: SolutionSource
  /** What `#classOf` gives for the solutions that no puzzle may have. */
  #avoided: Set<string>
  #questions = new Set<string>()
  /** Exact number of givens of the next puzzle; it stands until a puzzle with it is found. */
  #clues: number | undefined
  /** Whether puzzles come from the local search: when ratings are asked for, or removal alone no longer finds any. */
  #searches: boolean

  constructor(options: GenerateSudokuOptions, random: Random) {
    const { size, apart = false, avoid = [], minRating, maxRating } = options
    this.#options = options
    this.#avoided = new Set(solutionsOf(avoid, size).map(grid => this.#classOf(grid)))
    this.#random = random
    this.#searches = minRating !== undefined || maxRating !== undefined
    this.#solutions = solutionSource(size, random, apart)
    this.#clues = this.#drawClues()
  }

  draw(split: Split): Dataset {
    const { size, [split]: count } = this.#options
    const pairs = new PuzzlePairs(layoutOf(size).cells)
    let misses = 0
    while (pairs.length < count) {
      const answer = this.#solutions.draw(split)
      const question = this.#avoids(answer) ? undefined : this.#puzzleOf(answer)
      const key = question?.join('')
      if (question && key && !this.#questions.has(key)) {
        this.#questions.add(key)
        pairs.put(
          pairs.length,
          question.map(digit => digit + 1),
          answer.map(digit => digit + 1),
        )
        this.#clues = this.#drawClues()
        misses = 0
      } else if (++misses > (this.#searches ? MAX_FAILED_SEARCHES : MAX_MISSES)) {
        if (this.#searches || this.#options.clues === undefined) this.#giveUp(split, pairs.length)
        this.#searches = true
        misses = 0
      }
    }
    return puzzleDataset({ kind: sudokuKind, pairs, augment: 0, random: this.#random })
  }

  #drawClues(): number | undefined {
    const { clues, maxClues } = this.#options
    return clues === undefined || maxClues === undefined ? clues : clues + this.#random.below(maxClues - clues + 1)
  }

  #avoids(answer: Uint8Array): boolean {
    return this.#avoided.size > 0 && this.#avoided.has(this.#classOf(answer))
  }

  /** The text that solutions which count as the same share. */
  #classOf(digits: Uint8Array): string {
    const { size, apart } = this.#options
    return apart ? sudokuClass(digits, size) : digits.join('')
  }

  #puzzleOf(answer: Uint8Array): Uint8Array | undefined {
    const { size } = this.#options
    const clues = this.#clues
    if (this.#searches) return improveSudoku(answer, size, this.#random, { ...this.#options, clues })
    const question = answer.slice()
    const left = removeGivens(question, size, this.#random, clues)
    return clues === undefined || left === clues ? question : undefined
  }

  #giveUp(split: Split, found: number): never {
    const { size, minRating, maxRating, [split]: count } = this.#options
    const clues = this.#clues
    const wishes = [
      clues === undefined ? [] : `${clues} clues`,
      minRating === undefined ? [] : `a rating from ${minRating}`,
      maxRating === undefined ? [] : `a rating up to ${maxRating}`,
    ].flat()
    const kind = wishes.length > 0 ? ` with ${wishes.join(' and ')}` : ''
    const tries = this.#searches ? `${MAX_FAILED_SEARCHES} searches` : `${MAX_MISSES} tries`
    const other = [
      this.#avoided.size === 0 ? [] : 'fewer solutions to avoid',
      clues === undefined ? [] : 'more clues',
      minRating === undefined && maxRating === undefined ? [] : 'other ratings',
    ].flat()
    throw new Error(
      `sudoku: expected ${count} distinct ${split} puzzles of size ${size}${kind}, found ${found} and then none in ` +
        `${tries} — ask for ${['fewer puzzles', ...(other.length > 0 ? other : ['more clues'])].join(' or ')}`,
    )
  }
}

/** The solutions of splits, in digits. @throws where a split has other puzzles or an answer that is not whole */
function solutionsOf(splits: readonly Dataset[], size: SudokuSize): Uint8Array[] {
  return rowsToAvoid(splits, sudokuKind, layoutOf(size).cells, 'labels').map(labels => {
    const digits = Uint8Array.from(labels, label => label - 1)
    if (digits.every(digit => digit >= 1 && digit <= size)) return digits
    throw new Error('sudoku: expected whole solutions to avoid, got one with blanks — give puzzles with their answers')
  })
}

function checkOptions({ size, train, test, clues, maxClues, minRating, maxRating }: GenerateSudokuOptions): void {
  const { cells } = layoutOf(size)
  checkCount('train', train, 1)
  checkCount('test', test, 1)
  const fewest = FEWEST_CLUES[size]
  if (clues !== undefined && !(Number.isInteger(clues) && clues >= fewest && clues < cells))
    throw new Error(
      `sudoku: expected ${fewest} … ${cells - 1} clues for size ${size}, got ${clues} — ` +
        'fewer never give one solution',
    )
  if (maxClues !== undefined && clues === undefined)
    throw new Error(`sudoku: expected clues, the fewest, beside maxClues ${maxClues} — give both`)
  if (maxClues !== undefined && !(Number.isInteger(maxClues) && maxClues >= clues! && maxClues < cells))
    throw new Error(
      `sudoku: expected ${clues} … ${cells - 1} as the most clues for size ${size}, got ${maxClues} — ` +
        'at least the fewest',
    )
  if (minRating !== undefined) checkCount('minRating', minRating, 0)
  if (maxRating !== undefined) checkCount('maxRating', maxRating, minRating ?? 0)
}

function checkCount(name: string, value: number, least: number): void {
  if (!Number.isSafeInteger(value) || value < least)
    throw new Error(`sudoku: expected ${name} to be a whole number from ${least}, got ${value}`)
}
