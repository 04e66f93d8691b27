// Memory of a training: predicted by a dry run, limited, and refused in advance with the micro-batch that fits.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { generateSudoku } from '../../../src/data/index.js'
import type { TrmConfig } from '../../../src/trm/config.js'
import { type MemoryOptions, planMemory } from '../../../src/trm/training/memory.js'
import { Trm } from '../../../src/trm/model.js'
import { presets, resolveRun } from '../../../src/trm/published/settings.js'
import { train } from '../../../src/trm/training/train.js'
import { Trainer } from '../../../src/trm/training/trainer.js'
import { openEngine } from '../../engine-under-test.js'
import { ATTENTION, LEARNED, OFFICIAL, puzzles, TOKEN_MIXING } from '../samples.js'

const engine = await openEngine()
test.after(() => engine.close())

const HRM: TrmConfig = { ...LEARNED, architecture: 'hrm', layers: 1, highLayers: 2 }
const CASES: [name: string, config: TrmConfig, options: MemoryOptions][] = [
  ['token mixing, a batch in one piece', { ...TOKEN_MIXING, latentSteps: 4 }, { batchSize: 6, emaRate: 0 }],
  [
    'token mixing, micro-batches of two sizes, recomputing',
    { ...TOKEN_MIXING, latentSteps: 4 },
    { batchSize: 7, microBatch: 3, recompute: true, optimizer: 'adamw' },
  ],
  [
    'attention, micro-batches, a curriculum of depth, clipping',
    ATTENTION,
    {
      batchSize: 6,
      microBatch: 2,
      clipNorm: 1,
      totalSteps: 4,
      curriculum: [{ until: 0.5, cycles: 1, latentSteps: 1 }],
    },
  ],
  ['HRM, micro-batches of two sizes', HRM, { batchSize: 6, microBatch: 4 }],
]

for (const [name, config, options] of CASES) {
  test(`predicted to the byte: ${name}`, async () => {
    const { bytes, microBatch } = planMemory(engine, config, options)
    const on = await openEngine()
    const before = on.bytes
    const trainer = new Trainer(Trm.create(on, config), options)
    for (let step = 0; step < 4; step++) trainer.step(puzzles(step, options.batchSize, config))
    await trainer.readMetrics()
    assert.is(bytes, on.bytes - before)
    assert.is(microBatch, options.microBatch ?? options.batchSize)
    on.close()
  })
}

/** The largest micro-batch that fits, found by trying every way to cut the batch. */
function greatest(config: TrmConfig, options: MemoryOptions, limit: number): number | undefined {
  for (let pieces = 1; pieces <= options.batchSize; pieces++) {
    const microBatch = Math.ceil(options.batchSize / pieces)
    if (planMemory(engine, config, { ...options, microBatch }).bytes <= limit) return microBatch
  }
  return undefined
}

test('a limit makes micro-batches as large as fit', () => {
  for (const [config, batchSize] of [
    [ATTENTION, 30],
    [TOKEN_MIXING, 12],
    [TOKEN_MIXING, 13],
  ] as const) {
    const whole = planMemory(engine, config, { batchSize }).bytes
    for (const share of [1, 0.9, 0.6, 0.4]) {
      const memoryLimit = Math.floor(whole * share)
      const expected = greatest(config, { batchSize }, memoryLimit)
      if (expected === undefined)
        assert.throws(() => planMemory(engine, config, { batchSize, memoryLimit }), /needed with micro_batch 1/)
      else {
        const { microBatch, bytes } = planMemory(engine, config, { batchSize, memoryLimit })
        assert.ok(
          microBatch <= expected && microBatch >= 0.75 * expected,
          `${microBatch} of ${batchSize} slots in ${share} of the memory, ${expected} fit`,
        )
        assert.ok(bytes <= memoryLimit)
      }
    }
  }
})

