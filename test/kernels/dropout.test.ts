// Dropout by a counter: its mask against the hash in integers, its share, and the same mask in the derivative.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { dropout } from '../../src/engine/index.js'
import { close, printShares } from '../close.js'
import { checkGradients } from '../differences.js'
import { openEngine } from '../engine-under-test.js'
import * as oracle from '../oracle.js'
import { values } from '../shapes.js'

const engine = await openEngine()
test.after(() => {
  engine.close()
  printShares()
})

const clockOf = (seed: number, counter: number) => engine.from(Uint32Array.of(seed, counter))

test('the mask is that of the formula', async () => {
  for (const count of [1, 65, 1009]) {
    for (const [seed, counter, stream] of [
      [0, 0, 0],
      [7, 3, 2],
      [2 ** 32 - 1, 2 ** 31, 5],
    ]) {
      for (const rate of [0, 0.25, 0.9]) {
        const x = values(1, count)
        const y = dropout(engine.from(x), { rate, clock: clockOf(seed, counter), stream })
        const truth = oracle.dropout(x, { rate, seed, counter, stream })
        close('dropout', await engine.read(y), truth, { scale: 1 / (1 - rate) })
      }
    }
  }
})

test('the share that becomes 0 is the rate, and counters, seeds and streams choose others', async () => {
  const x = engine.from(new Float32Array(20000).fill(1))
  const masks = await Promise.all(
    [
      [1, 1, 0],
      [1, 2, 0],
      [2, 1, 0],
      [1, 1, 1],
    ].map(([seed, counter, stream]) => engine.read(dropout(x, { rate: 0.3, clock: clockOf(seed, counter), stream }))),
  )
  for (const [i, mask] of masks.entries()) {
    // Within five standard deviations of 20,000 draws.
    assert.ok(Math.abs(mask.filter(value => value === 0).length / mask.length - 0.3) < 0.0165)
    for (const other of masks.slice(0, i)) {
      const both = mask.filter((value, j) => value === 0 && other[j] === 0).length
      assert.ok(Math.abs(both / mask.length - 0.09) < 0.0102)
    }
  }
})

test('gradients', async () => {
  const clock = clockOf(5, 9)
  for (const count of [1, 7, 65]) {
    await checkGradients(engine, 'dropout', {
      inputs: [{ data: values(2, count), shape: [count] }],
      ours: x => dropout(x, { rate: 0.4, clock, stream: 1 }),
      truth: x => oracle.dropout(x, { rate: 0.4, seed: 5, counter: 9, stream: 1 }),
      depth: 1,
    })
  }
})

test('other rates and clocks are refused', () => {
  const [x, clock] = [engine.zeros([3]), clockOf(0, 0)]
  for (const rate of [1, -0.1, NaN])
    assert.throws(
      () => dropout(x, { rate, clock }),
      new RegExp(`^dropout: rate is ${rate}, expected at least 0 and below 1`),
    )
  assert.throws(
    () => dropout(x, { rate: 0.1, clock: engine.zeros([2]) }),
    /^dropout: clock is f32 of shape \[2\], expected u32 of shape \[2\]: seed and counter/,
  )
})

test.run()
