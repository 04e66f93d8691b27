// Sums and means of rows and of everything, and their derivatives.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { mean, sum } from '../../src/engine/index.js'
import { close, printShares, same } from '../close.js'
import { checkGradients } from '../differences.js'
import { openEngine } from '../engine-under-test.js'
import * as oracle from '../oracle.js'
import { MAGNITUDES, RECTANGLES, values } from '../shapes.js'

const engine = await openEngine()
test.after(() => {
  engine.close()
  printShares()
})

test('rows and everything', async () => {
  for (const [rows, width] of [...RECTANGLES, [37, 1024]]) {
    for (const magnitude of MAGNITUDES) {
      const data = values(1, rows * width, magnitude)
      const x = engine.from(data, [rows, width])
      const [byRow, total] = [oracle.rowSums(data, width), oracle.rowSums(data, data.length)]
      const law = { scale: magnitude * width, depth: width }
      const perRow = sum(x, { axis: -1 })
      assert.equal(perRow.shape, [rows])
      close('sum of rows', await engine.read(perRow), byRow, law)
      const means = byRow.map(value => value / width)
      close('mean of rows', await engine.read(mean(x, { axis: -1 })), means, { ...law, scale: magnitude })
      const all = sum(x)
      assert.equal(all.shape, [])
      close('sum', await engine.read(all), total, { scale: magnitude * rows * width, depth: 64 })
      close('mean', await engine.read(mean(x)), [total[0] / data.length], { scale: magnitude, depth: 64 })
      engine.release(x)
    }
  }
})

test('whole numbers are summed up exactly, the same bits each time', async () => {
  const x = engine.from(Float32Array.from({ length: 5000 }, (_, i) => i % 7))
  const first = await engine.read(sum(x))
  same('sum', first, [14995])
  same('sum, twice', await engine.read(sum(x)), first)
})

test('gradients', async () => {
  for (const [rows, width] of [...RECTANGLES.slice(0, 6), [3, 700]]) {
    const inputs = [{ data: values(2, rows * width), shape: [rows, width] }]
    const cases = [
      { name: 'sum of rows', axis: -1, over: width, f: sum, divisor: 1 },
      { name: 'mean of rows', axis: -1, over: width, f: mean, divisor: width },
      { name: 'sum', over: rows * width, f: sum, divisor: 1 },
      { name: 'mean', over: rows * width, f: mean, divisor: rows * width },
    ] as const
    for (const { name, over, f, divisor, ...options } of cases)
      await checkGradients(engine, name, {
        inputs,
        ours: x => f(x, options),
        truth: x => oracle.rowSums(x, over).map(value => value / divisor),
        depth: 4,
      })
  }
})

test.run()
