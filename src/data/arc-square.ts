// The square of 30 × 30 tokens that holds an ARC grid: encoding and cropping.
import { IDENTITY, sourceOf, SWAPS_SIDES, type ArcAugmentation } from './arc-augment.js'
import { ARC_SIDE } from './arc-tasks.js'
import type { Grid } from './dihedral.js'

/** Cells of the square. */
export const ARC_CELLS = ARC_SIDE * ARC_SIDE

/** PAD 0, EOS 1, and the ten colours at 2 … 11. */
export const ARC_VOCABULARY = 12

const [EOS, FIRST_COLOUR] = [1, 2]

/**
 * The 900 tokens of a grid at a place in the square: colours + 2, EOS below the last row and right of the last column,
 * PAD elsewhere.
 */
export function encodeArcGrid(grid: Grid, row = 0, column = 0): Uint8Array {
  if (row + grid.rows > ARC_SIDE || column + grid.columns > ARC_SIDE) {
    throw new Error(
      `arc: expected a grid within ${ARC_SIDE} × ${ARC_SIDE}, ` +
        `got ${grid.rows} × ${grid.columns} at row ${row} column ${column}`,
    )
  }
  const tokens = new Uint8Array(ARC_CELLS)
  placeArcGrid(grid, IDENTITY, row, column, tokens)
  return tokens
}

/**
 * The largest rectangle of colours at the top left of the 900 tokens from `start` on, as colours 0 … 9. Of several the
 * one with the fewest rows counts. It is 0 × 0 when the first token is no colour. Source: `_crop` of the published
 * evaluator.
 */
export function cropArcGrid(tokens: ArrayLike<number>, start = 0): Grid {
  let [rows, columns] = [0, 0]
  for (let row = 0, width = ARC_SIDE; row < ARC_SIDE && width > 0; row++) {
    for (let column = 0; column < width; column++) {
      const token = tokens[start + row * ARC_SIDE + column]
      if (!(token >= FIRST_COLOUR && token < ARC_VOCABULARY)) width = column
    }
    if ((row + 1) * width > rows * columns) [rows, columns] = [row + 1, width]
  }
  const cells = new Uint8Array(rows * columns)
  for (let i = 0; i < cells.length; i++)
    cells[i] = tokens[start + Math.floor(i / columns) * ARC_SIDE + (i % columns)] - FIRST_COLOUR
  return { cells, rows, columns }
}

/** Writes the augmented grid and its EOS lines into 900 tokens of PAD. */
export function placeArcGrid(
  grid: Grid,
  { transform, colours }: ArcAugmentation,
  row: number,
  column: number,
  tokens: Uint8Array,
): void {
  const [rows, columns] = SWAPS_SIDES[transform] ? [grid.columns, grid.rows] : [grid.rows, grid.columns]
  const source = sourceOf(grid, transform)
  for (let y = 0, i = 0; y < rows; y++) {
    const start = (row + y) * ARC_SIDE + column
    for (let x = 0; x < columns; x++, i++) tokens[start + x] = colours[grid.cells[source[i]]] + FIRST_COLOUR
    if (column + columns < ARC_SIDE) tokens[start + columns] = EOS
  }
  if (row + rows < ARC_SIDE)
    tokens.fill(EOS, (row + rows) * ARC_SIDE + column, (row + rows) * ARC_SIDE + column + columns)
}
