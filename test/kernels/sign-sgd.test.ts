// SignSGD over the touched rows of a table: equal ids share one sum, other rows stay, the sign of 0 is 0.
import { test } from 'uvu'
import { SparseSignSgd } from '../../src/engine/index.js'
import { close, printShares, same } from '../close.js'
import { openEngine } from '../engine-under-test.js'
import * as oracle from '../oracle.js'
import { integers, MAGNITUDES, values } from '../shapes.js'

const engine = await openEngine()
test.after(() => {
  engine.close()
  printShares()
})

async function update(
  table: Float32Array<ArrayBuffer>,
  ids: Int32Array<ArrayBuffer>,
  gradients: Float32Array<ArrayBuffer>,
  width: number,
  learningRate: number,
  weightDecay: number,
): Promise<Float32Array> {
  const tensor = engine.from(table, [table.length / width, width])
  const optimizer = new SparseSignSgd(engine, tensor, weightDecay)
  optimizer.prepare({ learningRate })
  optimizer.step(engine.from(ids), engine.from(gradients, [ids.length, width]))
  return engine.read(tensor)
}

test('touched rows', async () => {
  for (const [slots, rows, width] of [
    [1, 1, 1],
    [5, 3, 7],
    [65, 200, 33],
    [97, 5, 31],
    [6, 1000, 64],
  ]) {
    for (const magnitude of MAGNITUDES) {
      const [table, ids, gradients] = [
        values(1, rows * width),
        integers(2, slots, rows),
        values(3, slots * width, magnitude),
      ]
      const ours = await update(table, ids, gradients, width, 0.01, 0.5)
      close('sign_sgd', ours, oracle.signSgd(table, ids, gradients, { width, learningRate: 0.01, weightDecay: 0.5 }), {
        scale: 1,
      })
      const touched = new Set(ids)
      same(
        'sign_sgd, untouched',
        ours.filter((_, i) => !touched.has(Math.floor(i / width))),
        table.filter((_, i) => !touched.has(Math.floor(i / width))),
      )
    }
  }
})

test('equal ids are summed before the sign, and the row moves once', async () => {
  const table = new Float32Array([1, 1, 1, 2, 2, 2])
  // Row 0: sums 3 − 1 − 1 = 1, −2, and exactly 0; row 1 is not touched.
  const gradients = new Float32Array([3, -1, 0.5, -1, -0.5, 0.5, -1, -0.5, -1])
  close('sign_sgd', await update(table, new Int32Array([0, 0, 0]), gradients, 3, 0.25, 0), [0.75, 1.25, 1, 2, 2, 2], {
    scale: 2,
  })
})

test('a sum of 0 decays only', async () => {
  close(
    'sign_sgd',
    await update(new Float32Array([4, -4]), new Int32Array([0]), new Float32Array(2), 2, 0.5, 0.5),
    [3, -3],
    { scale: 4 },
  )
})

test.run()
