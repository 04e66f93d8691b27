// A resumed training gives the bits of an uninterrupted one; states of other trainings are refused.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { generateSudoku } from '../../../src/data/sudoku.js'
import type { Engine } from '../../../src/engine/index.js'
import { parseSafetensors, writeSafetensors } from '../../../src/formats/safetensors.js'
import { loadCheckpoint, saveCheckpoint } from '../../../src/trm/published/checkpoint.js'
import { DEFAULTS, type TrmConfig } from '../../../src/trm/config.js'
import { planMemory } from '../../../src/trm/training/memory.js'
import { Trm } from '../../../src/trm/model.js'
import { fingerprint, readTraining, type TrainingState } from '../../../src/trm/training/resume.js'
import { train, type TrainOptions } from '../../../src/trm/training/train.js'
import { matmulFamily } from '../../../src/engine/ops/matmul.js'
import { offer } from '../../../src/engine/variants.js'
import { openEngine } from '../../engine-under-test.js'
import { sha256 } from '../../files.js'

// Some adapters can run a single variant. For them this offers a second one of the same kernel.
const portable = matmulFamily.variants.find(({ name }) => name === 'vec4 8×16')!
offer(matmulFamily, { ...portable, name: 'twin' })

const engine = await openEngine()
/** Trainings are resumed on another device. It compiles what several of them need once. */
const other = await openEngine()
test.after(() => {
  engine.close()
  other.close()
})

const { train: data } = generateSudoku({ size: 4, train: 20, test: 2, clues: 6, seed: 1 })
const { train: otherData } = generateSudoku({ size: 4, train: 20, test: 2, clues: 6, seed: 2 })
const { vocabulary, cells, puzzles: identifiers } = data.metadata

const ATTENTION: TrmConfig = {
  ...DEFAULTS,
  vocabulary,
  cells,
  puzzles: identifiers,
  hidden: 16,
  heads: 2,
  expansion: 1,
  cycles: 2,
  latentSteps: 1,
  supervisionSteps: 3,
  exploration: 0.5,
  layers: 1,
  puzzleWidth: 16,
  prefix: 1,
}
const MIXING: TrmConfig = { ...ATTENTION, tokenMixing: true, positions: 'none' }
const BARE: TrmConfig = { ...ATTENTION, puzzleWidth: 0, prefix: 0 }

const HRM: TrmConfig = { ...ATTENTION, architecture: 'hrm', highLayers: 2, prefix: 0 }

/** Steps of a whole training, and of its first part. */
const [STEPS, PART] = [6, 3]

const OPTIONS: TrainOptions = {
  batchSize: 6,
  steps: STEPS,
  logInterval: 1,
  learningRate: 1e-3,
  warmupSteps: 2,
  emaRate: 0.9,
  seed: 3,
}

interface Left {
  model: Uint8Array
  training: Uint8Array
  metrics: { step: number; loss: number; count: number }[]
}

/** Trains up to step `until`, then stops. */
async function run(on: Engine, config: TrmConfig, options: Partial<TrainOptions>, until = STEPS): Promise<Left> {
  const metrics: Left['metrics'] = []
  for await (const { step, loss, count, averaged, saveTraining } of train(
    Trm.create(on, config, { seed: options.resume ? 99 : 1 }),
    data,
    { ...OPTIONS, ...options },
  )) {
    metrics.push({ step, loss, count })
    if (step === until) return { model: await saveCheckpoint(averaged), training: await saveTraining(), metrics }
  }
  throw new Error(`no report of step ${until}`)
}

const CASES: [name: string, config: TrmConfig, options: Partial<TrainOptions>][] = [
  ['attention, two layers', { ...ATTENTION, layers: 2 }, {}],
  ['token mixing', MIXING, {}],
  ['attention in micro-batches of 4', ATTENTION, { microBatch: 4 }],
  ['token mixing in micro-batches of 4', MIXING, { microBatch: 4 }],
  ['the Hierarchical Reasoning Model', HRM, {}],
  [
    'a curriculum of depth, clipping',
    ATTENTION,
    {
      clipNorm: 0.1,
      curriculum: [
        { until: 0.3, cycles: 1, latentSteps: 1 },
        { until: 0.7, cycles: 1, latentSteps: 2 },
      ],
    },
  ],
  ['a frozen network', MIXING, { freezeNetwork: true }],
  [
    'no puzzle embedding, no average, a cosine, AdamW',
    BARE,
    { emaRate: 0, minLearningRateRatio: 0.1, optimizer: 'adamw' },
  ],
]

