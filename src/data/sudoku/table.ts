// Sudokus of puzzle tables: what a row must be, and datasets from rows.
import type { Dataset } from '../dataset.js'
import { gatherPuzzles, type PuzzleTableOptions } from '../gather.js'
import { type PuzzleKind, puzzleDataset } from '../pairs.js'
import type { PuzzleRow } from '../table.js'
import {
  describeSudokuViolation,
  encodeSudoku,
  layoutOf,
  sudokuSizeOf,
  sudokuViolations,
  sudokuVocabulary,
  type SudokuSize,
} from './rules.js'
import { drawInto } from './shuffle.js'
import { judgeSudoku } from './solver.js'
import { parseSudokus } from './text.js'

export type SudokuTableOptions = Pick<
  PuzzleTableOptions,
  'name' | 'augment' | 'subsample' | 'seed' | 'minRating' | 'skipUnsolved'
>

/**
 * A dataset from the rows of a puzzle table; copies are shuffles (see `drawSudokuShuffle`). All rows have the size of
 * the first one. Puzzles without an answer are solved.
 * @throws `name:line: …` when a row has another length, a wrong character, an answer that changes a given, is not
 * filled or breaks a rule, or no answer and not exactly one solution
 */
export function sudokuFromRows(rows: PuzzleRow[], options: SudokuTableOptions = {}): Dataset {
  return puzzleDataset(gatherPuzzles(rows, sudokuKind, options))
}

/** Sudokus for the readers of puzzle tables. */
export const sudokuKind: PuzzleKind = {
  name: 'sudoku',
  vocabulary: cells => sudokuVocabulary(sudokuSizeOf(cells)),
  cellsOf(question) {
    try {
      return onlySudoku(question).length
    } catch (error) {
      throw new Error(`question: ${(error as Error).message}`)
    }
  },
  encode(row, question, answer) {
    const size = sizeOf(question)
    if (!writeDigits(row.question, question, size)) question.set(encodeCell(row.question, 'question', question.length))
    if (row.answer.trim() === '') return
    if (!writeDigits(row.answer, answer, size)) answer.set(encodeCell(row.answer, 'answer', question.length))
    if (answers(answer, question) && !breaksRule(answer, size)) return
    const blank = answer.indexOf(1)
    if (blank >= 0) throw new Error(`expected an answer without blanks, got one at character ${blank + 1}`)
    const [violation] = sudokuViolations(answer, size, question)
    throw new Error(
      `expected an answer that solves the question, got one that does not: ${describeSudokuViolation(violation, size)}`,
    )
  },
  solve(question, answer) {
    const size = sizeOf(question)
    if (breaksRule(question, size)) {
      return `without a solution, with ${describeSudokuViolation(sudokuViolations(question, size)[0], size)}`
    }
    if (!answer) return ''
    const { verdict, solution } = judgeSudoku(question, size)
    if (verdict !== 'one') {
      return { none: 'without a solution', several: 'with several solutions', unknown: 'that takes too long to solve' }[
        verdict
      ]
    }
    answer.set(solution!)
    return ''
  },
  copies(cells, random) {
    const size = sudokuSizeOf(cells)
    const same = { map: Uint8Array.from({ length: cells }, (_, i) => i) }
    const shuffle = { map: new Uint8Array(cells), tokens: new Uint8Array(size + 2) }
    return copy => (copy === 0 ? same : drawInto(shuffle, size, random))
  },
}

/**
 * The size of a grid that has the cells of one. The result is a whole number, since the loops below are slow with
 * others.
 */
const sizeOf = ({ length }: Uint8Array): SudokuSize => (length === 81 ? 9 : length === 36 ? 6 : 4)

// Tables have millions of rows, so the loops over correct rows make no objects.
const utf8 = new TextEncoder()
const characters = new Uint8Array(81)
/** The tokens of characters, 0 for those that are no digit. */
const TOKENS = Uint8Array.from({ length: 256 }, (_, code) =>
  code === 46 ? 1 : code >= 48 && code <= 57 ? code - 47 : 0,
)
/** Digits as bits: those of each box of a band, and of the columns below it, side by side. */
const boxesSeen = new Int32Array(3)
const columnsSeen = new Int32Array(3)

/** Writes the tokens of plain digits; false when the text is anything else. */
function writeDigits(text: string, into: Uint8Array, size: number): boolean {
  const cells = into.length
  if (text.length !== cells) return false
  const { read, written } = utf8.encodeInto(text, characters)
  if (read !== cells || written !== cells) return false
  for (let i = 0; i < cells; i++) {
    const token = TOKENS[characters[i]]
    if (token === 0 || token > size + 1) return false
    into[i] = token
  }
  return true
}

/** Whether a grid has no blank and the givens of a question. */
function answers(answer: Uint8Array, question: Uint8Array): boolean {
  for (let i = 0; i < answer.length; i++)
    if (answer[i] <= 1 || (question[i] > 1 && question[i] !== answer[i])) {
      return false
    }
  return true
}

/** Whether a row, column or box has a digit twice: `sudokuViolations` says which, and takes far longer. */
function breaksRule(ids: Uint8Array, size: SudokuSize): boolean {
  const { boxRows, boxColumns } = layoutOf(size)
  columnsSeen.fill(0)
  let cell = 0
  for (let row = 0; row < size; row++) {
    if (row % boxRows === 0) boxesSeen.fill(0)
    let inRow = 0
    for (let stack = 0; cell < (row + 1) * size; stack++) {
      // Digits of the cells that a row and a box share, and the same side by side for the columns.
      let inBox = 0
      let apart = 0
      for (let shift = 0; shift < boxColumns * size; shift += size) {
        const bit = (1 << ids[cell++]) >> 2
        if (inBox & bit) return true
        inBox |= bit
        apart |= bit << shift
      }
      if ((inRow | boxesSeen[stack]) & inBox || columnsSeen[stack] & apart) return true
      inRow |= inBox
      boxesSeen[stack] |= inBox
      columnsSeen[stack] |= apart
    }
  }
  return false
}

/** The tokens of a cell that holds more than plain digits, or is wrong. */
function encodeCell(cell: string, what: string, cells: number): Uint8Array {
  const text = cell.trim()
  let found: Uint8Array | undefined
  try {
    found = onlySudoku(text)
  } catch {
    // The error is found below, as in a row of plain digits.
  }
  if (found?.length === cells) return found
  if (text.length !== cells) {
    throw new Error(`expected ${cells} characters in the ${what}, as in the first puzzle, got ${text.length}`)
  }
  try {
    return encodeSudoku(text)
  } catch (error) {
    throw new Error(`${what}: ${(error as Error).message}`)
  }
}

/** A puzzle in any layout, but no more than one. */
function onlySudoku(text: string): Uint8Array {
  const found = parseSudokus(text)
  if (found.length > 1) throw new Error(`sudoku: expected one puzzle, got ${found.length}`)
  return found[0].ids
}
