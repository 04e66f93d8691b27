// The exact Sudoku solver: all solutions of a grid, up to a limit.
import type { Random } from '../random.js'
import { layoutOf, sudokuViolations, type SudokuSize } from './rules.js'

/**
 * The solutions of a grid of tokens (blanks are 1), at most `limit` of them, in the order of the search. [] when there
 * is none, or the grid already breaks a rule. The search is exact.
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

/** How many solutions a puzzle has; 'unknown' where the search ended too early to tell. */
export type SudokuVerdict = 'one' | 'none' | 'several' | 'unknown'

/**
 * How many solutions a grid of tokens has, and the first one.
 * @param effort most cells that the search fills, some million in a second
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
  /** Called with each solution; the array is used again. */
  each?: (digits: Uint8Array) => void
  limit?: number
  /** Try digits in random order. */
  random?: Random
  /** Solutions must not have this digit in this (blank) cell. */
  except?: { cell: number; digit: number }
  /** Most cells that are filled. */
  effort?: number
  /** Also look for digits with one place in a row, column or box: more work for each cell, far fewer cells. */
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
export function search(start: Uint8Array, size: SudokuSize, options: SearchOptions): number | undefined {
  return new Search(start, size, options).run()
}

/** A depth-first search: it fills the open cell with the fewest candidates, then goes on with the others. */
class Search {
  #size: number
  #boxes: Uint8Array
  /** All digits as bits. */
  #full: number
  #digits: Uint8Array
  /** The digits of each row, column and box as bits. */
  #rows: Uint16Array
  #columns: Uint16Array
  #boxed: Uint16Array
  /** The open cells; those before the current depth are filled. */
  #open: Uint8Array
  #openCount = 0
  #options: SearchOptions
  #limit: number
  #effort: number
  #found = 0
  #tried = 0
  /** Digits that some open cell of a unit can hold, and those that several can: rows, columns, boxes. */
  #some: Uint16Array
  #several: Uint16Array

  constructor(start: Uint8Array, size: SudokuSize, options: SearchOptions) {
    const { cells, boxes } = layoutOf(size)
    this.#size = size
    this.#boxes = boxes
    this.#full = 2 ** size - 1
    this.#digits = start.slice()
    this.#rows = new Uint16Array(size)
    this.#columns = new Uint16Array(size)
    this.#boxed = new Uint16Array(size)
    this.#some = new Uint16Array(3 * size)
    this.#several = new Uint16Array(3 * size)
    this.#open = new Uint8Array(cells)
    this.#options = options
    this.#limit = options.limit ?? Infinity
    this.#effort = options.effort ?? Infinity
    for (let cell = 0; cell < cells; cell++) {
      if (start[cell] === 0) this.#open[this.#openCount++] = cell
      else this.#flip(cell, 1 << (start[cell] - 1))
    }
  }

  run(): number | undefined {
    this.#visit(0)
    return this.#tried > this.#effort && this.#found < this.#limit ? undefined : this.#found
  }

  /** Puts a digit into a cell's units, or takes it out. */
  #flip(cell: number, bit: number): void {
    this.#rows[(cell / this.#size) | 0] ^= bit
    this.#columns[cell % this.#size] ^= bit
    this.#boxed[this.#boxes[cell]] ^= bit
  }

  #visit(depth: number): void {
    if (++this.#tried > this.#effort) return
    if (depth === this.#openCount) {
      this.#found++
      this.#options.each?.(this.#digits)
      return
    }
    const { best, count, candidates } = this.#fewest(depth)
    if (count === 0) return
    const only = this.#options.byUnits && count > 1 ? this.#single(depth) : undefined
    if (only && only.place < 0) return
    const place = only ? only.place : best
    const cell = this.#open[place]
    this.#open[place] = this.#open[depth]
    this.#open[depth] = cell
    this.#fill(cell, only ? only.bit : candidates, count, depth)
  }

  /** The open cell with the fewest candidates: its place among the open cells, their number, and they as bits. */
  #fewest(depth: number): { best: number; count: number; candidates: number } {
    const size = this.#size
    const full = this.#full
    const rows = this.#rows
    const columns = this.#columns
    const boxed = this.#boxed
    const boxes = this.#boxes
    const open = this.#open
    const { except } = this.#options
    const fewest = { best: depth, count: size + 1, candidates: 0 }
    for (let i = depth; i < this.#openCount; i++) {
      const cell = open[i]
      let mask = full & ~(rows[(cell / size) | 0] | columns[cell % size] | boxed[boxes[cell]])
      if (except !== undefined && except.cell === cell) mask &= ~(1 << (except.digit - 1))
      let count = 0
      for (let rest = mask; rest; rest &= rest - 1) count++
      if (count >= fewest.count) continue
      fewest.best = i
      fewest.count = count
      fewest.candidates = mask
      if (count <= 1) break
    }
    return fewest
  }

  /**
   * A digit that has one place in a unit: that place among the open cells, and the digit as a bit. Place −1 when a
   * digit has no place at all, undefined when every digit has several.
   */
  #single(depth: number): { place: number; bit: number } | undefined {
    const size = this.#size
    const some = this.#some.fill(0)
    const several = this.#several.fill(0)
    for (let i = depth; i < this.#openCount; i++) {
      const cell = this.#open[i]
      const mask = this.#candidates(cell)
      for (const unit of [(cell / size) | 0, size + (cell % size), 2 * size + this.#boxes[cell]]) {
        several[unit] |= some[unit] & mask
        some[unit] |= mask
      }
    }
    for (let i = 0; i < size; i++) {
      const row = this.#rows[i] | some[i]
      const column = this.#columns[i] | some[size + i]
      const box = this.#boxed[i] | some[2 * size + i]
      if ((row & column & box) !== this.#full) return { place: -1, bit: 0 }
    }
    const alone = (unit: number) => some[unit] & ~several[unit]
    for (let i = depth; i < this.#openCount; i++) {
      const cell = this.#open[i]
      const units = alone((cell / size) | 0) | alone(size + (cell % size)) | alone(2 * size + this.#boxes[cell])
      const bit = this.#candidates(cell) & units
      if (bit) return { place: i, bit: bit & -bit }
    }
    return undefined
  }

  /** The digits that a cell's units allow, as bits. */
  #candidates(cell: number): number {
    const row = this.#rows[(cell / this.#size) | 0]
    return this.#full & ~(row | this.#columns[cell % this.#size] | this.#boxed[this.#boxes[cell]])
  }

  /** Tries candidates of the cell at `depth`, in random order where asked; `count` is the number that it has in all. */
  #fill(cell: number, candidates: number, count: number, depth: number): void {
    const { random } = this.#options
    while (candidates && this.#found < this.#limit && this.#tried <= this.#effort) {
      let bit = candidates & -candidates
      for (let skip = random && count > 1 ? random.below(count) : 0; skip > 0; skip--) {
        const rest = candidates & ~(bit | (bit - 1))
        if (rest) bit = rest & -rest
      }
      candidates &= ~bit
      this.#digits[cell] = 32 - Math.clz32(bit)
      this.#flip(cell, bit)
      this.#visit(depth + 1)
      this.#flip(cell, bit)
    }
    this.#digits[cell] = 0
  }
}
