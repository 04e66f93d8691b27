// Loss scaling: finite steps are Adam's, a step that overflows changes only the scale, and the scale grows again.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Adam, LossScaler, Parameters, SparseSignSgd } from '../../src/engine/index.js'
import { close, same } from '../close.js'
import { openEngine } from '../engine-under-test.js'
import { values } from '../shapes.js'

const engine = await openEngine()
test.after(() => engine.close())

const COUNT = 1009

function make(interval?: number) {
  const parameters = new Parameters(engine, { w: [COUNT] })
  parameters.write('w', values(1, COUNT))
  const adam = new Adam(engine, parameters, { emaRate: 0.9 })
  const table = engine.from(values(2, 12), [3, 4])
  const sparse = new SparseSignSgd(engine, table, 0.1)
  const scaler = new LossScaler(engine, adam, sparse, interval)
  const ids = engine.from(new Int32Array([1, 1]))
  const rows = engine.zeros([2, 4])
  let host = 0
  return {
    scaler,
    /** One step; the gradients are scaled by what the scale is. */
    async step(gradients: Float32Array<ArrayBuffer>, rowGradients = values(9, 8)) {
      adam.gradients.write('w', gradients)
      engine.write(rows, rowGradients)
      adam.prepare({ step: ++host, learningRate: 0.01 })
      sparse.prepare({ learningRate: 0.01 })
      scaler.scale(adam.gradients.flat, rows)
      scaler.check(rows)
      sparse.step(ids, rows)
      adam.step()
    },
    async state() {
      const read = async (p: Parameters) => (await p.read()).get('w')!
      return [
        await read(parameters),
        await read(adam.m),
        await read(adam.v),
        await read(adam.average),
        await engine.read(table),
      ]
    },
  }
}

test('good steps are those of Adam without a scale', async () => {
  const scaled = make()
  const plainValues = new Parameters(engine, { w: [COUNT] })
  plainValues.write('w', values(1, COUNT))
  const plain = new Adam(engine, plainValues, { emaRate: 0.9 })
  for (let step = 1; step <= 3; step++) {
    const gradients = values(10 + step, COUNT, 1e-3)
    await scaled.step(gradients)
    plain.prepare({ step, learningRate: 0.01 })
    plain.gradients.write('w', gradients)
    plain.step()
  }
  const [w, m, v] = await scaled.state()
  same('first moment', m, (await plain.m.read()).get('w')!)
  same('second moment', v, (await plain.v.read()).get('w')!)
  close('values', w, (await plainValues.read()).get('w')!, { scale: 1, c: 64 })
  assert.equal(await scaled.scaler.read(), { scale: 65536, skippedSteps: 0 })
})

test('an infinite or undefined gradient anywhere skips the step and halves the scale', async () => {
  for (const bad of [Infinity, -Infinity, NaN]) {
    const { step, state, scaler } = make()
    const fresh = make()
    const before = await state()
    const gradients = values(3, COUNT)
    gradients[COUNT - 1] = bad
    await step(gradients)
    const rows = values(9, 8)
    rows[7] = bad
    await step(values(3, COUNT), rows)
    for (const [i, now] of (await state()).entries()) same(`state ${i}`, now, before[i])
    assert.equal(await scaler.read(), { scale: 16384, skippedSteps: 2 })
    // The first step that counts is like the first of all.
    await step(values(3, COUNT))
    await fresh.step(values(3, COUNT))
    const expected = await fresh.state()
    for (const [i, now] of (await state()).entries()) same(`state ${i}`, now, expected[i])
  }
})

test('the scale doubles after good steps in a row, and has a floor of 1', async () => {
  const { step, scaler } = make(3)
  for (let i = 0; i < 7; i++) await step(values(4, COUNT))
  assert.equal(await scaler.read(), { scale: 4 * 65536, skippedSteps: 0 })
  for (let i = 0; i < 20; i++) await step(new Float32Array(COUNT).fill(NaN))
  assert.equal(await scaler.read(), { scale: 1, skippedSteps: 20 })
})

test.run()
