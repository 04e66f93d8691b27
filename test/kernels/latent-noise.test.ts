// Noise from counters: its values against the formula, its moments, and that no two counters share anything.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { latentNoise, NOISE_KEY } from '../../src/kernels/latent-noise.js'
import { same } from '../close.js'
import { openEngine } from '../engine-under-test.js'
import { pcg4d } from '../oracle.js'
import { values } from '../shapes.js'

const engine = await openEngine()
test.after(() => engine.close())

type Key = [seed: number, puzzle: number, rollout: number, step: number]

/** Noise of slots with these keys, on top of `before`. */
async function noise(
  keys: Key[],
  perSlot: number,
  { sigma = 1, stream = 0, before = new Float32Array(keys.length * perSlot) } = {},
): Promise<Float32Array> {
  const tensors = {
    keys: engine.from(Uint32Array.from(keys.flat()), [keys.length, NOISE_KEY.length]),
    state: engine.from(before),
  }
  engine.dispatch(latentNoise, tensors, { slots: keys.length, perSlot, sigma, stream })
  const state = await engine.read(tensors.state)
  engine.release(...Object.values(tensors))
  return state
}

/** The formula in float64, with the hash in 32-bit integers. */
function expected(key: Key, element: number, stream = 0): number {
  const [a, b, c, d] = pcg4d(key)
  const [u1, u2] = pcg4d([(a + element) >>> 0, (b + stream) >>> 0, c, d]).map(v => ((v >>> 8) + 0.5) * 2 ** -24)
  return Math.sqrt(-2 * Math.log(u1)) * Math.cos(2 * Math.PI * (u2 - 0.5))
}

test('values are those of the formula, added to what was there', async () => {
  const keys: Key[] = [
    [0, 0, 0, 0],
    [1, 2, 3, 4],
    [2 ** 32 - 1, 2 ** 31, 7, 63],
  ]
  for (const perSlot of [1, 63, 65, 300]) {
    const before = values(3, keys.length * perSlot)
    const ours = await noise(keys, perSlot, { sigma: 0.25, stream: 1, before })
    // WGSL promises the cosine to 2⁻¹¹ and a logarithm near 1 to 2⁻²¹.
    ours.forEach((value, i) => {
      const truth = before[i] + 0.25 * expected(keys[Math.floor(i / perSlot)], i % perSlot, 1)
      assert.ok(Math.abs(value - truth) < 0.25 * (6 * 2 ** -11 + 2 ** -9), `element ${i}: ${value}, expected ${truth}`)
    })
  }
})

const mean = (a: ArrayLike<number>, term: (x: number, i: number) => number) => {
  let sum = 0
  for (let i = 0; i < a.length; i++) sum += term(a[i], i)
  return sum / a.length
}

test('mean, σ, skewness, kurtosis and tails of the normal distribution, within five standard errors', async () => {
  const n = 2 ** 20
  const perSlot = 2 ** 10
  const many = await noise(
    Array.from({ length: n / perSlot }, (_, i) => [5, i >> 4, (i >> 2) & 3, i & 3] as Key),
    perSlot,
  )
  const one = await noise([[9, 0, 0, 1]], n)
  for (const [name, g] of [
    ['many keys', many],
    ['many elements of one key', one],
  ] as const) {
    const within = (what: string, value: number, truth: number, variance: number) =>
      assert.ok(
        Math.abs(value - truth) < 5 * Math.sqrt(variance / n),
        `${name}: ${what} is ${value}, expected ${truth} ± ${Math.sqrt(variance / n)}`,
      )
    within(
      'mean',
      mean(g, x => x),
      0,
      1,
    )
    within(
      'variance',
      mean(g, x => x * x),
      1,
      2,
    )
    within(
      'third moment',
      mean(g, x => x ** 3),
      0,
      15,
    )
    within(
      'fourth moment',
      mean(g, x => x ** 4),
      3,
      96,
    )
    for (const [beyond, share] of [
      [1, 0.3173105],
      [2, 0.0455003],
      [3, 0.0026998],
    ])
      within(
        `share beyond ${beyond} σ`,
        mean(g, x => Number(Math.abs(x) > beyond)),
        share,
        share * (1 - share),
      )
  }
})

test('neighbouring seeds, puzzles, rollouts, steps, streams and elements are independent', async () => {
  const n = 2 ** 17
  const base: Key = [3, 4, 5, 6]
  const g = await noise([base], n)
  const others: [string, ArrayLike<number>][] = []
  for (const [i, name] of NOISE_KEY.entries()) {
    for (const step of [1, 2, 256])
      others.push([`${name} + ${step}`, await noise([base.map((word, j) => word + (i === j ? step : 0)) as Key], n)])
  }
  others.push(['words exchanged', await noise([[4, 3, 5, 6]], n)])
  others.push(['another stream', await noise([base], n, { stream: 1 })])
  for (const lag of [1, 2, 32, 64])
    others.push([`${lag} elements on`, Float32Array.from({ length: n }, (_, i) => g[(i + lag) % n])])
  for (const [name, h] of others) {
    for (const [what, term] of [
      ['products', (x: number, i: number) => x * h[i]],
      ['products of squares', (x: number, i: number) => ((x * x - 1) * (h[i] * h[i] - 1)) / 2],
    ] as const) {
      const correlation = mean(g, term)
      assert.ok(Math.abs(correlation) < 5 / Math.sqrt(n), `${name}: mean of ${what} is ${correlation}`)
    }
  }
})

test('a key gives the same bits in any slot of any batch', async () => {
  const keys: Key[] = [
    [1, 2, 3, 4],
    [1, 7, 0, 2],
    [1, 8, 1, 2],
  ]
  const alone = await Promise.all(keys.map(key => noise([key], 100)))
  const together = await noise([keys[2], keys[0], keys[1], keys[0]], 100)
  same('latent_noise', together.subarray(0, 100), alone[2])
  same('latent_noise', together.subarray(100, 200), alone[0])
  same('latent_noise', together.subarray(200, 300), alone[1])
  same('latent_noise', together.subarray(300), alone[0])
  same('latent_noise, longer', (await noise([keys[0]], 130)).subarray(0, 100), alone[0])
})

test.run()
