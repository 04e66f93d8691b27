// Initial values: the deviation that was asked for, the cut, and the seeds.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Random, truncatedNormal } from '../../src/engine/random.js'

/** The deviation of a standard normal cut at ±2, from the density by Simpson's rule. */
function cutDeviation(): number {
  const integrate = (f: (x: number) => number) => {
    const n = 2000
    let sum = 0
    for (let i = 0; i <= n; i++) sum += f(-2 + (4 * i) / n) * (i % n === 0 ? 1 : i % 2 ? 4 : 2)
    return (sum * 4) / n / 3
  }
  return Math.sqrt(integrate(x => x * x * Math.exp((-x * x) / 2)) / integrate(x => Math.exp((-x * x) / 2)))
}

test('mean, deviation and cut', () => {
  const count = 200_000
  const deviation = cutDeviation()
  for (const sigma of [1, 0.044]) {
    const drawn = truncatedNormal(new Random(1), count, sigma)
    const mean = drawn.reduce((sum, x) => sum + x, 0) / count
    const variance = drawn.reduce((sum, x) => sum + (x - mean) ** 2, 0) / count
    assert.ok(Math.abs(mean) < (4 * sigma) / Math.sqrt(count), `mean ${mean}`)
    // Four standard errors; the cut makes tails light, so a normal's bound is ample.
    assert.ok(
      Math.abs(Math.sqrt(variance) / sigma - 1) < 4 / Math.sqrt(2 * count),
      `deviation ${Math.sqrt(variance)} of ${sigma}`,
    )
    const most = drawn.reduce((most, x) => Math.max(most, Math.abs(x)), 0)
    assert.ok(most <= ((2 * sigma) / deviation) * (1 + 1e-6) && most > (1.99 * sigma) / deviation, `largest ${most}`)
    // Shape: the share within one half of the cut, Φ(1) against Φ(2).
    const within = drawn.filter(x => Math.abs(x) < sigma / deviation).length / count
    assert.ok(Math.abs(within - 0.682689 / 0.9545) < 4 * Math.sqrt(0.2 / count), `share ${within}`)
  }
})

test('seeds', () => {
  const draw = (seed: number) => [...truncatedNormal(new Random(seed), 100, 1)]
  assert.equal(draw(5), draw(5))
  assert.not.equal(draw(5), draw(6))
  const random = new Random(5)
  assert.not.equal([...truncatedNormal(random, 100, 1)], [...truncatedNormal(random, 100, 1)])
})

test('no deviation, no values', () => {
  assert.equal([...truncatedNormal(new Random(1), 3, 0)], [0, 0, 0])
  assert.is(truncatedNormal(new Random(1), 0, 1).length, 0)
})

test.run()
