// Training steps: the same bits each time, no new buffers, micro-batches, curriculum, clipping, and numbers not finite.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { generateSudoku } from '../../../src/data/sudoku.js'
import type { Engine } from '../../../src/engine/index.js'
import { saveCheckpoint } from '../../../src/trm/published/checkpoint.js'
import type { TrmConfig } from '../../../src/trm/config.js'
import { Trm } from '../../../src/trm/model.js'
import { train } from '../../../src/trm/training/train.js'
import type { TrainerOptions } from '../../../src/trm/training/options.js'
import { Trainer } from '../../../src/trm/training/trainer.js'
import { openEngine } from '../../engine-under-test.js'
import { ATTENTION, BARE, distance, LEARNED, puzzles, TOKEN_MIXING } from '../samples.js'

const [engine, other] = [await openEngine(), await openEngine()]
test.after(() => {
  engine.close()
  other.close()
})

const RATES = {
  learningRate: 1e-3,
  warmupSteps: 1,
  weightDecay: 0.1,
  puzzleLearningRate: 1e-2,
  puzzleWeightDecay: 0.1,
  emaRate: 0.9,
  seed: 5,
}

function trainerOf(config: TrmConfig, options: Partial<TrainerOptions> = {}, on: Engine = engine): Trainer {
  return new Trainer(Trm.create(on, config, { seed: 1 }), { batchSize: 6, ...RATES, ...options })
}

function run(trainer: Trainer, steps: number): void {
  for (let i = 0; i < steps; i++)
    trainer.step(puzzles(10 * trainer.stepsDone, trainer.options.batchSize, trainer.model.config))
}

const CONFIGS = {
  'attention, turning positions': ATTENTION,
  'token mixing': TOKEN_MIXING,
  'attention, learned positions': LEARNED,
  'no puzzle embedding': BARE,
}

for (const [name, config] of Object.entries(CONFIGS)) {
  test(`${name}: two runs of five steps give the same bits`, async () => {
    const checkpoint = async (on: Engine) => {
      const trainer = trainerOf(config, {}, on)
      run(trainer, 5)
      return {
        live: await saveCheckpoint(trainer.model),
        averaged: await saveCheckpoint(trainer.averaged),
        metrics: await trainer.readMetrics(),
      }
    }
    const first = await checkpoint(engine)
    assert.equal(await checkpoint(engine), first)
    if (config === ATTENTION || config === TOKEN_MIXING) assert.equal(await checkpoint(other), first)
    assert.not.equal(first.live, first.averaged)
    for (const [key, value] of Object.entries(first.metrics)) assert.ok(Number.isFinite(value), `${key} is ${value}`)
  })

  test(`${name}: from the second step on no buffer is made and nothing is read`, async () => {
    for (const microBatch of [6, 2]) {
      const trainer = trainerOf(config, { microBatch })
      run(trainer, 1)
      await engine.finish()
      const { buffers, bytes, bindGroups, pipelines, reads } = engine.stats
      run(trainer, 4)
      await engine.finish()
      const after = engine.stats
      assert.equal(
        [
          after.buffers - buffers,
          after.bytes - bytes,
          after.bindGroups - bindGroups,
          after.pipelines - pipelines,
          after.reads - reads,
        ],
        [0, 0, 0, 0, 0],
        `micro-batch ${microBatch}`,
      )
    }
  })

  test(`${name}: recomputing gives the same bits in less memory; no new buffer from the second step on`, async () => {
    const deep = { ...config, latentSteps: 6 }
    const outcome = async (recompute: boolean, microBatch: number) => {
      const trainer = trainerOf(deep, { recompute, microBatch })
      run(trainer, 1)
      const { buffers, bindGroups } = engine.stats
      run(trainer, 2)
      assert.equal([engine.stats.buffers, engine.stats.bindGroups], [buffers, bindGroups])
      return [await saveCheckpoint(trainer.model), await saveCheckpoint(trainer.averaged), await trainer.readMetrics()]
    }
    const bytes = (recompute: boolean, microBatch: number) => {
      const dry = engine.dryRun()
      run(trainerOf(deep, { recompute, microBatch }, dry), 1)
      return dry.stats.bytes
    }
    for (const microBatch of [6, 4]) {
      assert.equal(await outcome(true, microBatch), await outcome(false, microBatch))
      const share = bytes(true, microBatch) / bytes(false, microBatch)
      assert.ok(share < 0.7, `${share} of the memory with micro-batch ${microBatch}`)
    }
  })

  test(`${name}: a batch of 6 is the same as 4 + 2 and 2 + 2 + 2`, async () => {
    const outcome = async (microBatch: number) => {
      const trainer = trainerOf(config, { microBatch })
      const start = await engine.read(trainer.model.parameters.flat)
      run(trainer, 1)
      const gradients = await trainer.optimizer.gradients.read()
      const rows = trainer.puzzleGradients && (await engine.read(trainer.puzzleGradients))
      run(trainer, 2)
      const moved = async (values: Float32Array) => values.map((v, i) => v - start[i])
      return {
        sizes: trainer.chunks.map(chunk => chunk.count),
        gradients,
        rows,
        moved: await moved(await engine.read(trainer.model.parameters.flat)),
        averageMoved: await moved(await engine.read(trainer.optimizer.average.flat)),
        table: trainer.model.puzzleTable && (await engine.read(trainer.model.puzzleTable)),
        steps: (await Promise.all(trainer.chunks.map(chunk => engine.readInt32(chunk.steps)))).flatMap(steps => [
          ...steps,
        ]),
        metrics: await trainer.readMetrics(),
      }
    }
    const whole = await outcome(6)
    assert.equal(whole.sizes, [6])
    for (const [microBatch, sizes] of [
      [4, [4, 2]],
      [2, [2, 2, 2]],
    ] as const) {
      const pieces = await outcome(microBatch)
      assert.equal(pieces.sizes, [...sizes])
      assert.equal(pieces.steps, whole.steps)
      const near = (what: string, a: ArrayLike<number>, b: ArrayLike<number>, allowed: number) =>
        assert.ok(distance(a, b) <= allowed, `${what} in pieces of ${microBatch}: off by ${distance(a, b)}`)
      // The halting head's weight starts with gradients of every size; all sums are over the same six slots.
      for (const [parameter, gradient] of pieces.gradients)
        near(`gradient of ${parameter}`, gradient, whole.gradients.get(parameter)!, 1e-5)
      if (pieces.rows) near('gradient of the puzzle rows', pieces.rows, whole.rows!, 1e-5)
      // Near a gradient of 0 the optimiser acts like a sign, so single elements may move the other way.
      near('movement', pieces.moved, whole.moved, 1e-2)
      near('movement of the average', pieces.averageMoved, whole.averageMoved, 1e-2)
      if (pieces.table) near('puzzle table', pieces.table, whole.table!, 1e-2)
      assert.is(pieces.metrics.count, whole.metrics.count)
      near('loss', [pieces.metrics.loss], [whole.metrics.loss], 1e-5)
    }
  })
}

