// The eight symmetries: the ids of the published code, inverses, and oblong grids.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { DIHEDRAL_COUNT, DIHEDRAL_INVERSE, dihedralMap, dihedralTransform } from '../../src/data/dihedral.js'
import { Random } from '../../src/data/random.js'

test('ids mean what NumPy does: rot90, fliplr, flipud, transpose, fliplr of rot90', () => {
  const grid = { cells: Uint8Array.of(0, 1, 2, 3, 4, 5), rows: 2, columns: 3 }
  const expected = [
    [0, 1, 2, 3, 4, 5],
    [2, 5, 1, 4, 0, 3],
    [5, 4, 3, 2, 1, 0],
    [3, 0, 4, 1, 5, 2],
    [2, 1, 0, 5, 4, 3],
    [3, 4, 5, 0, 1, 2],
    [0, 3, 1, 4, 2, 5],
    [5, 2, 4, 1, 3, 0],
  ]
  for (let id = 0; id < DIHEDRAL_COUNT; id++) {
    const turned = [1, 3, 6, 7].includes(id)
    assert.equal(dihedralTransform(grid, id), {
      cells: Uint8Array.from(expected[id]),
      rows: turned ? 3 : 2,
      columns: turned ? 2 : 3,
    })
  }
})

test('the inverse restores any grid; all eight differ; two in a row are one of the eight', () => {
  const random = new Random(4)
  for (const [rows, columns] of [
    [1, 1],
    [1, 7],
    [5, 3],
    [30, 30],
  ]) {
    const grid = { cells: Uint8Array.from({ length: rows * columns }, () => random.below(256)), rows, columns }
    for (let id = 0; id < DIHEDRAL_COUNT; id++)
      assert.equal(dihedralTransform(dihedralTransform(grid, id), DIHEDRAL_INVERSE[id]), grid)
  }
  const square = { cells: Uint8Array.from({ length: 16 }, (_, i) => i), rows: 4, columns: 4 }
  const all = Array.from({ length: DIHEDRAL_COUNT }, (_, id) => dihedralTransform(square, id).cells.join())
  assert.is(new Set(all).size, DIHEDRAL_COUNT)
  for (let a = 0; a < DIHEDRAL_COUNT; a++) {
    for (let b = 0; b < DIHEDRAL_COUNT; b++)
      assert.ok(all.includes(dihedralTransform(dihedralTransform(square, a), b).cells.join()))
  }
})

test('wrong ids and sizes are refused', () => {
  for (const id of [-1, 8, 0.5])
    assert.throws(() => dihedralMap(2, 2, id), /dihedral: expected a transform id of 0 … 7/)
  assert.throws(() => dihedralTransform({ cells: [1, 2, 3], rows: 2, columns: 2 }, 0), /expected 2 × 2 cells, got 3/)
})

test.run()
