// Models in float16: close to the published code, resumable, and recovering from overflow without a read-back.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { generateSudoku } from '../../src/data/sudoku.js'
import { TrainingBatches } from '../../src/data/batches.js'
import { DEFAULTS, type TrmConfig } from '../../src/trm/config.js'
import { Trm } from '../../src/trm/model.js'
import { fingerprint, readTraining, restoreTraining, saveTraining } from '../../src/trm/training/resume.js'
import { Trainer } from '../../src/trm/training/trainer.js'
import { verify } from '../../src/verify/verify.js'
import { same } from '../close.js'
import { openEngine } from '../engine-under-test.js'
import { golden } from '../files.js'

const engine = await openEngine()
test.after(() => engine.close())
const hasHalf = engine.adapter.features.includes('shader-f16')
if (!hasHalf) console.log('skipped: float16 models, this adapter has no shader-f16')

const config: TrmConfig = {
  ...DEFAULTS,
  vocabulary: 6,
  cells: 16,
  puzzles: 1,
  hidden: 16,
  heads: 2,
  expansion: 1,
  layers: 1,
  cycles: 2,
  latentSteps: 1,
  supervisionSteps: 2,
  positions: 'none',
  tokenMixing: true,
  puzzleWidth: 16,
  prefix: 1,
}
const { train: puzzles } = generateSudoku({ size: 4, train: 40, test: 4, clues: 6, seed: 0 })
const options = { batchSize: 8, learningRate: 1e-2, warmupSteps: 1, emaRate: 0.9 }
const make = () => new Trainer(Trm.create(engine, config, { seed: 1, dtype: 'f16' }), options)
const batchesOf = () => new TrainingBatches(puzzles, { batchSize: 8, seed: 0 })

test('float16 is refused in one line where the adapter lacks it', () => {
  const without = Object.assign(Object.create(engine), { adapter: { ...engine.adapter, features: [] } })
  assert.throws(
    () => Trm.create(without, config, { dtype: 'f16' }),
    /^model: float16 was asked for, but .* has no feature shader-f16 — use float32$/,
  )
})

if (hasHalf) {
  for (const file of ['trm-mlp', 'trm-att-rope']) {
    test(`${file}: within float16's tolerances, and not within float32's`, async () => {
      const { rows } = await verify(engine, await golden(file), { file, dtype: 'f16' })
      assert.equal(
        rows.filter(({ error, allowed }) => !(error <= allowed)),
        [],
      )
      assert.ok(rows.length > 100)
      const { error, allowed } = rows.find(({ name }) => name === 'eval.1.logits')!
      assert.ok(error > allowed / 1024, 'float16 was not used')
    })
  }

  test('a scale that overflows costs steps, not the training; nothing is read back', async () => {
    const trainer = make()
    const batches = batchesOf()
    engine.write(trainer.lossScaler!.state, Float32Array.of(2 ** 24, 0, 1, 1, 0))
    const start = (await trainer.model.parameters.read()).get('head')!
    trainer.step(await batches.next())
    same('after an overflow', (await trainer.model.parameters.read()).get('head')!, start)
    const { reads } = engine.stats
    for (let step = 0; step < 30; step++) trainer.step(await batches.next())
    assert.is(engine.stats.reads, reads)
    const { scale, skippedSteps } = await trainer.lossScaler!.read()
    assert.ok(skippedSteps >= 1 && skippedSteps < 20, `${skippedSteps} steps skipped`)
    assert.is(scale, 2 ** (24 - skippedSteps))
    const { loss } = await trainer.readMetrics()
    assert.ok(loss > 0 && loss < 10, `loss ${loss}`)
    const trained = (await trainer.model.parameters.read()).get('head')!
    assert.ok(trained.every(Number.isFinite) && trained.some((value, i) => value !== start[i]))
  })

  test('the same bits each time, also when resumed', async () => {
    const data = await fingerprint(puzzles)
    const whole = make()
    const batches = batchesOf()
    for (let step = 0; step < 2; step++) whole.step(await batches.next())
    const file = await saveTraining(whole, batches, { data })
    for (let step = 0; step < 2; step++) whole.step(await batches.next())
    const resumed = make()
    const rest = restoreTraining(resumed, puzzles, readTraining(file), { data })
    for (let step = 0; step < 2; step++) resumed.step(await rest.next())
    const [ours, theirs] = await Promise.all(
      [whole, resumed].map(trainer => engine.read(trainer.model.parameters.flat)),
    )
    same('resumed', theirs, ours)
    assert.equal(await resumed.lossScaler!.read(), await whole.lossScaler!.read())
    const other = new Trainer(Trm.create(engine, config, { seed: 1 }), options)
    assert.throws(
      () => restoreTraining(other, puzzles, readTraining(file), { data }),
      /is of a training with dtype "f16", this one has "f32"/,
    )
  })
}

test.run()
