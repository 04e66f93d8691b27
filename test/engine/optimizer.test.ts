// The learning rate's schedule: warm-up, cosine, and its ends.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { learningRate } from '../../src/engine/optimizer.js'

const near = (ours: number, truth: number) =>
  assert.ok(Math.abs(ours - truth) <= 1e-12 * Math.abs(truth), `${ours}, expected ${truth}`)

test('linear warm-up, then constant', () => {
  const options = { base: 1e-4, warmup: 2000, total: 100000 }
  for (const [step, rate] of [
    [1, 5e-8],
    [500, 2.5e-5],
    [1999, 0.9995e-4],
    [2000, 1e-4],
    [50000, 1e-4],
    [200000, 1e-4],
  ])
    near(learningRate(step, options), rate)
})

test('a cosine to its least', () => {
  const options = { base: 2, warmup: 10, total: 110, minRatio: 0.1 }
  for (const [step, rate] of [
    [5, 1],
    [10, 2],
    [60, 1.1],
    [110, 0.2],
  ])
    near(learningRate(step, options), rate)
  near(learningRate(35, options), 2 * (0.1 + 0.45 * (1 + Math.SQRT1_2)))
})

test('no warm-up, no room for a cosine', () => {
  near(learningRate(1, { base: 3, warmup: 0, total: 10 }), 3)
  near(learningRate(1, { base: 3, warmup: 1, total: 1, minRatio: 0.5 }), 3)
  for (let step = 1; step < 20; step++)
    assert.ok(Number.isFinite(learningRate(step, { base: 3, warmup: 5, total: 5, minRatio: 0 })))
})

test.run()