test('training lowers the loss: each cell asks for the token after its own', async () => {
  const trainer = trainerOf(ATTENTION, { learningRate: 5e-3 })
  const batch = puzzles(3, 6, ATTENTION)
  batch.labels = batch.inputs.map(token => (token + 1) % 5)
  const losses: number[] = []
  for (let i = 0; i < 60; i++) {
    trainer.step(batch)
    if (i % 20 === 19) losses.push((await trainer.readMetrics()).lmLoss)
  }
  assert.ok(losses[2] < 0.7 * losses[0], losses.join())
})

test('another seed of the exploration', async () => {
  const steps = async (seed: number) => {
    const trainer = trainerOf({ ...ATTENTION, supervisionSteps: 16 }, { seed })
    // Every slot halts at once, without exploration.
    trainer.model.parameters.write('haltHead.bias', new Float32Array([100, 0]))
    run(trainer, 3)
    return [...(await engine.readInt32(trainer.chunks[0].steps))]
  }
  assert.equal(await steps(1), await steps(1))
  assert.not.equal(await steps(1), await steps(2))
})

test('one supervision step per puzzle', async () => {
  const trainer = trainerOf({ ...ATTENTION, supervisionSteps: 1 })
  run(trainer, 2)
  const { count, steps, loss } = await trainer.readMetrics()
  assert.equal([count, steps], [10, 1])
  assert.ok(Number.isFinite(loss))
})

test('a curriculum of depth: the steps of each stage are those of a model of that depth', async () => {
  const stages = [
    { until: 0.25, cycles: 1, latentSteps: 1 },
    { until: 0.5, cycles: 1, latentSteps: 2 },
  ]
  for (const config of [ATTENTION, { ...ATTENTION, architecture: 'hrm', highLayers: 1, prefix: 0 } as TrmConfig]) {
    const staged = trainerOf(config, { totalSteps: 8, curriculum: stages })
    const depths: number[][] = []
    for (let i = 0; i < 6; i++) {
      const { cycles, latentSteps } = staged.atDepth.config
      depths.push([cycles, latentSteps])
      // The same step by a trainer of the stage's depth, from the same state.
      const whole = trainerOf({ ...config, cycles, latentSteps }, { totalSteps: 8 })
      const pairs = [
        [staged.model.parameters.flat, whole.model.parameters.flat],
        [staged.optimizer.m.flat, whole.optimizer.m.flat],
        [staged.optimizer.v.flat, whole.optimizer.v.flat],
        [staged.model.puzzleTable!, whole.model.puzzleTable!],
        ...(['steps', 'halted', 'inputs', 'labels', 'puzzleIds'] as const).map(name => [
          staged.chunks[0][name],
          whole.chunks[0][name],
        ]),
        ...Object.keys(staged.chunks[0].carry).map(state => [
          staged.chunks[0].carry[state],
          whole.chunks[0].carry[state],
        ]),
      ]
      for (const [from, to] of pairs) engine.copy(from, to)
      whole.stepsDone = staged.stepsDone
      run(whole, 1)
      run(staged, 1)
      for (const [ours, theirs] of pairs)
        assert.equal(await engine.readInt32(ours), await engine.readInt32(theirs), `step ${i + 1}`)
    }
    assert.equal(depths, [
      [1, 1],
      [1, 1],
      [1, 2],
      [1, 2],
      [2, 2],
      [2, 2],
    ])
  }
})