for (const [name, config, options] of CASES) {
  test(`${name}: ${STEPS} steps are ${PART} steps and ${STEPS - PART} steps`, async () => {
    const whole = await run(engine, config, options)
    const first = await run(engine, config, options, PART)
    const second = await run(other, config, { ...options, resume: readTraining(first.training) })
    assert.equal([...first.metrics, ...second.metrics], whole.metrics)
    assert.is(await sha256(second.model), await sha256(whole.model), 'the model')
    assert.is(await sha256(second.training), await sha256(whole.training), 'the state')
  })
}

test('a run with chosen kernels continues with them on an engine that would take others', async () => {
  const chosen = await openEngine()
  const { asked } = planMemory(chosen, MIXING, OPTIONS).trainer.model.engine.variants
  chosen.variants.adopt(
    Object.fromEntries(
      asked.map(({ key, family, size }) => [key, chosen.variants.candidates(family, size).at(-1)!.name]),
    ),
  )
  const whole = await run(chosen, MIXING, {})
  const first = readTraining((await run(chosen, MIXING, {}, PART)).training)
  chosen.close()
  assert.ok(
    asked.length > 5 &&
      asked.every(({ key, variant }) => first.variants[key] !== variant || !key.startsWith('matmul ')),
    JSON.stringify(first.variants),
  )
  const fresh = await openEngine()
  const second = await run(fresh, MIXING, { resume: first })
  fresh.close()
  assert.equal(second.metrics, whole.metrics.slice(PART))
  assert.is(await sha256(second.training), await sha256(whole.training))
})

test('by default the micro-batch is that of the state; another one changes the run hardly', async () => {
  const first = await run(engine, ATTENTION, { microBatch: 4 }, PART)
  const whole = await run(engine, ATTENTION, { microBatch: 4 })
  const same = await run(engine, ATTENTION, { resume: readTraining(first.training) })
  assert.equal(same.training, whole.training)
  const others = await run(engine, ATTENTION, { microBatch: 2, resume: readTraining(first.training) })
  for (const [i, { loss }] of others.metrics.entries())
    assert.ok(Math.abs(loss - whole.metrics[PART + i].loss) < 1e-3 * loss)
})

test('a state is a checkpoint of the trained values, and its training may become longer', async () => {
  const { training } = await run(engine, ATTENTION, {}, PART)
  assert.equal(loadCheckpoint(engine, training).config, ATTENTION)
  const longer = await run(engine, ATTENTION, { steps: STEPS + 2, resume: readTraining(training) }, STEPS + 2)
  assert.equal(
    longer.metrics.map(({ step }) => step),
    [4, 5, 6, 7, 8],
  )
})

test('reports by time change only the number of reports', async () => {
  const whole = await run(engine, BARE, {})
  for (const [logSeconds, reports] of [
    [0, STEPS],
    [3600, 1],
  ]) {
    const { model, training, metrics } = await run(engine, BARE, { logSeconds })
    assert.is(metrics.length, reports)
    assert.equal(model, whole.model)
    assert.equal(training, whole.training)
  }
})

async function refusal(
  resume: TrainingState,
  config = ATTENTION,
  options: Partial<TrainOptions> = {},
  on = data,
): Promise<string> {
  const model = Trm.create(engine, config)
  const before = await saveCheckpoint(model)
  try {
    for await (const { step } of train(model, on, { ...OPTIONS, ...options, resume }))
      throw new Error(`went on to step ${step}`)
  } catch (error) {
    assert.equal(await saveCheckpoint(model), before, 'nothing is overwritten')
    return (error as Error).message
  }
  return 'nothing'
}

