// Sums over the rows of a matrix, scaled and added up.
import { test } from 'uvu'
import { columnSums } from '../../src/kernels/column-sums.js'
import { close, printShares } from '../close.js'
import { openEngine } from '../engine-under-test.js'
import * as oracle from '../oracle.js'
import { MAGNITUDES, RECTANGLES, values } from '../shapes.js'

const engine = await openEngine()
test.after(() => {
  engine.close()
  printShares()
})

test('sums', async () => {
  for (const [rows, width] of [...RECTANGLES, [1009, 3]]) {
    for (const magnitude of MAGNITUDES) {
      const x = values(1, rows * width, magnitude)
      const before = values(2, width, magnitude)
      const tensors = { x: engine.from(x), y: engine.from(before) }
      const scale = oracle.columnSums(x.map(Math.abs), width).map(sum => 2 * sum + magnitude)
      engine.dispatch(columnSums, tensors, { rows, width, factor: 2, accumulate: true })
      close(
        'column_sums, +=',
        await engine.read(tensors.y),
        oracle.columnSums(x, width).map((sum, i) => 2 * sum + before[i]),
        { scale, depth: rows },
      )
      engine.dispatch(columnSums, tensors, { rows, width, accumulate: false })
      close('column_sums', await engine.read(tensors.y), oracle.columnSums(x, width), { scale, depth: rows })
    }
  }
})

test.run()
