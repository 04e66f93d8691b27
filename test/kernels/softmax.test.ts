// Softmax over the last axis, and its derivative.
import { test } from 'uvu'
import { softmax } from '../../src/engine/index.js'
import { close, printShares } from '../close.js'
import { checkGradients } from '../differences.js'
import { openEngine } from '../engine-under-test.js'
import * as oracle from '../oracle.js'
import { RECTANGLES, values } from '../shapes.js'

const engine = await openEngine()
test.after(() => {
  engine.close()
  printShares()
})

test('values', async () => {
  for (const [rows, width] of RECTANGLES) {
    for (const magnitude of [1e-4, 1, 30]) {
      const x = values(1, rows * width, magnitude)
      const y = await engine.read(softmax(engine.from(x, [rows, width])))
      // `exp` is as exact as its argument is large.
      close('softmax', y, oracle.softmax(x, width), { scale: 1 + 2 * magnitude, depth: width })
    }
  }
})

test('logits far beyond the range of exp pick one', async () => {
  const y = await engine.read(softmax(engine.from(Float32Array.of(1e30, -1e30, 0, -1e4, 1e4, 0), [2, 3])))
  close('softmax, saturated', y, [1, 0, 0, 0, 1, 0], { scale: 0 })
})

test('gradients', async () => {
  for (const [rows, width] of RECTANGLES.slice(0, 6)) {
    const inputs = [{ data: values(2, rows * width, 2), shape: [rows, width] }]
    const truth = (x: Float64Array) => oracle.softmax(x, width)
    await checkGradients(engine, 'softmax', { inputs, ours: softmax, truth, depth: width, c: 16, least: 1 })
  }
})

test.run()