test('a frozen network: the puzzle table alone learns, by the same gradients', async () => {
  for (const [microBatch, recompute] of [
    [6, false],
    [4, false],
    [4, true],
  ] as const) {
    const frozen = trainerOf(TOKEN_MIXING, { freezeNetwork: true, microBatch, recompute })
    const free = trainerOf(TOKEN_MIXING, { microBatch })
    const before = await engine.read(frozen.model.parameters.flat)
    run(frozen, 1)
    run(free, 1)
    assert.equal(await engine.read(frozen.puzzleGradients!), await engine.read(free.puzzleGradients!))
    run(frozen, 4)
    assert.equal(await engine.read(frozen.model.parameters.flat), before)
    assert.equal(await engine.read(frozen.averaged.parameters.flat), before)
    assert.ok((await engine.read(frozen.model.puzzleTable!)).every(Number.isFinite))
    assert.not.equal(
      await engine.read(frozen.model.puzzleTable!),
      await engine.read(trainerOf(TOKEN_MIXING).model.puzzleTable!),
    )
  }
})

test('clipped gradients: a step of AdamW to the norm, and no clipping of small ones', async () => {
  const moments = async (clipNorm: number) => {
    const trainer = trainerOf(ATTENTION, { optimizer: 'adamw', clipNorm, beta1: 0 })
    run(trainer, 1)
    return engine.read(trainer.optimizer.m.flat)
  }
  const norm = (values: Float32Array) => Math.sqrt(values.reduce((sum, g) => sum + g * g, 0))
  const free = await moments(0)
  assert.equal(await moments(2 * norm(free)), free)
  const clipped = await moments(0.5 * norm(free))
  assert.ok(Math.abs(norm(clipped) / norm(free) - 0.5) < 1e-5)
  assert.ok(
    distance(
      clipped.map(g => 2 * g),
      free,
    ) < 1e-5,
  )
})

test('training stops where a number is not finite, naming step and tensor', async () => {
  const { train: data } = generateSudoku({ size: 4, train: 20, test: 2, clues: 6 })
  const { vocabulary, cells } = data.metadata
  const reports = async (poison: (trainer: Trainer, step: number) => void) => {
    let last = 0
    try {
      for await (const { step, trainer } of train(
        Trm.create(engine, { ...ATTENTION, vocabulary, cells, puzzles: 1 }),
        data,
        { batchSize: 4, steps: 20, logInterval: 4, warmupSteps: 1 },
      ))
        poison(trainer, (last = step))
    } catch (error) {
      return [last, (error as Error).message]
    }
    return [last]
  }
  assert.equal(await reports(() => {}), [20])
  const [last, message] = await reports(
    ({ model }, step) =>
      step === 8 &&
      model.parameters.write(
        'layers.1.mlp.down',
        new Float32Array(model.parameters.get('layers.1.mlp.down').size).fill(NaN),
      ),
  )
  assert.is(last, 8)
  assert.match(
    String(message),
    new RegExp(
      '^train: step 9 left \\d+ numbers that are not finite, the first in the gradient of tokens ' +
        '— lower the learning rate \\(now 0\\.0001\\), lengthen the warm-up or clip the gradients$',
    ),
  )
})

test('invalid options', () => {
  assert.throws(() => trainerOf(BARE, { freezeNetwork: true }), /^train: freezeNetwork leaves nothing to train/)
  assert.throws(
    () =>
      trainerOf(ATTENTION, {
        curriculum: [
          { until: 0.5, cycles: 1, latentSteps: 1 },
          { until: 0.4, cycles: 1, latentSteps: 1 },
        ],
      }),
    /^train: the stages of the curriculum end at 0\.5, 0\.4 of the steps, expected rising shares of up to 1$/,
  )
  assert.throws(
    () => trainerOf(ATTENTION, { curriculum: [{ until: 0.5, cycles: 0, latentSteps: 1 }] }),
    /^config: cycles is 0/,
  )
  assert.throws(
    () =>
      trainerOf(
        { ...ATTENTION, architecture: 'transformer', highLayers: 1 },
        { curriculum: [{ until: 0.5, cycles: 2, latentSteps: 1 }] },
      ),
    /^config: a transformer has no other depth than 1 × 1$/,
  )
  assert.throws(
    () => trainerOf(ATTENTION, { batchSize: 0 }),
    /^train: batchSize is 0, expected a whole number of at least 1$/,
  )
  assert.throws(
    () => trainerOf(ATTENTION, { microBatch: 0.5 }),
    /^train: microBatch is 0.5, expected a whole number of at least 1$/,
  )
})

test.run()
