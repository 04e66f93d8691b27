// The symmetries of a Sudoku: random shuffles that keep the rules, and what undoes them.
import type { Random } from '../random.js'
import { layoutOf, type SudokuSize } from './rules.js'

/** A random change of a grid that keeps the rules: positions first, then digits. */
export interface SudokuShuffle {
  /** Cell i of the result is cell `map[i]` of the grid. */
  map: Uint8Array
  /** New token of each token; PAD and blank stay. */
  tokens: Uint8Array
}

/**
 * A random shuffle: digits relabelled; bands, rows within bands, stacks, columns within stacks permuted; transposed
 * with probability ½ where boxes are square (a transposed 2×3 box would be 3×2). Source: `shuffle_sudoku` of the
 * published builder, for any box shape.
 */
export function drawSudokuShuffle(size: SudokuSize, random: Random): SudokuShuffle {
  return drawInto({ map: new Uint8Array(size * size), tokens: new Uint8Array(size + 2) }, size, random)
}

/** Draws into an existing shuffle, since making arrays takes longer than filling them. */
export function drawInto(
  shuffle: { map: Uint8Array; tokens: Uint8Array },
  size: SudokuSize,
  random: Random,
): SudokuShuffle {
  const { boxRows, boxColumns } = layoutOf(size)
  const { map, tokens } = shuffle
  drawOrder(digits, size, random)
  const transpose = boxRows === boxColumns && random.below(2) === 1
  drawLines(rows, size, boxRows, random)
  drawLines(columns, size, boxColumns, random)
  for (let cell = 0, row = 0; row < size; row++) {
    const from = transpose ? rows[row] : rows[row] * size
    for (let column = 0; column < size; column++)
      map[cell++] = from + (transpose ? columns[column] * size : columns[column])
  }
  tokens[0] = 0
  tokens[1] = 1
  for (let digit = 0; digit < size; digit++) tokens[digit + 2] = digits[digit] + 2
  return shuffle
}

const [digits, rows, columns, bands, inBand] = Array.from({ length: 5 }, () => new Int32Array(9))

/** Bands in random order, and the lines of each. */
function drawLines(lines: Int32Array, size: number, thickness: number, random: Random): void {
  drawOrder(bands, (size / thickness) | 0, random)
  for (let i = 0, line = 0; line < size; i++) {
    drawOrder(inBand, thickness, random)
    for (let j = 0; j < thickness; j++) lines[line++] = bands[i] * thickness + inBand[j]
  }
}

/** Puts the numbers below `count` into the order of `Random.permutation`. */
function drawOrder(order: Int32Array, count: number, random: Random): void {
  for (let i = 0; i < count; i++) order[i] = i
  for (let i = count - 1; i > 0; i--) {
    const j = random.below(i + 1)
    const kept = order[i]
    order[i] = order[j]
    order[j] = kept
  }
}

/** The shuffled copy of a grid of tokens. */
export function applySudokuShuffle(ids: ArrayLike<number>, { map, tokens }: SudokuShuffle): Uint8Array {
  const shuffled = new Uint8Array(map.length)
  for (let i = 0; i < map.length; i++) shuffled[i] = tokens[ids[map[i]]]
  return shuffled
}

/** The shuffle that undoes another. */
export function invertSudokuShuffle({ map, tokens }: SudokuShuffle): SudokuShuffle {
  const inverse = { map: new Uint8Array(map.length), tokens: new Uint8Array(tokens.length) }
  map.forEach((from, i) => (inverse.map[from] = i))
  tokens.forEach((to, token) => (inverse.tokens[to] = token))
  return inverse
}
