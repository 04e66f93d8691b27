// The solution grids that each split of generated Sudokus may have.
import type { Split } from '../dataset.js'
import type { Random } from '../random.js'
import { layoutOf, type SudokuSize } from './rules.js'
import { search } from './solver.js'
import { sudokuClass } from './symmetry.js'

/** Draws a solution (digits) for a split. */
export interface SolutionSource {
  draw(split: Split): Uint8Array
}

/** Share of the 288 grids of 4×4 that only the test split has. */
const TEST_SHARE = 0.15
/** Most classes of solutions in a test split that is apart. */
const MAX_TEST_CLASSES: Record<SudokuSize, number> = { 4: 1, 6: 8, 9: Infinity }

/** @param apart whether the splits share no solution up to symmetry either */
export function solutionSource(size: SudokuSize, random: Random, apart: boolean): SolutionSource {
  return size === 4 && !apart ? new PooledSolutions(random) : new DrawnSolutions(size, random, apart)
}

/** The 288 grids of 4×4 in two pools; each grid may be drawn many times. */
class PooledSolutions implements SolutionSource {
  #random: Random
  #pools: Record<Split, Uint8Array[]>

  constructor(random: Random) {
    const all: Uint8Array[] = []
    search(new Uint8Array(16), 4, { each: grid => all.push(grid.slice()) })
    random.shuffle(all)
    const held = Math.round(all.length * TEST_SHARE)
    this.#random = random
    this.#pools = { test: all.slice(0, held), train: all.slice(held) }
  }

  draw(split: Split): Uint8Array {
    const pool = this.#pools[split]
    return pool[this.#random.below(pool.length)]
  }
}

/** Random grids, each once; only the few grids of 4×4 may come again. */
class DrawnSolutions implements SolutionSource {
  #size: SudokuSize
  #random: Random
  #seen = new Set<string>()
  /** The split of each class, where the splits are apart: the one that draws it first. */
  #owners: Map<string, Split> | undefined
  #testClasses = 0

  constructor(size: SudokuSize, random: Random, apart: boolean) {
    this.#size = size
    this.#random = random
    if (apart) this.#owners = new Map()
  }

  draw(split: Split): Uint8Array {
    for (;;) {
      const grid = new Uint8Array(layoutOf(this.#size).cells)
      search(grid, this.#size, { random: this.#random, each: found => void grid.set(found), limit: 1 })
      const key = grid.join('')
      if (this.#size > 4 && this.#seen.has(key)) continue
      if (this.#owners && !this.#ownsClass(this.#owners, split, grid)) continue
      this.#seen.add(key)
      return grid
    }
  }

  /** Whether the class of a grid belongs to a split; a new class is given to it where it may have more. */
  #ownsClass(owners: Map<string, Split>, split: Split, grid: Uint8Array): boolean {
    const key = sudokuClass(grid, this.#size)
    if (!owners.has(key) && (split === 'train' || this.#testClasses < MAX_TEST_CLASSES[this.#size])) {
      owners.set(key, split)
      if (split === 'test') this.#testClasses++
    }
    return owners.get(key) === split
  }
}
