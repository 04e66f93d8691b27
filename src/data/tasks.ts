// The kinds of puzzles that can be typed, shown and checked against their rules; a further kind is a further entry.
import { decodeMaze, encodeMaze, mazeCharacters, mazeViolations, mazeVocabSize } from './maze.js'
import { decodeSudoku, describeSudokuViolation, encodeSudoku, sudokuSizeOf, sudokuViolations, sudokuVocabSize } from './sudoku.js'

export interface Task {
  name: string
  /** Whether a model of this many cells and tokens can be one for this task. */
  fits(cells: number, vocabulary: number): boolean
  /** What a puzzle looks like as text. */
  form: string
  /** Text to tokens. Throws when the text is no such puzzle. */
  encode(text: string): Uint8Array
  /** Tokens to text, '?' for what is no token of the task. */
  decode(ids: ArrayLike<number>): string
  /** What is wrong with an answer, in words; [] when it obeys the rules and keeps the question. */
  violations(question: ArrayLike<number>, answer: ArrayLike<number>): string[]
  /** The rules are not known: `violations` finds nothing. */
  isUnchecked?: true
  /** Columns of the grid, the side of a square one. */
  side(cells: number): number
}

export const tasks: readonly Task[] = [
  {
    name: 'sudoku',
    fits: (cells, vocabulary) => [16, 36, 81].includes(cells) && vocabulary === sudokuVocabSize(sudokuSizeOf(cells)),
    form: "digits row by row, '.' or '0' for a blank",
    encode: encodeSudoku,
    decode: decodeSudoku,
    violations(question, answer) {
      const size = sudokuSizeOf(question.length)
      const blanks = Array.from(answer).filter(id => id === 1).length
      const broken = sudokuViolations(answer, size, question).map(violation => describeSudokuViolation(violation, size))
      return blanks ? [...broken, `${blanks} cells are blank`] : broken
    },
    side: sudokuSizeOf,
  },
  {
    name: 'maze',
    fits: (cells, vocabulary) => Number.isInteger(Math.sqrt(cells)) && vocabulary === mazeVocabSize,
    form: `characters "${mazeCharacters}" row by row: wall, floor, start, goal, path`,
    encode: encodeMaze,
    decode: decodeMaze,
    violations: mazeViolations,
    side: cells => Math.sqrt(cells),
  },
]

/** The task that a model of this many cells and tokens is for; undefined when none of the known ones fits. */
export function taskOf(cells: number, vocabulary: number): Task | undefined {
  return tasks.find(task => task.fits(cells, vocabulary))
}
