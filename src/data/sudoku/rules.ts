// Sudoku of 4×4, 6×6 and 9×9 as tokens: sizes, text, and the rules that a grid can break.
import { shown } from '../../formats/shown.js'

/** Side of the grid. Boxes are 2×2 in 4×4, 2 rows × 3 columns in 6×6, 3×3 in 9×9. */
export type SudokuSize = 4 | 6 | 9

/** A rule that a grid breaks; `cells` are row-major positions. */
export interface SudokuViolation {
  /** A unit with a digit twice, a cell that holds no digit of the size, or a given that was changed. */
  unit: 'row' | 'column' | 'box' | 'cell' | 'given'
  /** Number of the row, column or box (from 0, boxes row by row), or the cell itself. */
  index: number
  /** The digit concerned; 0 when there is none. */
  digit: number
  cells: number[]
}

export interface Layout {
  size: SudokuSize
  boxRows: number
  boxColumns: number
  cells: number
  /** Box of each cell. */
  boxes: Uint8Array
}

const LAYOUTS: Record<SudokuSize, Layout> = { 4: layout(4, 2, 2), 6: layout(6, 2, 3), 9: layout(9, 3, 3) }

/** The size whose grid has that many cells. @throws when there is none */
export function sudokuSizeOf(cells: number): SudokuSize {
  const found = Object.values(LAYOUTS).find(one => one.cells === cells)
  if (!found) throw new Error(`sudoku: expected 16, 36 or 81 cells, got ${cells}`)
  return found.size
}

/** Vocabulary of a size: PAD, blank, and the digits. */
export function sudokuVocabulary(size: SudokuSize): number {
  return layoutOf(size).size + 2
}

/**
 * Text to tokens: '.' or '0' is blank; token = digit + 1 (blank 1, PAD 0 does not occur). The length gives the size.
 * @throws when the length is not 16, 36 or 81, or a character is not a digit of the size
 */
export function encodeSudoku(text: string): Uint8Array {
  const size = sudokuSizeOf(text.length)
  return Uint8Array.from(text, (character, i) => {
    const digit = character === '.' ? 0 : character >= '0' && character <= '9' ? Number(character) : -1
    if (digit < 0 || digit > size) {
      throw new Error(`sudoku: expected digits 1 … ${size}, '.' or '0', got ${shown(character)} at character ${i + 1}`)
    }
    return digit + 1
  })
}

/** Tokens to text: '.' for blank, '?' for PAD or anything that is not a token of digits 0 … 9. */
export function decodeSudoku(ids: ArrayLike<number>): string {
  return Array.from(ids, id => (id === 1 ? '.' : id >= 2 && id <= 10 ? String(id - 1) : '?')).join('')
}

/**
 * The rules that a grid of tokens breaks, [] for a grid that can still be right: a digit twice in a row, column or box,
 * a cell with PAD or a digit too large, and, when `question` is given, a given that was changed. Blanks break no rule.
 * @throws when the number of cells does not fit the size
 */
export function sudokuViolations(
  ids: ArrayLike<number>,
  size: SudokuSize,
  question?: ArrayLike<number>,
): SudokuViolation[] {
  const { cells, boxes } = layoutOf(size)
  for (const grid of question ? [ids, question] : [ids]) {
    if (grid.length !== cells) throw new Error(`sudoku: expected ${cells} cells for size ${size}, got ${grid.length}`)
  }
  const violations: SudokuViolation[] = []
  const places = new Map<string, SudokuViolation>()
  for (let cell = 0; cell < cells; cell++) {
    const digit = ids[cell] - 1
    if (question && question[cell] > 1 && question[cell] !== ids[cell]) {
      violations.push({ unit: 'given', index: cell, digit: question[cell] - 1, cells: [cell] })
    }
    if (digit === 0) continue
    if (!(digit >= 1 && digit <= size)) {
      violations.push({ unit: 'cell', index: cell, digit: 0, cells: [cell] })
      continue
    }
    const units = { row: Math.floor(cell / size), column: cell % size, box: boxes[cell] }
    for (const unit of ['row', 'column', 'box'] as const) {
      const key = `${unit} ${units[unit]} ${digit}`
      const place = places.get(key) ?? { unit, index: units[unit], digit, cells: [] }
      place.cells.push(cell)
      places.set(key, place)
      if (place.cells.length === 2) violations.push(place)
    }
  }
  return violations
}

/** A violation in words, rows and columns counted from 1. */
export function describeSudokuViolation({ unit, index, digit, cells }: SudokuViolation, size: SudokuSize): string {
  const place = (cell: number) => `row ${Math.floor(cell / size) + 1} column ${(cell % size) + 1}`
  if (unit === 'given') return `the given ${digit} at ${place(index)} was changed`
  if (unit === 'cell') return `no digit of 1 … ${size} at ${place(index)}`
  return `${cells.length} times ${digit} in ${unit} ${index + 1}`
}

/** The contradiction in a grid, in words, with the places of a digit that stands there twice; '' when there is none. */
export function sudokuContradiction(ids: ArrayLike<number>, size: SudokuSize): string {
  const [violation] = sudokuViolations(ids, size)
  if (!violation) return ''
  const { unit, cells } = violation
  const places = cells.map(cell => `row ${Math.floor(cell / size) + 1} column ${(cell % size) + 1}`)
  return unit === 'cell'
    ? describeSudokuViolation(violation, size)
    : `${describeSudokuViolation(violation, size)}, at ${places.join(' and ')}`
}

/** Whether every cell is filled, no rule is broken and, when `question` is given, its givens stand. */
export function isSudokuSolved(ids: ArrayLike<number>, size: SudokuSize, question?: ArrayLike<number>): boolean {
  return sudokuViolations(ids, size, question).length === 0 && !Array.prototype.includes.call(ids, 1)
}

function layout(size: SudokuSize, boxRows: number, boxColumns: number): Layout {
  const boxes = Uint8Array.from(
    { length: size * size },
    (_, cell) =>
      Math.floor(Math.floor(cell / size) / boxRows) * (size / boxColumns) + Math.floor((cell % size) / boxColumns),
  )
  return { size, boxRows, boxColumns, cells: size * size, boxes }
}

/** Rows, columns and boxes of a size. */
export function layoutOf(size: SudokuSize): Layout {
  const found = LAYOUTS[size]
  if (!found) throw new Error(`sudoku: expected size 4, 6 or 9, got ${size}`)
  return found
}
