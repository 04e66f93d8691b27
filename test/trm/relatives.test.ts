// The relatives of TRM against goldens of the published code, whole and in micro-batches; a changed weight must show.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { parseSafetensors, toFloat32, writeSafetensors } from '../../src/formats/safetensors.js'
import { loadCheckpoint, readCheckpoint, saveCheckpoint } from '../../src/trm/published/checkpoint.js'
import { type TrmConfig } from '../../src/trm/config.js'
import { readTorch } from '../../src/trm/published/foreign.js'
import { Trm } from '../../src/trm/model.js'
import { checkClass, configFromOfficial, configToOfficial } from '../../src/trm/published/names.js'
import { solve } from '../../src/trm/answers/solve.js'
import { Trainer } from '../../src/trm/training/trainer.js'
import { type Verification, verify } from '../../src/verify/verify.js'
import { golden } from '../files.js'
import { openEngine } from '../engine-under-test.js'
import { ATTENTION, puzzles } from './samples.js'

const engine = await openEngine()
test.after(() => engine.close())

const over = ({ rows }: Verification) => rows.filter(({ error, allowed }) => !(error <= allowed))

/** Golden files, with a tensor whose change must show. */
const GOLDENS = {
  'trm-singlez': 'inner.L_level.layers.0.mlp.down_proj.weight',
  'trm-hier6': 'inner.L5_init',
  hrm: 'inner.H_level.layers.1.mlp.gate_up_proj.weight',
  transformer: 'inner.H_level.layers.2.self_attn.o_proj.weight',
} as const

for (const [name, tensor] of Object.entries(GOLDENS)) {
  test(`${name} as published`, async () => {
    // The targets of q_continue belong to the slots of a chunk.
    for (const microBatch of name === 'hrm' ? [undefined, 2] : [undefined]) {
      const result = await verify(engine, await golden(name), { file: name, microBatch })
      assert.equal(over(result), [])
      assert.ok(result.ok && result.rows.length > 150, `${result.rows.length} rows`)
    }
  })

  test(`${name}: a changed value is noticed`, async () => {
    const { tensors, metadata } = parseSafetensors(await golden(name), name)
    const values = toFloat32(tensors.get(`init.${tensor}`)!).slice()
    values[5] += 0.01 * Math.hypot(...values)
    const changed = writeSafetensors(
      [...tensors].map(
        ([key, stored]) => [key, key === `init.${tensor}` ? { ...stored, data: values } : stored] as never,
      ),
      metadata,
    )
    const names = over(await verify(engine, changed, { file: name })).map(row => row.name)
    for (const expected of ['eval.1.logits', 'train.0.logits', 'grad.inner.lm_head.weight'])
      assert.ok(names.includes(expected), expected)
  })
}

const ONE_LAYER: TrmConfig = { ...ATTENTION, layers: 1 }
const SMALL: Record<string, TrmConfig> = {
  'single-z': { ...ONE_LAYER, architecture: 'single-z' },
  hier6: { ...ONE_LAYER, architecture: 'hier6', latentSteps: 3 },
  hrm: { ...ATTENTION, architecture: 'hrm', highLayers: 1 },
  transformer: { ...ONE_LAYER, architecture: 'transformer', highLayers: 2 },
}

for (const [name, config] of Object.entries(SMALL)) {
  test(`${name}: trains without new buffers, solves, and is saved and loaded bit for bit`, async () => {
    const trainer = new Trainer(Trm.create(engine, config, { seed: 1 }), {
      batchSize: 6,
      microBatch: 4,
      learningRate: 1e-3,
      warmupSteps: 1,
      emaRate: 0.9,
    })
    const { model } = trainer
    trainer.step(puzzles(1, 6, model.config))
    await engine.finish()
    const { buffers, bindGroups, reads } = engine.stats
    for (let i = 2; i < 5; i++) trainer.step(puzzles(i, 6, model.config))
    await engine.finish()
    const after = engine.stats
    assert.equal([after.buffers - buffers, after.bindGroups - bindGroups, after.reads - reads], [0, 0, 0])
    assert.ok(Number.isFinite((await trainer.readMetrics()).loss))
    const bytes = await saveCheckpoint(trainer.averaged)
    const loaded = loadCheckpoint(engine, bytes)
    assert.equal(loaded.config, model.config)
    assert.equal(await saveCheckpoint(loaded), bytes)
    assert.equal(configFromOfficial(configToOfficial(model.config)), model.config)
    // Without a configuration, names and shapes tell the architecture and its layers.
    const { tensors } = parseSafetensors(bytes)
    const { config: told } = readCheckpoint(writeSafetensors(tensors), name, {
      readTorch,
      config: { cells: 9, prefix: model.config.prefix, heads: 2 },
      fallback: model.config,
    })
    assert.equal(told, model.config)
    const answers: number[][] = []
    for await (const { answer } of solve(loaded, puzzles(1, 1, config).inputs)) answers.push([...answer])
    assert.is(answers.length, 4)
  })
}

test('hrm and transformer halt when q_halt is above q_continue, the others when it is above 0', async () => {
  for (const [name, config] of Object.entries({ trm: ONE_LAYER, ...SMALL })) {
    const relative = name === 'hrm' || name === 'transformer'
    for (const [q, halts] of [
      [[1, 2], !relative],
      [[-3, -4], relative],
      [[-4, -3], false],
      [[2, 1], true],
    ] as const) {
      const trainer = new Trainer(Trm.create(engine, { ...config, exploration: 0 }), { batchSize: 6 })
      // The weight of the halting head is 0 at the start: its bias is q.
      trainer.model.parameters.write('haltHead.bias', Float32Array.from(q))
      trainer.step(puzzles(1, 6, trainer.model.config))
      assert.equal(
        [...(await engine.readInt32(trainer.chunks[0].halted))],
        new Array(6).fill(Number(halts)),
        `${name}, q ${q}`,
      )
    }
  }
})

