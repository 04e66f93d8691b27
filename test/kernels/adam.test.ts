// AdamATan2, AdamW and the moving average over several steps; parameters without gradient; clipping; infinity and NaN.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Adam, type AdamOptions, Parameters } from '../../src/engine/index.js'
import { close, printShares, same } from '../close.js'
import { openEngine } from '../engine-under-test.js'
import * as oracle from '../oracle.js'
import { uniform, values } from '../shapes.js'

const engine = await openEngine()
test.after(() => {
  engine.close()
  printShares()
})

/** Runs steps and compares each with the truth that starts from the result of the step before: errors do not add up. */
async function check(options: AdamOptions, count: number, magnitude: number, gradientMagnitude: number): Promise<void> {
  const { algorithm = 'atan2', beta1 = 0.9, beta2 = 0.95, weightDecay = 0.1, emaRate = 0 } = options
  const start = values(1, count, magnitude)
  const parameters = new Parameters(engine, { w: [count] })
  parameters.write('w', start)
  const adam = new Adam(engine, parameters, options)
  let before: { values: ArrayLike<number>; m: ArrayLike<number>; v: ArrayLike<number>; average: ArrayLike<number> } = {
    values: start,
    m: new Float32Array(count),
    v: new Float32Array(count),
    average: start,
  }
  for (let step = 1; step <= 4; step++) {
    const learningRate = 0.01 * step
    const gradients = values(10 + step, count, gradientMagnitude)
    adam.prepare({ step, learningRate, factor: 0.5 })
    adam.gradients.write(
      'w',
      gradients.map(g => 2 * g),
    )
    adam.step()
    const truth = oracle.adam(before, gradients, {
      step,
      learningRate,
      weightDecay,
      beta1,
      beta2,
      emaRate,
      atan2: algorithm === 'atan2',
    })
    const read = async (p: Parameters) => (await p.read()).get('w')!
    const [now, m, v, average] = [
      await read(parameters),
      await read(adam.m),
      await read(adam.v),
      await read(adam.average),
    ]
    const name = `adam, ${algorithm} step ${step}`
    close(name, m, truth.m, { scale: 2 * gradientMagnitude })
    close(name, v, truth.v, { scale: 2 * gradientMagnitude ** 2 })
    // The step is lr / (1 − β1ᵗ) · direction. atan2 is exact to 4096 units, division to 2.5; m loses digits near 0.
    close(name, now, truth.values, { scale: magnitude + 10 * learningRate, c: algorithm === 'atan2' ? 64 : 16 })
    if (emaRate) close(`${name}, average`, average, truth.average, { scale: magnitude + 10 * learningRate, c: 64 })
    else assert.is(adam.average, parameters)
    before = { values: now, m, v, average }
  }
}

test('AdamATan2', async () => {
  for (const count of [1, 63, 64, 65, 1009]) await check({ emaRate: 0.9 }, count, 1, 1)
  for (const magnitude of [1e-4, 1e4]) await check({ emaRate: 0.999, weightDecay: 1 }, 97, 1, magnitude)
  await check({ beta1: 0.5, beta2: 0.7, weightDecay: 0 }, 97, 1e-4, 1e-4)
})

test('AdamW', async () => {
  for (const count of [1, 63, 64, 65, 1009]) await check({ algorithm: 'adamw', emaRate: 0.9 }, count, 1, 1)
  for (const magnitude of [1e-4, 1e4]) await check({ algorithm: 'adamw' }, 97, 1, magnitude)
})

test('a parameter whose gradient was always 0 moves by the decay alone', async () => {
  for (const algorithm of ['atan2', 'adamw'] as const) {
    const parameters = new Parameters(engine, { w: [3], other: [2] })
    parameters.write('w', new Float32Array([1, -2, 0]))
    const adam = new Adam(engine, parameters, { algorithm, weightDecay: 0.5 })
    for (let step = 1; step <= 2; step++) {
      adam.prepare({ step, learningRate: 0.5 })
      adam.step()
    }
    same(`adam, ${algorithm} without gradient`, (await parameters.read()).get('w')!, [0.5625, -1.125, 0])
  }
})

