// New Sudokus with exactly one solution each, in two splits that share no solution grid.
import type { Dataset } from '../dataset.js'
import { PuzzlePairs, puzzleDataset } from '../pairs.js'
import { Random } from '../random.js'
import { layoutOf, type SudokuSize } from './rules.js'
import { search } from './solver.js'
import { sudokuKind } from './table.js'

export interface GenerateSudokuOptions {
  size: SudokuSize
  train: number
  test: number
  /**
   * Exact number of givens. Without it, givens are removed until none can go (about 4–6, 8–12 and 22–28 by size).
   * Below about 4, 8 and 22 hardly any puzzle is found in reasonable time, and the call throws.
   */
  clues?: number
  seed?: number
}

/**
 * New puzzles with exactly one solution, all distinct, in two splits that share no solution grid. In 4×4, which has
 * only 288 grids, 15 % of the grids are kept for the test split and many puzzles share a grid; otherwise each puzzle
 * has its own. Throws when the sizes ask for more distinct puzzles, or fewer clues, than can be found.
 */
export function generateSudoku({ size, train, test, clues, seed = 0 }: GenerateSudokuOptions): {
  train: Dataset
  test: Dataset
} {
  const { cells } = layoutOf(size)
  checkCount('train', train, 1)
  checkCount('test', test, 1)
  if (clues !== undefined && !(Number.isInteger(clues) && clues >= fewestClues[size] && clues < cells)) {
    throw new Error(
      `sudoku: expected ${fewestClues[size]} … ${cells - 1} clues for size ${size}, got ${clues} — fewer never give one solution`,
    )
  }
  const random = new Random(seed)
  const blank = new Uint8Array(cells)
  // Draws solution grids for one split that are not in the other.
  let gridsOf: (split: 'train' | 'test') => Uint8Array
  if (size === 4) {
    const all: Uint8Array[] = []
    search(blank, 4, { each: grid => all.push(grid.slice()) })
    random.shuffle(all)
    const held = Math.round(all.length * 0.15)
    const pools = { test: all.slice(0, held), train: all.slice(held) }
    gridsOf = split => pools[split][random.below(pools[split].length)]
  } else {
    const seen = new Set<string>()
    gridsOf = () => {
      while (true) {
        const grid = blank.slice()
        search(grid, size, { random, each: found => void grid.set(found), limit: 1 })
        const key = grid.join('')
        if (seen.has(key)) continue
        seen.add(key)
        return grid
      }
    }
  }

  const questions = new Set<string>()
  const draw = (split: 'train' | 'test', count: number) => {
    const pairs = new PuzzlePairs(cells)
    const patience = 2000
    let misses = 0
    while (pairs.length < count) {
      const answer = gridsOf(split)
      const question = removeGivens(answer, size, random, clues)
      const key = question?.join('')
      if (question && key && !questions.has(key)) {
        questions.add(key)
        pairs.put(
          pairs.length,
          question.map(digit => digit + 1),
          answer.map(digit => digit + 1),
        )
        misses = 0
      } else if (++misses > patience) {
        throw new Error(
          `sudoku: expected ${count} distinct ${split} puzzles of size ${size}${clues === undefined ? '' : ` with ${clues} clues`}, ` +
            `found ${pairs.length} and then none in ${patience} tries — ask for fewer puzzles or more clues`,
        )
      }
    }
    return puzzleDataset({ kind: sudokuKind, pairs, augment: 0, random })
  }
  const testSplit = draw('test', test)
  return { train: draw('train', train), test: testSplit }
}

/** Removes givens (digits) in random order while the solution stays unique; undefined when `clues` was not reached. */
function removeGivens(answer: Uint8Array, size: SudokuSize, random: Random, clues?: number): Uint8Array | undefined {
  const question = answer.slice()
  let left = answer.length
  for (const cell of random.permutation(answer.length)) {
    if (left === clues) break
    const digit = question[cell]
    question[cell] = 0
    // Unique as long as no solution has another digit here.
    if (search(question, size, { limit: 1, except: { cell, digit } }) > 0) question[cell] = digit
    else left--
  }
  return clues === undefined || left === clues ? question : undefined
}

function checkCount(name: string, value: number, least: number): void {
  if (!Number.isSafeInteger(value) || value < least) {
    throw new Error(`sudoku: expected ${name} to be a whole number from ${least}, got ${value}`)
  }
}

/** Fewest givens a puzzle with one solution can have, by size. */
const fewestClues: Record<SudokuSize, number> = { 4: 4, 6: 8, 9: 17 }
