// The exact Sudoku solver: all solutions of a grid, up to a limit.
import type { Random } from '../random.js'
import { layoutOf, sudokuViolations, type SudokuSize } from './rules.js'

/**
 * The solutions of a grid of tokens (blanks are 1), at most `limit` of them, in the order of the search. [] when there
 * is none or the grid already breaks a rule. Exact: depth first, always the cell with the fewest candidates.
 */
export function solveSudoku(ids: ArrayLike<number>, size: SudokuSize, limit = 2): Uint8Array[] {
  if (sudokuViolations(ids, size).length > 0) return []
  const solutions: Uint8Array[] = []
  search(
    Uint8Array.from(ids, id => id - 1),
    size,
    { limit, each: grid => void solutions.push(grid.map(digit => digit + 1)) },
  )
  return solutions
}

/** How many solutions a puzzle has; 'unknown' where the search was ended before it knew. */
export type SudokuVerdict = 'one' | 'none' | 'several' | 'unknown'

/**
 * Whether a grid of tokens has exactly one solution, and that or the first of several.
 * @param effort places that are tried at most, a few million in a second
 */
export function judgeSudoku(
  ids: ArrayLike<number>,
  size: SudokuSize,
  effort = 5_000_000,
): { verdict: SudokuVerdict; solution?: Uint8Array } {
  if (sudokuViolations(ids, size).length > 0) return { verdict: 'none' }
  let solution: Uint8Array | undefined
  const each = (grid: Uint8Array) => void (solution ??= grid.map(digit => digit + 1))
  const found = search(
    Uint8Array.from(ids, id => id - 1),
    size,
    { limit: 2, effort, byUnits: true, each },
  )
  return { verdict: found === undefined ? 'unknown' : (['none', 'one', 'several'] as const)[found], solution }
}

interface SearchOptions {
  /** Called with each solution, in an array that is used again. */
  each?: (digits: Uint8Array) => void
  limit?: number
  /** Try digits in random order. */
  random?: Random
  /** Solutions must not have this digit in this (blank) cell. */
  except?: { cell: number; digit: number }
  /** Places that are tried at most. */
  effort?: number
  /** Look for digits with one place in a row, column or box too: more work at each place, far fewer of them. */
  byUnits?: boolean
}

/**
 * Counts the solutions of a grid of digits without contradictions (0 is blank), up to `limit`; undefined when `effort`
 * was too little.
 */
export function search(
  start: Uint8Array,
  size: SudokuSize,
  options: SearchOptions & { effort: number },
): number | undefined
export function search(start: Uint8Array, size: SudokuSize, options: SearchOptions): number
export function search(
  start: Uint8Array,
  size: SudokuSize,
  { each, limit = Infinity, random, except, effort = Infinity, byUnits = false }: SearchOptions,
): number | undefined {
  const { cells, boxes } = layoutOf(size)
  const full = 2 ** size - 1
  const digits = start.slice()
  const rows = new Uint16Array(size)
  const columns = new Uint16Array(size)
  const boxed = new Uint16Array(size)
  const open = new Uint8Array(cells)
  let depthTotal = 0
  for (let cell = 0; cell < cells; cell++) {
    if (digits[cell] === 0) open[depthTotal++] = cell
    else flip(cell, 1 << (digits[cell] - 1))
  }
  let [found, tried] = [0, 0]
  // Digits that some open cell of a unit can hold, and those that several can: rows, columns, boxes.
  const [some, several] = [new Uint16Array(3 * size), new Uint16Array(3 * size)]

  function flip(cell: number, bit: number): void {
    rows[(cell / size) | 0] ^= bit
    columns[cell % size] ^= bit
    boxed[boxes[cell]] ^= bit
  }

  /** A digit that has one place in a unit, and that place among the open cells; place −1 when a digit has none. */
  function single(depth: number): { place: number; bit: number } | undefined {
    some.fill(0)
    several.fill(0)
    for (let i = depth; i < depthTotal; i++) {
      const cell = open[i]
      const [row, column, box] = [(cell / size) | 0, cell % size, boxes[cell]]
      const mask = full & ~(rows[row] | columns[column] | boxed[box])
      for (const unit of [row, size + column, 2 * size + box]) {
        several[unit] |= some[unit] & mask
        some[unit] |= mask
      }
    }
    for (let i = 0; i < size; i++) {
      if (
        (rows[i] | some[i]) !== full ||
        (columns[i] | some[size + i]) !== full ||
        (boxed[i] | some[2 * size + i]) !== full
      ) {
        return { place: -1, bit: 0 }
      }
    }
    for (let i = depth; i < depthTotal; i++) {
      const cell = open[i]
      const [row, column, box] = [(cell / size) | 0, cell % size, boxes[cell]]
      const mask = full & ~(rows[row] | columns[column] | boxed[box])
      const alone = (unit: number) => some[unit] & ~several[unit]
      const bit = mask & (alone(row) | alone(size + column) | alone(2 * size + box))
      if (bit) return { place: i, bit: bit & -bit }
    }
    return undefined
  }

  function visit(depth: number): void {
    if (++tried > effort) return
    if (depth === depthTotal) {
      found++
      each?.(digits)
      return
    }
    // The open cell with the fewest candidates moves to place `depth`.
    let best = depth
    let bestCount = size + 1
    let candidates = 0
    for (let i = depth; i < depthTotal; i++) {
      const cell = open[i]
      let mask = full & ~(rows[(cell / size) | 0] | columns[cell % size] | boxed[boxes[cell]])
      if (except !== undefined && except.cell === cell) mask &= ~(1 << (except.digit - 1))
      let count = 0
      for (let rest = mask; rest; rest &= rest - 1) count++
      if (count < bestCount) {
        best = i
        bestCount = count
        candidates = mask
        if (count <= 1) break
      }
    }
    if (bestCount === 0) return
    const only = byUnits && bestCount > 1 ? single(depth) : undefined
    if (only) {
      if (only.place < 0) return
      best = only.place
      candidates = only.bit
    }
    const cell = open[best]
    open[best] = open[depth]
    open[depth] = cell
    while (candidates && found < limit && tried <= effort) {
      let bit = candidates & -candidates
      for (let skip = random && bestCount > 1 ? random.below(bestCount) : 0; skip > 0; skip--) {
        const rest = candidates & ~(bit | (bit - 1))
        if (rest) bit = rest & -rest
      }
      candidates &= ~bit
      digits[cell] = 32 - Math.clz32(bit)
      flip(cell, bit)
      visit(depth + 1)
      flip(cell, bit)
    }
    digits[cell] = 0
  }

  visit(0)
  return tried > effort && found < limit ? undefined : found
}