test('quarters of the plane: gradients that turn', async () => {
  // m and v after a gradient of one sign and then of the other: all signs of m.
  const next = uniform(5)
  const parameters = new Parameters(engine, { w: [64] })
  const adam = new Adam(engine, parameters, { weightDecay: 0 })
  const g = Float32Array.from({ length: 64 }, () => next() * 2 - 1)
  let before: oracle.AdamTruth = {
    values: new Float64Array(64),
    m: new Float64Array(64),
    v: new Float64Array(64),
    average: new Float64Array(64),
  }
  for (let step = 1; step <= 3; step++) {
    const gradients = g.map(x => (step === 2 ? -9 * x : x))
    adam.prepare({ step, learningRate: 0.1 })
    adam.gradients.write('w', gradients)
    adam.step()
    before = oracle.adam(before, gradients, {
      step,
      learningRate: 0.1,
      weightDecay: 0,
      beta1: 0.9,
      beta2: 0.95,
      emaRate: 0,
      atan2: true,
    })
  }
  // Three steps of atan2, see above.
  close('adam, turning', (await parameters.read()).get('w')!, before.values, { scale: 1, c: 64 })
})

test('clipping by global norm', async () => {
  for (const [count, clipNorm, magnitude] of [
    [1, 1, 3],
    [65, 0.5, 1],
    [1009, 1e4, 1],
    [70_001, 2, 1e-2],
    [70_001, 1e-3, 1e3],
  ]) {
    const parameters = new Parameters(engine, { w: [count], other: [7] })
    const adam = new Adam(engine, parameters, { beta1: 0, clipNorm })
    const w = values(3, count, magnitude)
    const other = values(4, 7, magnitude)
    // The factor comes first: gradients of twice the size, halved.
    adam.prepare({ step: 1, learningRate: 0, factor: 0.5 })
    adam.gradients.write(
      'w',
      w.map(g => 2 * g),
    )
    adam.gradients.write(
      'other',
      other.map(g => 2 * g),
    )
    adam.step()
    const norm = Math.sqrt([...w, ...other].reduce((sum, g) => sum + g * g, 0))
    const factor = Math.min(1, clipNorm / (norm + 1e-6))
    // β1 = 0: the first moment is the gradient. Squares are added in 256 parts of up to 70,001 / 65,536 + 8 steps.
    close(
      'clip_gradients, first moment',
      (await adam.m.read()).get('w')!,
      w.map(g => g * factor),
      { scale: w.map(g => Math.abs(g * factor)), depth: 256 },
    )
    const again = new Adam(engine, parameters, { beta1: 0, clipNorm })
    again.prepare({ step: 1, learningRate: 0, factor: 0.5 })
    engine.copy(adam.gradients.flat, again.gradients.flat)
    again.step()
    assert.equal(await engine.read(again.m.flat), await engine.read(adam.m.flat), 'the same bits')
  }
})

test('the first number that is not finite is found, with its step and its parameter', async () => {
  for (const algorithm of ['atan2', 'adamw'] as const) {
    for (const bad of [NaN, Infinity, -Infinity, 1e30]) {
      const adam = new Adam(engine, new Parameters(engine, { first: [3], second: [130], third: [2] }), { algorithm })
      const run = async (step: number, gradients: Record<string, number[]>) => {
        adam.prepare({ step, learningRate: 0.1 })
        for (const [name, values] of Object.entries(gradients)) adam.gradients.write(name, new Float32Array(values))
        adam.step()
        return adam.firstNotFinite()
      }
      const fine = new Array(130).fill(0.5)
      assert.is(await run(1, { first: [1, -2, 1e18], second: fine, third: [0, 1e-30] }), undefined)
      // 1e30 is finite, its square is not.
      const found = { step: 2, name: 'second', what: 'gradient', count: 3 }
      assert.equal(
        await run(2, { second: fine.map((g, i) => (i === 129 || i === 77 ? bad : g)), third: [bad, 1] }),
        found,
      )
      assert.equal(await run(3, { first: [bad, bad, bad] }), found, 'a later one is not the first')
    }
  }
  const parameters = new Parameters(engine, { first: [3], second: [130] })
  const adam = new Adam(engine, parameters)
  parameters.write('second', new Float32Array(130).fill(NaN))
  adam.prepare({ step: 7, learningRate: 0.1 })
  adam.step()
  assert.equal(await adam.firstNotFinite(), { step: 7, name: 'second', what: 'value', count: 130 })
})

test.run()
