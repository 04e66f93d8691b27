// How hard a Sudoku is: the guesses of a search with the rules and the order of tdoku, as in the published ratings.
import { layoutOf, type SudokuSize } from './rules.js'
import { permutations } from './symmetry.js'

/**
 * The rating of a grid of tokens (blanks are 1) that has exactly one solution: how many guesses a search makes until it
 * finds the solution; 0 where it needs none.
 *
 * Before each guess the search applies these rules until nothing changes: a cell with one candidate takes it; a digit
 * with one place in a row, column or box goes there; a digit that needs the common cells of a box and a line leaves
 * their other cells; n digits that fill the n common cells of a box and a line exclude all others there. The guess is
 * where one digit goes in a band or stack: the search takes the band in which all digits together have the fewest ways,
 * and in it the digit with the fewest ways, at least two. Ways are tried in a fixed order, and the last one is no
 * guess.
 *
 * These are the rules and the order of tdoku (https://github.com/t-dillon/tdoku). The `rating` of the published
 * Sudoku-Extreme data counts the backtracks of tdoku.
 * @param most ends the search early: a larger rating is given as `most + 1`
 * @throws when there is no solution
 */
export function rateSudoku(ids: ArrayLike<number>, size: SudokuSize, most = Infinity): number {
  const search = new RatingSearch(size, most)
  const full = 2 ** size - 1
  const isSolved = search.visit(Uint16Array.from(ids, id => (id > 1 ? 1 << (id - 2) : full)))
  if (!isSolved && search.guesses <= most)
    throw new Error('sudoku: expected a puzzle with a solution to rate, got none')
  return Math.min(search.guesses, most + 1)
}

/** A box and a line that cross: their common cells, and the other cells of each. */
interface Crossing {
  common: Uint8Array
  box: Uint8Array
  line: Uint8Array
}

/** The crossings of a band's boxes with its lines, `band[box][line]`. Stacks are bands of columns. */
type Band = readonly (readonly Crossing[])[]

/** A way to place a digit in a band: for each box, its line. */
type Way = readonly number[]

interface Units {
  /** Rows, columns, boxes. */
  units: readonly Uint8Array[]
  /** Bands of rows, then of columns, and the ways to place a digit in each. */
  bands: readonly { band: Band; ways: readonly Way[] }[]
  crossings: readonly Crossing[]
}

const unitsBySize = new Map<SudokuSize, Units>()

function unitsOf(size: SudokuSize): Units {
  const known = unitsBySize.get(size)
  if (known) return known
  const { cells, boxes } = layoutOf(size)
  const all = Uint8Array.from({ length: cells }, (_, cell) => cell)
  const numbers = Array.from({ length: size }, (_, i) => i)
  const rows = numbers.map(row => all.filter(cell => ((cell / size) | 0) === row))
  const columns = numbers.map(column => all.filter(cell => cell % size === column))
  const squares = numbers.map(box => all.filter(cell => boxes[cell] === box))
  const bandsOf = (lines: readonly Uint8Array[]) => {
    const bands = new Map<string, Crossing[][]>()
    for (const box of squares) {
      const crossing = lines.filter(line => line.some(cell => box.includes(cell)))
      const key = crossing.map(([first]) => first).join()
      const band = bands.get(key) ?? []
      bands.set(key, band)
      band.push(crossing.map(line => cross(box, line)))
    }
    return [...bands.values()]
  }
  const bands = [...bandsOf(rows), ...bandsOf(columns)].map(band => ({ band, ways: permutations(band.length) }))
  const crossings = bands.flatMap(({ band }) => band.flat())
  const units = { units: [...rows, ...columns, ...squares], bands, crossings }
  unitsBySize.set(size, units)
  return units
}

function cross(box: Uint8Array, line: Uint8Array): Crossing {
  const common = box.filter(cell => line.includes(cell))
  const without = (unit: Uint8Array) => unit.filter(cell => !common.includes(cell))
  return { common, box: without(box), line: without(line) }
}

interface Choice {
  band: Band
  bit: number
  ways: readonly Way[]
}

class RatingSearch {
  guesses = 0
  #full: number
  #units: Units
  #most: number

  constructor(size: SudokuSize, most: number) {
    this.#full = 2 ** size - 1
    this.#units = unitsOf(size)
    this.#most = most
  }

