// What a puzzle is to the page, and what each kind of puzzle has to say about itself.

export interface Token {
  id: number
  /** On the keyboard, and in the text form. */
  key: string
  name: string
  /** On the button that writes it. */
  label: string
}

export interface Puzzle {
  kind: Kind
  tokens: number[]
  /** The right answer, where the text contained it. */
  expected?: number[]
}

/** How a cell with some token is drawn: its text, its class in the style sheet, its name in words. */
export interface Look {
  text: string
  look: string
  name: string
}

/** Rows and columns. */
export interface Extent {
  rows: number
  columns: number
}

export interface Kind {
  readonly name: 'sudoku' | 'maze' | 'arc'
  /** A verdict on an answer that breaks no rule. */
  praise(puzzle: Puzzle): { verdict: string; text: string }
  title(cells: number): string
  /** Whether a model of this many cells and tokens answers such puzzles. */
  fits(cells: number, vocabulary: number): boolean
  /** Number of token ids of a model for this many cells. */
  vocabulary(cells: number): number
  side(cells: number): number
  /** The part of the square that is shown. */
  extent(puzzle: Puzzle, answer: ArrayLike<number>): Extent
  /** Rows and columns of the boxes that thicker lines part; undefined where there are none. */
  boxes(cells: number): Extent | undefined
  /** What can be put into a cell. */
  tokens(cells: number): readonly Token[]
  look(id: number): Look
  /** Whether the puzzle tells this cell. */
  isGiven(puzzle: Puzzle, cell: number): boolean
  text(tokens: readonly number[]): string
  /** An empty puzzle. */
  blank(cells: number): number[]
  /** What is wrong with an answer, in words. */
  violations(puzzle: Puzzle, answer: ArrayLike<number>): string[]
  /** What is wrong with the puzzle itself, in words, while it is being written. */
  contradictions(puzzle: Puzzle): string[]
  /** How many rules an answer breaks; undefined where nobody knows. */
  conflicts(puzzle: Puzzle, answer: ArrayLike<number>): number | undefined
  /** Cells that take part in a violation. */
  wrongCells(puzzle: Puzzle, answer: ArrayLike<number>): number[]
}

/** What the rules of a puzzle with one right answer say about an answer that breaks none. */
export const SOLVED = { verdict: 'solved', text: 'The answer obeys every rule and keeps the givens.' }

/** Text in rows of `side` characters. */
export const inRows = (text: string, side: number): string => text.match(new RegExp(`.{${side}}`, 'gs'))!.join('\n')