test('states with other data, configurations or options are refused with the reason', async () => {
  const state = readTraining((await run(engine, ATTENTION, {}, 2)).training, 'a.safetensors')
  assert.match(
    await refusal(state, ATTENTION, {}, otherData),
    new RegExp(
      '^a\\.safetensors: it is of a training on other data \\(fingerprint \\w{12}, expected \\w{12}\\) ' +
        '— resume with the data that the run began with$',
    ),
  )
  assert.match(
    await refusal(state, { ...ATTENTION, latentSteps: 2 }),
    /^a\.safetensors: it is of a training with latentSteps 1, this one has 2 — resume with the settings/,
  )
  assert.match(
    await refusal(state, MIXING),
    /with positions "rope", this one has "none"|with tokenMixing false, this one has true/,
  )
  assert.match(await refusal(state, HRM), /with architecture "trm", this one has "hrm"|with \w+ .*, this one has/)
  assert.match(await refusal(state, ATTENTION, { learningRate: 1 }), /with learningRate 0\.001, this one has 1 /)
  assert.match(await refusal(state, ATTENTION, { batchSize: 4 }), /with batchSize 6, this one has 4 /)
  assert.match(await refusal(state, ATTENTION, { seed: 4 }), /with seed 3, this one has 4 /)
  assert.match(await refusal(state, ATTENTION, { epochsPerPass: 2 }), /with epochsPerPass 1, this one has 2 /)
  assert.match(await refusal(state, ATTENTION, { clipNorm: 1 }), /with clipNorm 0, this one has 1 /)
  const stages = { curriculum: [{ until: 0.5, cycles: 1, latentSteps: 1 }] }
  assert.match(await refusal(state, ATTENTION, stages), /with curriculum \[\], this one has \[\{"until":0\.5/)
  const staged = readTraining((await run(engine, ATTENTION, stages, 2)).training, 'b.safetensors')
  assert.match(await refusal(staged, ATTENTION, { ...stages, totalSteps: 8 }), /with totalSteps 6, this one has 8 /)
  assert.match(
    await refusal(state, ATTENTION, { minLearningRateRatio: 0.5 }),
    /with minLearningRateRatio 1, this one has 0\.5 /,
  )
})

test('cut off, foreign and damaged files', async () => {
  const { model, training } = await run(engine, ATTENTION, {}, 1)
  assert.throws(() => readTraining(training.subarray(0, training.length - 1000), 't'), /^t: .*truncated/)
  assert.throws(() => readTraining(training.subarray(0, 5), 't'), /^t: expected at least 8 bytes/)
  assert.throws(() => readTraining(model, 't'), /^t: it holds no state of a training, expected training\.safetensors/)
  const changed = (
    change: (metadata: Record<string, string>, tensors: ReturnType<typeof parseSafetensors>['tensors']) => void,
  ) => {
    const { tensors, metadata } = parseSafetensors(training)
    change(metadata, tensors)
    return writeSafetensors(tensors, metadata)
  }
  for (const text of ['{', 'null', '[]', '{"version": 2}', '{"version": 1, "step": -1}', '{"version": 1, "step": 1}']) {
    assert.throws(
      () =>
        readTraining(
          changed(metadata => (metadata.training = text)),
          't',
        ),
      /^t: its metadata entry "training" .* — the file is damaged/,
      text,
    )
  }
  const lacking = readTraining(
    changed((_, tensors) => tensors.delete('training.slots.y')),
    't',
  )
  assert.match(await refusal(lacking), /^t: tensor "training\.slots\.y" is missing/)
  const bent = readTraining(
    changed((_, tensors) => tensors.set('training.slots.steps', { dtype: 'I32', shape: [5], data: new Int32Array(5) })),
    't',
  )
  assert.match(await refusal(bent), /^t: tensor "training\.slots\.steps" is I32 \[5\], expected I32 \[6\]/)
})

test('the fingerprint depends on every array and the metadata, not on the order of fields', async () => {
  const base = await fingerprint(data)
  assert.match(base, /^[0-9a-f]{64}$/)
  const { metadata, ...arrays } = data
  assert.is(
    await fingerprint({
      ...(Object.fromEntries(Object.entries(arrays).reverse()) as typeof arrays),
      metadata: { ...metadata },
    }),
    base,
  )
  const changed = await Promise.all([
    fingerprint({ ...data, metadata: { ...metadata, padId: 1 } }),
    ...(Object.keys(arrays) as (keyof typeof arrays)[]).map(name => {
      const array = arrays[name]!.slice()
      array[array.length - 1]++
      return fingerprint({ ...data, [name]: array })
    }),
  ])
  assert.is(new Set([base, ...changed]).size, 7)
})

test.run()