test('published weights tell their architecture', async () => {
  for (const [name, expected] of Object.entries({
    'trm-singlez': 'single-z',
    'trm-hier6': 'hier6',
    hrm: 'hrm',
    transformer: 'transformer',
    'trm-att-rope': 'trm',
  })) {
    const { tensors, metadata } = parseSafetensors(await golden(name), name)
    const fields = JSON.parse(metadata.config)
    const wanted = configFromOfficial({ ...fields, name: metadata.arch })
    const { cells, heads, cycles, latentSteps, supervisionSteps, exploration, positions } = wanted
    const stateDict = new Map(
      [...tensors]
        .filter(([key]) => key.startsWith('init.'))
        .map(([key, stored]) => [key.replace('init.', 'model.'), stored]),
    )
    const { config } = readCheckpoint(writeSafetensors(stateDict), name, {
      readTorch,
      config: {
        cells,
        heads,
        cycles,
        latentSteps,
        supervisionSteps,
        exploration,
        positions,
        prefix: fields.puzzle_emb_len,
        highLayers: fields.H_layers,
        layers: fields.L_layers,
        expansion: fields.expansion,
      },
    })
    assert.is(config.architecture, expected)
    assert.equal(config, wanted)
  }
  const { tensors } = parseSafetensors(await golden('trm-att-rope'))
  const stateDict = new Map(
    [...tensors].filter(([key]) => key.startsWith('init.')).map(([key, stored]) => [key.replace('init.', ''), stored]),
  )
  assert.throws(
    () => readCheckpoint(writeSafetensors(stateDict), 'a', { readTorch, config: { architecture: 'hrm' } }),
    /^a: the configuration says architecture is hrm, the tensors say trm/,
  )
})

test('one supervision step per puzzle: q_continue has nothing to predict', async () => {
  const trainer = new Trainer(Trm.create(engine, { ...SMALL.hrm, supervisionSteps: 1 }), { batchSize: 6 })
  trainer.step(puzzles(1, 6, trainer.model.config))
  assert.is((await trainer.readMetrics()).qContinueLoss, 0)
})

test('a log with more than is recomputed fails, and so does a wrong loss of q_continue', async () => {
  const { tensors, metadata } = parseSafetensors(await golden('hrm'), 'hrm')
  const log = JSON.parse(metadata.train_log)
  log[0].q_continue_loss *= 1.01
  log[1].q_other_loss = 1
  const changed = writeSafetensors(tensors, { ...metadata, train_log: JSON.stringify(log) })
  assert.equal(
    over(await verify(engine, changed)).map(row => row.name),
    ['train.0.q_continue_loss', 'train.1.q_other_loss (not recomputed)'],
  )
})

test('configurations: names of the published code, fields without effect, mistakes', () => {
  const data = { vocab_size: 5, seq_len: 9, num_puzzle_identifiers: 4 }
  const of = (fields: Record<string, unknown>) => configFromOfficial({ ...data, ...fields })
  assert.is(of({}).architecture, 'trm')
  assert.is(of({ name: 'recursive_reasoning.trm@TinyRecursiveReasoningModel_ACTV1', H_layers: 3 }).highLayers, 0)
  assert.is(of({ name: 'recursive_reasoning.trm_singlez@TinyRecursiveReasoningModel_ACTV1' }).architecture, 'single-z')
  assert.is(of({ name: 'trm_hier6' }).architecture, 'hier6')
  const hrm = of({
    name: 'recursive_reasoning.hrm@HierarchicalReasoningModel_ACTV1',
    H_layers: 4,
    L_layers: 3,
    puzzle_emb_len: 16,
  })
  assert.equal([hrm.architecture, hrm.highLayers, hrm.layers, hrm.prefix], ['hrm', 4, 3, 0])
  const transformer = of({
    name: 'recursive_reasoning.transformers_baseline@Model_ACTV2',
    H_layers: 8,
    H_cycles: 3,
    mlp_t: true,
  })
  assert.equal(
    [transformer.architecture, transformer.highLayers, transformer.cycles, transformer.tokenMixing],
    ['transformer', 8, 1, false],
  )
  // The name in HRM's own code, and a class of another model.
  assert.equal(
    [
      of({ name: 'hrm.hrm_act_v1@HierarchicalReasoningModel_ACTV1', H_layers: 1 }).architecture,
      of({ name: 'models.hrm.hrm_act_v1:HierarchicalReasoningModel_ACTV1', H_layers: 1 }).architecture,
    ],
    ['hrm', 'hrm'],
  )
  assert.throws(
    () => checkClass('recursive_reasoning.trm@MyModel'),
    /^config: architecture "recursive_reasoning.trm@MyModel", expected class TinyRecursiveReasoningModel_ACTV1$/,
  )
  assert.throws(
    () => of({ name: 'recursive_reasoning.gpt@Model' }),
    new RegExp(
      '^config: architecture "recursive_reasoning.gpt@Model", ' +
        'expected trm, trm_singlez, trm_hier6, hrm, transformers_baseline$',
    ),
  )
  assert.throws(() => of({ name: 'hrm' }), /^config: H_layers is 0, hrm needs at least 1$/)
  assert.throws(
    () => of({ name: 'trm_hier6', L_cycles: 7 }),
    /^config: L_cycles is 7, hier6 has 6 latents and takes 1 … 6$/,
  )
})

test.run()
