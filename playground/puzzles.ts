// All kinds of puzzle of the page, and puzzles from text.
import type { FoundPuzzle } from '../src/data/tasks.js'
import { foreign } from '../src/formats/recognise.js'
import { arc, parseArc } from './arc.js'
import { maze, mazeTask } from './maze.js'
import type { Kind, Puzzle } from './puzzle.js'
import { sudoku, sudokuTask } from './sudoku.js'

const KINDS: readonly Kind[] = [sudoku, maze, arc]

/** The kind of puzzle that a model of this many cells and tokens answers. */
export function kindOf(cells: number, vocabulary: number): Kind | undefined {
  return KINDS.find(kind => kind.fits(cells, vocabulary))
}

/** What a model must have to answer a puzzle. */
export interface Needs {
  cells: number
  vocabulary: number
}

export function needsOf({ kind, tokens }: Puzzle): Needs {
  return { cells: tokens.length, vocabulary: kind.vocabulary(tokens.length) }
}

/** Whether what one puzzle or model needs or has is what the other one does. */
export function isSame(a: Needs, b: Needs): boolean {
  return a.cells === b.cells && a.vocabulary === b.vocabulary
}

/**
 * A puzzle from what was typed, pasted or picked: a Sudoku in any layout, maze rows, an ARC grid or task as JSON.
 * @throws one line that says what was expected
 */
export function parsePuzzle(text: string): Puzzle {
  const trimmed = text.trim()
  if (!trimmed) throw new Error('expected a puzzle, got nothing')
  const stranger = foreign(new TextEncoder().encode(trimmed), 'a puzzle', 'JSON')
  if (stranger) throw new Error(stranger)
  // A flat list is a Sudoku, a list of rows is an ARC grid.
  if (/^[[{]/.test(trimmed) && !/^\[\s*["'\d]/.test(trimmed)) return parseArc(trimmed)
  return /[#SG]/.test(text) ? { kind: maze, tokens: onlyOne(mazeTask.parse(text)) } : parseSudoku(text)
}

/** @throws one line when the text is not one Sudoku */
export const parseSudoku = (text: string): Puzzle => ({ kind: sudoku, tokens: onlyOne(sudokuTask.parse(text)) })

function onlyOne(found: readonly FoundPuzzle[]): number[] {
  if (found.length > 1) throw new Error(`expected one puzzle, got ${found.length}`)
  return [...found[0].ids]
}
