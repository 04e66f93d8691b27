// The learning rate's schedule: warm-up, cosine, and its ends; and steps, none of which runs without its rate.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Adam, Parameters, SparseSignSgd } from '../../src/engine/index.js'
import { learningRate } from '../../src/engine/optimizer.js'
import { openEngine } from '../engine-under-test.js'

const engine = await openEngine()
test.after(() => engine.close())

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

/** The optimisers with their weights, all 1, and gradients. */
function optimizers() {
  const weights = new Parameters(engine, { w: [2] })
  weights.write('w', Float32Array.of(1, 1))
  const adam = new Adam(engine, weights, { weightDecay: 0 })
  adam.gradients.write('w', Float32Array.of(1, -1))
  const table = engine.from(Float32Array.of(1, 1), [1, 2])
  const [ids, rows] = [engine.from(Int32Array.of(0)), engine.from(Float32Array.of(1, -1), [1, 2])]
  const sparse = new SparseSignSgd(engine, table, 0)
  return {
    adam,
    sparse,
    steps: [() => adam.step(), () => sparse.step(ids, rows)],
    take(numbers: { step: number; learningRate: number }) {
      adam.step(numbers)
      sparse.step(ids, rows, numbers)
    },
    read: async () => [...(await engine.read(weights.get('w'))), ...(await engine.read(table))],
  }
}

test('a step without its learning rate is refused and changes nothing; one rate serves one step', async () => {
  const message =
    /^optimizer: no finite \{ step, learningRate \} for this step — give them to step\(\), or to prepare\(\)/
  const { adam, sparse, steps, take, read } = optimizers()
  const before = await read()
  for (const step of steps) assert.throws(step, message)
  for (const numbers of [
    { step: 1 },
    { learningRate: 0.1, step: NaN },
    { learningRate: Infinity, step: 1 },
    { learningRate: '1', step: 1 },
  ])
    assert.throws(() => take(numbers as never), message, JSON.stringify(numbers))
  // The first step is 1: there is no correction of the bias before it.
  assert.throws(() => adam.step({ step: 0, learningRate: 0.1 }), message)
  assert.equal(await read(), before)
  adam.prepare({ step: 1, learningRate: 0.1 })
  sparse.prepare({ learningRate: 0.1 })
  for (const step of steps) step()
  const after = await read()
  assert.ok(after.every((value, i) => value !== before[i]))
  for (const step of steps) assert.throws(step, message)
  assert.equal(await read(), after)
})

test('numbers given to the step itself: the same bits, also behind recorded work', async () => {
  const [prepared, direct] = [optimizers(), optimizers()]
  for (let step = 1; step <= 3; step++) {
    const learningRate = 0.1 * step
    prepared.adam.prepare({ step, learningRate })
    prepared.sparse.prepare({ learningRate })
    for (const take of prepared.steps) take()
    // Nothing waits in between: a rate must not reach the step before it.
    direct.take({ step, learningRate })
  }
  assert.equal(await direct.read(), await prepared.read())
})

test.run()