test('a micro-batch that does not fit is refused, naming those that do, and nothing is made', () => {
  const before = { ...engine.stats }
  const config = { ...ATTENTION, latentSteps: 6 }
  const whole = planMemory(engine, config, { batchSize: 24 }).bytes
  const memoryLimit = Math.floor(whole * 0.6)
  const refusal = (options: Partial<MemoryOptions>) => {
    try {
      planMemory(engine, config, { batchSize: 24, ...options })
    } catch (error) {
      return (error as Error).message
    }
    throw new Error('not refused')
  }
  const message = new RegExp(
    '^train: .* needed with micro_batch 24, the limit is .*B ' +
      '— use micro_batch (\\d+), or micro_batch (\\d+) with recompute$',
  )
  const [, micro, again] = message.exec(refusal({ memoryLimit, microBatch: 24 }))!.map(Number)
  assert.is(micro, greatest(config, { batchSize: 24 }, memoryLimit))
  assert.is(again, greatest(config, { batchSize: 24, recompute: true }, memoryLimit))
  assert.ok(again > micro)
  assert.match(
    refusal({ memoryLimit: 1000 }),
    /^train: .* needed with micro_batch 1, the limit is 0\.0 MB — use a smaller model$/,
  )
  const { maxTensorBytes } = engine.adapter
  const tooMany = 8 * Math.ceil(maxTensorBytes / (4 * 11 * 512 * 8))
  assert.match(
    refusal({ batchSize: tooMany, microBatch: tooMany }),
    new RegExp(`^train: .* needed with micro_batch ${tooMany}, this adapter binds .* at most — use micro_batch \\d+`),
  )
  assert.equal(engine.stats, before)
})

test('puzzle embeddings larger than a binding are refused with a hint', () => {
  const before = { ...engine.stats }
  const { maxTensorBytes } = engine.adapter
  const puzzles = Math.ceil((maxTensorBytes + 4) / (4 * 512))
  const config = { ...ATTENTION, hidden: 512, heads: 8, puzzleWidth: 512, puzzles }
  assert.throws(
    () => planMemory(engine, config, { batchSize: 1 }),
    new RegExp(
      `^puzzle_emb \\(num_puzzle_identifiers ${puzzles} × puzzle_emb_ndim 512\\): .*B needed, ` +
        'this adapter binds .*B at most — use data with fewer augmentations, or puzzle_emb_ndim 511$',
    ),
  )
  planMemory(engine, { ...config, puzzleWidth: 511 }, { batchSize: 1 })
  assert.equal(engine.stats, before)
})

test('the published networks with their batch size: the micro-batch that fits this adapter', () => {
  for (const [name, config] of Object.entries(OFFICIAL)) {
    const started = performance.now()
    const plan = planMemory(engine, config, { batchSize: 768 })
    const small = planMemory(engine, config, { batchSize: 768, memoryLimit: 2e9, recompute: true })
    console.log(
      `${name}: ${plan.microBatch} slots at a time take ${(plan.bytes / 1e9).toFixed(2)} GB; ` +
        `in 2 GB with recomputing ${small.microBatch}; ${(performance.now() - started).toFixed(0)} ms`,
    )
    assert.ok(small.bytes <= 2e9 && small.microBatch > 1 && 768 % plan.microBatch === 0)
  }
})

test('train keeps to the limit, and trains the same', async () => {
  const data = generateSudoku({ size: 4, train: 40, test: 4, clues: 8 })
  const { config, options } = resolveRun(
    { ...presets.tiny.settings, steps: 1, global_batch_size: 8, arch: { ...presets.tiny.settings.arch, L_cycles: 6 } },
    data.train.metadata,
  )
  const memoryLimit = Math.floor(0.8 * planMemory(engine, config, options).bytes)
  for await (const { trainer } of train(Trm.create(engine, config), data.train, { ...options, memoryLimit }))
    assert.equal(
      trainer.chunks.map(({ count }) => count),
      [4, 4],
    )
  const refused = train(Trm.create(engine, config), data.train, { ...options, microBatch: 8, memoryLimit }).next()
  await refused.then(
    () => assert.unreachable(),
    ({ message }) => assert.match(message, /needed with micro_batch 8, the limit is .* — use micro_batch 4/),
  )
})

test.run()
