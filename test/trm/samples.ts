// Small models and random puzzles for the tests of the model. No test is here.
import type { Puzzles } from '../../src/trm/slots.js'
import { DEFAULTS, type TrmConfig } from '../../src/trm/config.js'
import { integers } from '../shapes.js'

/** Attention with rotary positions, early halting and exploration; two layers. */
export const ATTENTION: TrmConfig = {
  ...DEFAULTS,
  vocabulary: 5,
  cells: 9,
  puzzles: 4,
  hidden: 16,
  heads: 2,
  expansion: 1,
  cycles: 2,
  latentSteps: 2,
  supervisionSteps: 4,
  exploration: 0.5,
  puzzleWidth: 16,
  prefix: 2,
}

export const TOKEN_MIXING: TrmConfig = { ...ATTENTION, layers: 1, tokenMixing: true, positions: 'none' }

export const LEARNED: TrmConfig = { ...ATTENTION, layers: 1, positions: 'learned', puzzleWidth: 24, prefix: 0 }

export const BARE: TrmConfig = { ...ATTENTION, layers: 1, puzzleWidth: 0, prefix: 0 }

/** The published networks for Sudoku, with one row in the puzzle table. */
export const OFFICIAL: Record<'TRM-MLP' | 'TRM-Att', TrmConfig> = {
  'TRM-MLP': { ...DEFAULTS, vocabulary: 11, cells: 81, puzzles: 1, tokenMixing: true, positions: 'none' },
  'TRM-Att': { ...DEFAULTS, vocabulary: 11, cells: 81, puzzles: 1 },
}

/** Random puzzles. A fifth of the cells, and the last puzzle, are not scored. */
export function puzzles(seed: number, count: number, { cells, vocabulary, puzzles: identifiers }: TrmConfig): Puzzles {
  const unscored = integers(seed + 2, count * cells, 5)
  return {
    inputs: integers(seed, count * cells, vocabulary),
    labels: integers(seed + 1, count * cells, vocabulary).map((label, i) =>
      unscored[i] === 0 || (count > 2 && i >= (count - 1) * cells) ? -100 : label,
    ),
    puzzleIds: integers(seed + 3, count, identifiers),
  }
}

/** ‖a − b‖ / ‖b‖. */
export function distance(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let [difference, norm] = [0, 0]
  for (let i = 0; i < b.length; i++) {
    difference += (a[i] - b[i]) ** 2
    norm += b[i] ** 2
  }
  return Math.sqrt(difference / norm)
}
