// The kinds of puzzles that can be typed, pasted, shown and checked against their rules; a further kind is a further entry.
import {
  decodeMaze,
  encodeMaze,
  MAZE_CHARACTERS,
  mazeTrouble,
  mazeViolations,
  MAZE_VOCABULARY,
  parseMazes,
  shortestMazePath,
} from './maze.js'
import {
  decodeSudoku,
  describeSudokuViolation,
  encodeSudoku,
  judgeSudoku,
  parseSudokus,
  sudokuContradiction,
  sudokuSizeOf,
  sudokuViolations,
  sudokuVocabulary,
} from './sudoku.js'

/** A puzzle that was found in a text. */
export interface FoundPuzzle {
  /** Tokens, (cells). */
  ids: Uint8Array
  /** Line of the text in which it ends, from 1. */
  line: number
}

export interface Task {
  name: string
  /** Whether a model of this many cells and tokens can be one for this task. */
  fits(cells: number, vocabulary: number): boolean
  /** What a puzzle looks like as text. */
  form: string
  /** Text to tokens. Throws when the text is no such puzzle. */
  encode(text: string): Uint8Array
  /** The puzzles of a text as people write and paste it, at least one; `cells` is how many each is to have. Throws one line when there is none. */
  parse(text: string, cells?: number): FoundPuzzle[]
  /** How a puzzle contradicts itself, in words; '' when it does not. */
  contradiction(question: ArrayLike<number>): string
  /** Why no answer, or not only one, can be right, in words; '' when one can, or that takes long to find out. */
  doubt(question: ArrayLike<number>): string
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
    fits: (cells, vocabulary) => [16, 36, 81].includes(cells) && vocabulary === sudokuVocabulary(sudokuSizeOf(cells)),
    form: "digits row by row in any layout, '.', '0', '*', '_', '-', '?' or 'x' for a blank",
    encode: encodeSudoku,
    parse: parseSudokus,
    contradiction: question => sudokuContradiction(question, sudokuSizeOf(question.length)),
    doubt(question) {
      const { verdict } = judgeSudoku(question, sudokuSizeOf(question.length), 30_000)
      return verdict === 'none'
        ? 'has no solution'
        : verdict === 'several'
          ? 'has several solutions, each of which counts as right'
          : ''
    },
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
    fits: (cells, vocabulary) => Number.isInteger(Math.sqrt(cells)) && vocabulary === MAZE_VOCABULARY,
    form: `characters "${MAZE_CHARACTERS}" row by row: wall, floor, start, goal, path`,
    encode: encodeMaze,
    parse: parseMazes,
    contradiction: mazeTrouble,
    doubt: question => (Number.isFinite(shortestMazePath(question)) ? '' : 'has no path from S to G'),
    decode: decodeMaze,
    violations: mazeViolations,
    side: cells => Math.sqrt(cells),
  },
]

/** The task that a model of this many cells and tokens is for; undefined when none of the known ones fits. */
export function taskOf(cells: number, vocabulary: number): Task | undefined {
  return tasks.find(task => task.fits(cells, vocabulary))
}
