// Released models and trainings: their engine has all of their memory back, and using them is an error.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { generateSudoku } from '../../src/data/sudoku.js'
import { loadCheckpoint, saveCheckpoint } from '../../src/trm/published/checkpoint.js'
import { DEFAULTS, type TrmConfig } from '../../src/trm/config.js'
import { evaluate } from '../../src/trm/answers/evaluate.js'
import { Trm } from '../../src/trm/model.js'
import { readTraining } from '../../src/trm/training/resume.js'
import { solve } from '../../src/trm/answers/solve.js'
import { train, type TrainingReport } from '../../src/trm/training/train.js'
import { Trainer } from '../../src/trm/training/trainer.js'
import { openEngine } from '../engine-under-test.js'

const engine = await openEngine()
test.after(() => engine.close())
engine.trim()
/** The engine's memory without any model. */
const none = engine.bytes

const { train: learned, test: data } = generateSudoku({ size: 4, train: 12, test: 4, clues: 9, seed: 1 })
const { vocabulary, cells, puzzles } = data.metadata
// These widths fit lavapipe's kernels with textures.
const MIXING: TrmConfig = {
  ...DEFAULTS,
  vocabulary,
  cells,
  puzzles,
  hidden: 32,
  heads: 2,
  expansion: 1,
  cycles: 1,
  latentSteps: 1,
  supervisionSteps: 2,
  tokenMixing: true,
  positions: 'none',
  puzzleWidth: 32,
  prefix: 1,
}
const ATTENTION: TrmConfig = { ...MIXING, tokenMixing: false, positions: 'rope' }
const OPTIONS = { batchSize: 4, microBatch: 2, steps: 2, logInterval: 1, warmupSteps: 1, clipNorm: 1, emaRate: 0.9 }

async function answerOf(model: Trm): Promise<number[]> {
  let answer: number[] = []
  for await (const step of solve(model, data.inputs.subarray(0, cells), { rollouts: 2, noise: 0.2 }))
    answer = [...step.answer]
  return answer
}

/** The error of every use of something that was released. */
async function refused(message: RegExp, ...uses: (() => unknown)[]): Promise<void> {
  for (const use of uses) {
    let error: unknown
    try {
      await use()
    } catch (thrown) {
      error = thrown
    }
    assert.ok(error instanceof Error && message.test(error.message), `${use}: ${error}`)
  }
}

for (const [name, config] of Object.entries({ 'token mixing': MIXING, attention: ATTENTION })) {
  test(`${name}: twenty models, each loaded, used and released, leave no memory`, async () => {
    const first = Trm.create(engine, config, { seed: 3 })
    const bytes = await saveCheckpoint(first)
    const expected = await answerOf(first)
    first.release()
    assert.is(engine.bytes, none)
    for (let i = 0; i < 20; i++) {
      const model = loadCheckpoint(engine, bytes)
      assert.ok(engine.bytes > none)
      if (i % 5 === 0) assert.equal(await answerOf(model), expected)
      if (i % 10 === 0) await evaluate(model, data, { batchSize: 3 })
      model.release()
      model.release()
      assert.is(engine.bytes, none, `${i}`)
    }
  })
}

test('a released training leaves the memory of its model; other models are not affected', async () => {
  const stays = Trm.create(engine, MIXING, { seed: 5 })
  const [before, expected] = [engine.bytes, await answerOf(stays)]
  engine.trim()
  assert.is(engine.bytes, before)
  const checkpoints: Uint8Array[] = []
  for (let i = 0; i < 2; i++) {
    const model = Trm.create(engine, MIXING, { seed: 6 })
    const ofModel = engine.bytes
    let report: TrainingReport | undefined
    for await (report of train(model, learned, OPTIONS)) await evaluate(report.averaged, data)
    checkpoints.push(await saveCheckpoint(report!.averaged))
    assert.ok(engine.bytes > ofModel)
    report!.trainer.release()
    report!.trainer.release()
    assert.is(engine.bytes, ofModel)
    assert.ok((await evaluate(model, data)).examples === 4, 'the model stays')
    await refused(
      /^[\w. ]+ of shape \[[\d,]+\]: it was released, or its scope has ended — /,
      () => evaluate(report!.averaged, data),
      () => report!.trainer.readMetrics(),
      () => report!.trainer.optimizer.m.read(),
    )
    model.release()
    assert.is(engine.bytes, before)
  }
  assert.equal(checkpoints[1], checkpoints[0])
  assert.equal(await answerOf(stays), expected)
  stays.release()
  assert.is(engine.bytes, none)
})

test('a training that no caller can release releases itself', async () => {
  const model = Trm.create(engine, MIXING)
  const before = engine.bytes
  const state = await (async () => {
    for await (const { saveTraining, trainer } of train(model, learned, OPTIONS)) {
      const bytes = await saveTraining()
      trainer.release()
      return bytes
    }
  })()
  await refused(/it is of a training with learningRate/, async () => {
    for await (const _ of train(model, learned, { ...OPTIONS, learningRate: 5, resume: readTraining(state!) }));
  })
  assert.is(engine.bytes, before)
  model.release()
})

test('using a released model is an error that says so, and takes no memory', async () => {
  const model = Trm.create(engine, ATTENTION)
  const likes = [model.withDepth({ cycles: 2, latentSteps: 1 }), model.withParameters(model.parameters)]
  const trainer = new Trainer(model, { batchSize: 2 })
  const puzzles = {
    inputs: learned.inputs.slice(),
    labels: learned.labels.slice(),
    puzzleIds: learned.puzzleIds.slice(),
  } as never
  likes[1].release()
  for (const gone of [model, ...likes]) {
    await refused(
      /^model: it was released — load or create it again$/,
      () => gone.engine,
      () => answerOf(gone),
      () => evaluate(gone, data),
      () => saveCheckpoint(gone),
      () => new Trainer(gone, { batchSize: 1 }),
      () => gone.withDepth({ cycles: 2, latentSteps: 1 }),
      () => gone.heads(undefined as never),
      () => trainer.step(puzzles),
      async () => {
        for await (const _ of train(gone, learned, OPTIONS));
      },
    )
  }
  await refused(
    /^[\w. ]+ of shape \[[\d,]+\]: it was released/,
    () => model.parameters.read(),
    () => model.parameters.write('tokens', new Float32Array(vocabulary * 32)),
    () => engine.read(model.starts.y),
  )
  trainer.release()
  assert.is(engine.bytes, none)
})

test('a model released while it answers: the answer ends with the error, and no memory is left', async () => {
  const model = Trm.create(engine, MIXING)
  await refused(/^model: it was released/, async () => {
    for await (const { step } of solve(model, data.inputs.subarray(0, cells))) if (step === 1) model.release()
  })
  engine.trim()
  assert.is(engine.bytes, none)
})

test('kernels stay compiled for the next model of the kind', async () => {
  const ask = async () => {
    const model = Trm.create(engine, MIXING)
    await answerOf(model)
    model.release()
    return engine.stats.pipelines
  }
  assert.is(await ask(), await ask())
})

test.run()
