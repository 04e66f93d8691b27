// The kinds of puzzles that can be typed, pasted, shown and checked against their rules. A new kind is a new entry.
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
  /** Whether a model with this many cells and tokens can be for this task. */
  fits(cells: number, vocabulary: number): boolean
  /** The form of a puzzle as text, in words. */
  form: string
  /** Text to tokens. @throws when the text is no such puzzle */
  encode(text: string): Uint8Array
  /**
   * The puzzles of a typed or pasted text, at least one, each of `cells` cells where that is given.
   * @throws one line when there is none
   */
  parse(text: string, cells?: number): FoundPuzzle[]
  /** The contradiction in a puzzle, in words; '' when there is none. */
  contradiction(question: ArrayLike<number>): string
  /** Why a puzzle has no answer or several, in words; '' when it has one, or that takes too long to find out. */
  doubt(question: ArrayLike<number>): string
  /** Tokens to text, '?' for a token that the task does not have. */
  decode(ids: ArrayLike<number>): string
  /** The errors of an answer, in words; [] when it obeys the rules and keeps the question. */
  violations(question: ArrayLike<number>, answer: ArrayLike<number>): string[]
  /** The rules are not known, so `violations` finds nothing. */
  isUnchecked?: true
  /** Number of columns of the grid; the side of a square one. */
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

/** The task of a model with this many cells and tokens; undefined when none of the known ones fits. */
export function taskOf(cells: number, vocabulary: number): Task | undefined {
  return tasks.find(task => task.fits(cells, vocabulary))
}
