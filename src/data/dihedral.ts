// The 8 rotations and reflections of a grid, with the ids of the published code; colours stay as they are.

/** A grid in row-major order with its size. */
export interface Grid<T extends ArrayLike<number> = Uint8Array> {
  cells: T
  rows: number
  columns: number
}

/**
 * Transforms by id: 0 identity, 1–3 rotate by 90°·id counter-clockwise, 4 flip left-right, 5 flip up-down, 6 transpose,
 * 7 rotate once, then flip left-right.
 */
export const DIHEDRAL_COUNT = 8

/** `DIHEDRAL_INVERSE[id]` undoes transform `id`. */
export const DIHEDRAL_INVERSE: readonly number[] = [0, 3, 2, 1, 4, 5, 6, 7]

/**
 * The source of each cell: cell i of the transformed grid is cell `map[i]` of a grid of rows × columns (row-major).
 * Transforms 1, 3, 6 and 7 give a grid of columns × rows. Source of the ids: `dihedral_transform` of the published data
 * builders.
 * @throws when `id` is not 0 … 7
 */
export function dihedralMap(rows: number, columns: number, id: number): Int32Array {
  if (!Number.isInteger(id) || id < 0 || id >= DIHEDRAL_COUNT)
    throw new Error(`dihedral: expected a transform id of 0 … 7, got ${id}`)
  const width = swapsSides(id) ? rows : columns
  // The source of the first cell, and how far the source moves per row and per column of the result.
  const right = columns - 1
  const below = (rows - 1) * columns
  const [first, perRow, perColumn] = [
    [0, columns, 1],
    [right, -1, columns],
    [below + right, -columns, -1],
    [below, 1, -columns],
    [right, columns, -1],
    [below, -columns, 1],
    [0, 1, columns],
    [below + right, -1, -columns],
  ][id]
  const map = new Int32Array(rows * columns)
  for (let i = 0, row = 0, column = 0; i < map.length; i++) {
    map[i] = first + row * perRow + column * perColumn
    if (++column === width) {
      column = 0
      row++
    }
  }
  return map
}

/** The transformed copy of a grid. @throws when `id` is not 0 … 7, or the cells do not fill rows × columns */
export function dihedralTransform({ cells, rows, columns }: Grid<ArrayLike<number>>, id: number): Grid {
  if (cells.length !== rows * columns)
    throw new Error(`dihedral: expected ${rows} × ${columns} cells, got ${cells.length}`)
  const turned = swapsSides(id)
  const map = dihedralMap(rows, columns, id)
  const transformed = new Uint8Array(map.length)
  for (let i = 0; i < map.length; i++) transformed[i] = cells[map[i]]
  return {
    cells: transformed,
    rows: turned ? columns : rows,
    columns: turned ? rows : columns,
  }
}

function swapsSides(id: number): boolean {
  return id === 1 || id === 3 || id === 6 || id === 7
}