  /** Searches a grid of candidates (bits), which it changes. @returns whether it found a solution */
  visit(candidates: Uint16Array): boolean {
    if (!this.#reason(candidates)) return false
    const choice = this.#choose(candidates)
    if (!choice) return true
    const { band, bit, ways } = choice
    for (const [i, way] of ways.entries()) {
      if (i < ways.length - 1 && ++this.guesses > this.#most) return false
      const copy = candidates.slice()
      for (const [box, own] of way.entries())
        for (const [line, { common }] of band[box].entries())
          if (line !== own) for (const cell of common) copy[cell] &= ~bit
      if (this.visit(copy)) return true
      if (this.guesses > this.#most) return false
    }
    return false
  }

  /** Applies the rules until nothing changes. @returns whether there is no contradiction */
  #reason(candidates: Uint16Array): boolean {
    for (let changed = true; changed;) {
      changed = false
      for (const unit of this.#units.units) {
        const result = this.#singles(candidates, unit)
        if (result < 0) return false
        if (result > 0) changed = true
      }
      for (const crossing of this.#units.crossings) if (this.#lock(candidates, crossing)) changed = true
    }
    return true
  }

  /**
   * The rules for cells with one candidate, and candidates with one place.
   * @returns 1 for a change, −1 for a contradiction, else 0
   */
  #singles(candidates: Uint16Array, unit: Uint8Array): number {
    let [some, several, fixed, twice] = [0, 0, 0, 0]
    for (const cell of unit) {
      const mask = candidates[cell]
      several |= some & mask
      some |= mask
      if ((mask & (mask - 1)) !== 0) continue
      twice |= fixed & mask
      fixed |= mask
    }
    if (some !== this.#full || twice !== 0) return -1
    const alone = some & ~several
    let changed = 0
    for (const cell of unit) {
      const mask = candidates[cell]
      if ((mask & (mask - 1)) === 0) {
        if (mask === 0) return -1
        continue
      }
      const hidden = mask & alone
      const next = hidden !== 0 ? hidden : mask & ~fixed
      if (next === 0 || (hidden & (hidden - 1)) !== 0) return -1
      if (next === mask) continue
      candidates[cell] = next
      changed = 1
    }
    return changed
  }

  /** The rules for a box and a line that cross. @returns whether candidates changed */
  #lock(candidates: Uint16Array, { common, box, line }: Crossing): boolean {
    const here = union(candidates, common)
    const inBox = union(candidates, box)
    const inLine = union(candidates, line)
    const needed = here & ~(inBox & inLine)
    let [leaveLine, leaveBox, leaveHere] = [here & ~inBox & inLine, here & ~inLine & inBox, 0]
    if (bitCount(here) === common.length) {
      leaveLine |= here & inLine
      leaveBox |= here & inBox
    }
    if (bitCount(needed) === common.length) leaveHere = here & ~needed
    if (leaveLine) for (const cell of line) candidates[cell] &= ~leaveLine
    if (leaveBox) for (const cell of box) candidates[cell] &= ~leaveBox
    if (leaveHere) for (const cell of common) candidates[cell] &= ~leaveHere
    return (leaveLine | leaveBox | leaveHere) !== 0
  }

  /** The next guess; undefined when every digit has one way in every band. */
  #choose(candidates: Uint16Array): Choice | undefined {
    let [fewest, chosen]: [number, { place: number; bit: number } | undefined] = [Infinity, undefined]
    for (const [place, { band, ways }] of this.#units.bands.entries()) {
      const lines = linesOf(candidates, band)
      let [total, best, bestCount] = [0, 0, Infinity]
      for (let bit = 1; bit < this.#full; bit <<= 1) {
        let count = 0
        for (const way of ways) if (isOpen(lines, way, bit)) count++
        total += count
        if (count < 2 || count >= bestCount) continue
        bestCount = count
        best = bit
      }
      if (!best || total >= fewest) continue
      fewest = total
      chosen = { place, bit: best }
    }
    if (!chosen) return undefined
    const { bit } = chosen
    const { band, ways } = this.#units.bands[chosen.place]
    const lines = linesOf(candidates, band)
    return { band, bit, ways: ways.filter(way => isOpen(lines, way, bit)) }
  }
}

/** The candidates of a band's crossings, `lines[box][line]`. */
function linesOf(candidates: Uint16Array, band: Band): number[][] {
  return band.map(lines => lines.map(({ common }) => union(candidates, common)))
}

function isOpen(lines: readonly (readonly number[])[], way: Way, bit: number): boolean {
  for (let box = 0; box < way.length; box++) if (!(lines[box][way[box]] & bit)) return false
  return true
}

function union(candidates: Uint16Array, cells: Uint8Array): number {
  let mask = 0
  for (const cell of cells) mask |= candidates[cell]
  return mask
}

function bitCount(mask: number): number {
  let count = 0
  for (let rest = mask; rest; rest &= rest - 1) count++
  return count
}
