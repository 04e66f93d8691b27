// The random generator: reproducible, restorable, and fair enough for shuffles.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Random, type RandomState } from '../../src/data/random.js'

test('the sequence follows the published recurrence', () => {
  // xoshiro128** from state 1, 2, 3, 4: result = rotl(s1 · 5, 7) · 9, worked by hand for the first two.
  const random = Random.restore([1, 2, 3, 4])
  assert.equal([random.uint32(), random.uint32()], [11520, 0])
  assert.is(
    random.state.every(word => Number.isInteger(word) && word >= 0 && word < 2 ** 32),
    true,
  )
})

test('equal seeds give equal numbers, other seeds others', () => {
  const draw = (seed: number) =>
    Array.from(
      { length: 8 },
      (() => {
        const random = new Random(seed)
        return () => random.uint32()
      })(),
    )
  assert.equal(draw(5), draw(5))
  const first = [0, 1, 2, 2 ** 32, 2 ** 32 + 1, 2 ** 53 - 1].map(seed => draw(seed).join())
  assert.is(new Set(first).size, first.length)
})

test('the state restores the generator through JSON', () => {
  const random = new Random(9)
  for (let i = 0; i < 100; i++) random.uniform()
  const again = Random.restore(JSON.parse(JSON.stringify(random.state)))
  for (let i = 0; i < 100; i++) assert.is(again.uint32(), random.uint32())
})

test('uniform lies in [0, 1) with the right mean and variance', () => {
  const random = new Random(1)
  const count = 100_000
  let [sum, squares] = [0, 0]
  for (let i = 0; i < count; i++) {
    const x = random.uniform()
    assert.ok(x >= 0 && x < 1)
    sum += x
    squares += x * x
  }
  const mean = sum / count
  assert.ok(Math.abs(mean - 0.5) < 5 * Math.sqrt(1 / 12 / count))
  assert.ok(Math.abs(squares / count - mean * mean - 1 / 12) < 0.001)
})

test('below and shuffle are fair (chi-square)', () => {
  const random = new Random(2)
  const bins = new Float64Array(7)
  for (let i = 0; i < 70_000; i++) bins[random.below(7)]++
  assert.ok(bins.reduce((sum, n) => sum + (n - 10_000) ** 2 / 10_000, 0) < 25)
  const orders = new Map<string, number>()
  for (let i = 0; i < 24_000; i++) {
    const key = random.permutation(4).join('')
    orders.set(key, (orders.get(key) ?? 0) + 1)
  }
  assert.is(orders.size, 24)
  assert.ok([...orders.values()].reduce((sum, n) => sum + (n - 1000) ** 2 / 1000, 0) < 55)
  // A bound above 2^31 makes rejection common.
  for (let i = 0; i < 100; i++) assert.ok(random.below(3_000_000_000) < 3_000_000_000)
  assert.is(random.below(1), 0)
})

test('wrong seeds, bounds and states are refused', () => {
  for (const seed of [-1, 1.5, NaN, 2 ** 53]) assert.throws(() => new Random(seed), /random: expected a seed/)
  for (const bound of [0, -1, 1.5, 2 ** 33]) assert.throws(() => new Random(0).below(bound), /random: expected a bound/)
  for (const state of [[0, 0, 0, 0], [1, 2, 3], [1, 2, 3, -4], [1, 2, 3, 2 ** 32], null]) {
    assert.throws(() => Random.restore(state as RandomState), /random: expected a state/)
  }
})

test.run()
