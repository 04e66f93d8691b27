// The published Sudoku networks run and train at full size; and a golden of the size at which peers are timed.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { metricsTensor, Slots } from '../../src/trm/slots.js'
import { Trm } from '../../src/trm/model.js'
import { Trainer } from '../../src/trm/training/trainer.js'
import { verify } from '../../src/verify/verify.js'
import { sharedFile } from '../files.js'
import { openEngine } from '../engine-under-test.js'
import { distance, OFFICIAL, puzzles } from './samples.js'

const engine = await openEngine()
test.after(() => engine.close())

for (const [name, config] of Object.entries(OFFICIAL)) {
  test(`${name}: one evaluation step and one training step`, async () => {
    const model = Trm.create(engine, config)
    const batch = puzzles(1, 2, config)
    const slots = new Slots(model, 2)
    slots.offer(batch)
    const reads = engine.scope(() => {
      slots.restart()
      model.withoutGradient(slots.carry, model.embed(slots.inputs, slots.puzzleRows()), config.cycles)
      const heads = model.heads(slots.carry.y)
      const { results, predictions } = slots.loss(heads, 'stablemax', 1)
      slots.halt(heads.q, results, engine.zeros([2], 'u32'), metricsTensor(engine), false)
      return [
        engine.read(heads.logits),
        engine.read(results),
        engine.readInt32(predictions),
        engine.read(heads.q),
      ] as const
    })
    const [logits, results, predictions, q] = await Promise.all(reads)
    assert.is(logits.length, 2 * 97 * 11)
    assert.ok([...logits, ...results].every(Number.isFinite))
    assert.ok(predictions.every(token => token >= 0 && token < 11))
    // The halting head starts at its bias.
    assert.equal([...q], [-5, -5, -5, -5])
    // Logits of random weights are of the size of 1, and the loss is near that of guessing.
    const size = Math.hypot(...logits) / Math.sqrt(logits.length)
    assert.ok(size > 0.5 && size < 2, `logits of size ${size}`)
    assert.ok(Math.abs(results[0] - Math.log(11)) < 0.7, `loss ${results[0]}`)
    slots.release()

    const trainer = new Trainer(model, { batchSize: 2, warmupSteps: 1 })
    const before = await engine.read(model.parameters.flat)
    trainer.step(batch)
    const metrics = await trainer.readMetrics()
    // No puzzle has halted after one step, so there is nothing to count.
    assert.is(metrics.count, 0)
    for (const [key, value] of Object.entries(metrics)) {
      if (/accuracy|^steps$/i.test(key)) assert.is(value, null, `${key} is ${value}`)
      else assert.ok(Number.isFinite(value), `${key} is ${value}`)
    }
    for (const [parameter, gradient] of await trainer.optimizer.gradients.read()) {
      assert.ok(gradient.every(Number.isFinite) && gradient.some(g => g !== 0), `gradient of ${parameter}`)
    }
    const after = await engine.read(model.parameters.flat)
    // The first step of AdamATan2 moves each value by lr / (1 − β1) · atan(1 − β1) at most, and by the decay.
    const moved = distance(after, before)
    assert.ok(after.every(Number.isFinite) && moved > 1e-4 && moved < 1e-1, `moved by ${moved}`)
  })
}

const bench = await sharedFile('goldens/bench-small.safetensors')
if (!bench) console.log('\nskipped: bench-small.safetensors is not below ../shared/goldens')
const where = bench ? test : test.skip
where('golden bench-small', async () => {
  const { ok, rows } = await verify(engine, bench!, { file: 'bench-small' })
  assert.equal(
    rows.filter(({ error, allowed }) => !(error <= allowed)),
    [],
  )
  assert.ok(ok && rows.length > 100)
})

test.run()
