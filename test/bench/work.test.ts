// Declared FLOP and bytes agree with independent counts: loops, bound tensors, the products that a model dispatches.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type BenchAdapter, missingCases } from '../../bench/case.js'
import { allCases } from '../../bench/cases.js'
import {
  MIDDLE,
  modelSizes,
  OFFICIAL_ATTENTION,
  OFFICIAL_MLP,
  type Planner,
  planner,
  randomPuzzles,
  SMALL,
} from '../../bench/models.js'
import { chooseCases } from '../../bench/suite.js'
import {
  attentionBackwardWork,
  attentionWork,
  inferenceWork,
  linearSizes,
  matmulWork,
  mixSizes,
  networkWork,
  optimizerWork,
  parameterCount,
  rmsnormWork,
  swigluWork,
  trainingWork,
  type Work,
} from '../../bench/work.js'
import type { Engine } from '../../src/engine/index.js'
import { type Bound, isTensor } from '../../src/engine/tensor.js'
import type { Kernel } from '../../src/kernels/kernel.js'
import { lengthOf, type TrmConfig } from '../../src/trm/config.js'
import { Slots } from '../../src/trm/slots.js'
import { Trm } from '../../src/trm/model.js'
import { planMemory } from '../../src/trm/training/memory.js'
import { Trainer } from '../../src/trm/training/trainer.js'
import { openEngine } from '../engine-under-test.js'

const SOFTWARE = { isSoftware: true, features: [], subgroupMatrices: [] }
const GPU: BenchAdapter = {
  isSoftware: false,
  features: ['shader-f16'],
  subgroupMatrices: [{ component: 'f16', m: 16, n: 16, k: 16 }],
}

const engine = await openEngine()
test.after(() => engine.close())

test('a matrix product, counted one multiply-add at a time', () => {
  const [m, n, k, pairs] = [3, 4, 5, 2]
  let flop = 0
  for (let pair = 0; pair < pairs; pair++)
    for (let i = 0; i < m; i++) for (let j = 0; j < n; j++) for (let l = 0; l < k; l++) flop += 2
  assert.equal(matmulWork({ m, n, k, batch: pairs }), { flop, products: flop, bytes: 4 * 2 * (15 + 20 + 12) })
  assert.is(matmulWork({ m, n, k, reduce: pairs }).bytes, 4 * (2 * 15 + 2 * 20 + 12))
  assert.is(matmulWork({ m, n, k, batch: pairs, sharedA: true }).bytes, 4 * (15 + 2 * 20 + 2 * 12))
  assert.is(matmulWork({ m, n, k, accumulate: true }).bytes, 4 * (15 + 20 + 2 * 12))
})

test('the three products of a layer do the same work', () => {
  for (const sizes of [linearSizes(7, 5, 3), mixSizes(2, 5, 7, 3)]) {
    const [first, ...others] = Object.values(sizes).map(size => matmulWork(size).flop)
    assert.equal(others, [first, first])
  }
})

test('in float16 models move half the bytes, but for the optimiser', () => {
  for (const work of [networkWork, inferenceWork]) {
    const whole = work(SMALL, 3)
    assert.equal(work(SMALL, 3, 'f16'), { ...whole, bytes: whole.bytes / 2 })
  }
  const [whole, half] = [trainingWork(SMALL, 3), trainingWork(SMALL, 3, 3, 'f16')]
  const optimizer = optimizerWork(parameterCount(SMALL))
  assert.is(half.flop, whole.flop)
  assert.is(half.bytes, (whole.bytes - optimizer.bytes) / 2 + optimizer.bytes)
})

test('numbers worked out by hand', () => {
  assert.is(matmulWork({ m: 1088, n: 512, k: 64 }).flop, 71303168)
  assert.is(rmsnormWork(2, 8).flop, 2 * (8 + 8 + 8 + 8 + 3))
  assert.is(swigluWork(6).bytes, 6 * 12)
  // Two sequences of 4 positions, 3 heads of 8: scores and values are 2 · 4 · 4 · 8 multiply-adds in each of 6 heads.
  const shape = { batch: 2, length: 4, heads: 3, headDim: 8 }
  assert.is(attentionWork(shape).flop, 6 * (2 * (4 * 4 * 8) * 2))
  assert.is(attentionBackwardWork(shape).flop, 2.5 * attentionWork(shape).flop)
  // Turned: of 2 · 4 positions 2 · 3 · 8 values of queries and keys, three operations each; a table of 4 · 8.
  assert.is(attentionWork(shape, true).flop - attentionWork(shape).flop, 2 * 4 * (2 * 3 * 8) * 3)
  assert.is(attentionBackwardWork(shape, true).bytes - attentionBackwardWork(shape).bytes, 4 * 4 * 8)
  assert.is(optimizerWork(10).bytes, 10 * 4 * (5 + 4))
  assert.is(parameterCount(OFFICIAL_MLP), 5028866)
  assert.is(parameterCount(OFFICIAL_ATTENTION), 6828034)
})

// By kernels that bind tensors alone, no copies of them in textures.
for (const [family, variant] of [
  ['matmul', 'vec4 8×16'],
  ['mlp block', 'composed'],
  ['attention', 'thread'],
])
  engine.variants.force(family, variant)

/** FLOP of the products that prepared work dispatches, and bytes of the tensors that its dispatches bind. */
function dispatched(prepare: (engine: Engine) => () => void): { products: number; bytes: number } {
  let [products, bytes] = [0, 0]
  const counting: Engine = Object.assign(Object.create(engine) as Engine, {
    dispatch<Size>(kernel: Kernel<Size>, given: Readonly<Record<string, Bound>>, size: Size) {
      const { m, n, k, batch = 1, reduce = 1 } = size as Record<string, number>
      if (m && n && k) products += 2 * m * n * k * batch * reduce
      const bound = Object.keys(kernel.bindings).map(name => given[name])
      bytes += [...new Set(bound)].reduce((sum, one) => sum + (isTensor(one) ? one.bytes : 0), 0)
    },
    // For tensors that are read through textures, the copies count.
    encode(work: Parameters<Engine['encode']>[0]) {
      const copyBufferToTexture: GPUCommandEncoder['copyBufferToTexture'] = (_, { texture }, size) => {
        const [width, height = 1] = size as number[]
        bytes += width * height * (texture.format === 'rgba32float' ? 16 : 4)
      }
      work({ copyBufferToTexture } as GPUCommandEncoder)
    },
  })
  const run = prepare(counting)
  ;[products, bytes] = [0, 0]
  run()
  return { products, bytes }
}

const sample: TrmConfig = {
  ...SMALL,
  hidden: 16,
  puzzleWidth: 16,
  cells: 5,
  vocabulary: 7,
  layers: 2,
  cycles: 3,
  latentSteps: 2,
}
const models: Record<string, TrmConfig> = {
  'token mixing': sample,
  attention: { ...MIDDLE, hidden: 16, heads: 2, cells: 6, vocabulary: 5, cycles: 2, latentSteps: 3 },
}

for (const [name, config] of Object.entries(models)) {
  test(`the products of a model are those that it dispatches: ${name}`, () => {
    const batch = 3
    const network = dispatched(on => {
      const model = Trm.create(on, config)
      const h = on.lasting([batch, lengthOf(config), config.hidden])
      return () => on.scope(() => void model.network(h, on.lasting(h.shape)))
    })
    assert.is(networkWork(config, batch).products, network.products)
    const inference = dispatched(on => {
      const model = Trm.create(on, config)
      const slots = new Slots(model, batch)
      return () =>
        on.scope(() => {
          model.withoutGradient(slots.carry, model.embed(slots.inputs, slots.puzzleRows()), config.cycles)
          model.heads(slots.carry.y)
        })
    })
    assert.is(inferenceWork(config, batch).products, inference.products)
    for (const microBatch of [3, 2]) {
      const training = dispatched(
        on => () =>
          new Trainer(Trm.create(on, config), { batchSize: batch, microBatch }).step(randomPuzzles(config, batch)),
      )
      assert.is(trainingWork(config, batch, microBatch).products, training.products, `micro-batch ${microBatch}`)
    }
  })
}

test('products are most of the work of a model; its bytes are those of the bound tensors within a factor of 2', () => {
  const checks: [Work, number][] = []
  for (const config of Object.values(models)) {
    const { bytes } = dispatched(on => {
      const model = Trm.create(on, config)
      const h = on.lasting([3, lengthOf(config), config.hidden])
      return () => on.scope(() => void model.network(h, on.lasting(h.shape)))
    })
    checks.push([networkWork(config, 3), bytes])
  }
  for (const [{ flop, products, bytes }, bound] of checks) {
    assert.ok(flop > products && flop < 2 * products, `${flop} and ${products}`)
    assert.ok(bytes > bound / 2 && bytes < bound * 2, `${bytes} and ${bound}`)
  }
})

test('cases bind the bytes that they declare', () => {
  const chosen = chooseCases(allCases(SOFTWARE), ['matmul', 'rmsnorm', 'swiglu'], ['small', 'middle'])
  assert.ok(chosen.length > 12)
  for (const { name, work, prepare } of chosen) {
    const { bytes } = dispatched(prepare)
    // A norm binds x again where it has no residual, and its factors are small.
    assert.ok(Math.abs(bytes / work.bytes - 1) < 0.02, `${name}: ${bytes} bound, ${work.bytes} declared`)
  }
})

test('float16 and subgroup matrices are cases of GPUs that have them; a line says what is missing', () => {
  const named = (adapter: BenchAdapter, text: string) => allCases(adapter).filter(({ name }) => name.includes(text))
  assert.is(named(SOFTWARE, 'f16').length, 0)
  assert.equal(missingCases(SOFTWARE), [])
  assert.ok(
    named(GPU, 'f16 training step, batch 768').length === 2 &&
      named(GPU, 'f16 without matrices training step').length === 2,
  )
  assert.equal(missingCases(GPU), [])
  assert.is(named({ ...GPU, subgroupMatrices: [] }, 'without matrices').length, 0)
  assert.match(missingCases({ ...GPU, subgroupMatrices: [] }).join(), /^skipped: subgroup matrices/)
  assert.match(
    missingCases({ ...GPU, features: [] }).join(),
    /^skipped: cases in float16, this adapter has no shader-f16$/,
  )
  if (!engine.adapter.features.includes('shader-f16')) return
  // What a dry run writes is never read, and converting it to float16 takes seconds.
  const dry = Object.assign(engine.dryRun(), { write() {} })
  // Planning the micro-batches of the official models takes seconds.
  const planned = allCases(GPU, planner(engine))
  for (const text of [
    'f16 recursion step',
    'attention f16 with rope',
    'rmsnorm f16',
    'swiglu f16',
    'gated f16',
    'f16 mix',
  ]) {
    const before = dry.stats.dispatches
    for (const { name, prepare } of planned) if (name.includes(text)) prepare(dry)()
    assert.ok(dry.stats.dispatches > before, text)
  }
})

test('a GPU takes whole batches where they fit, else the micro-batches of a training', () => {
  const official = (plan: Planner, dtype: 'f32' | 'f16' = 'f32') =>
    modelSizes(false, dtype, plan).filter(({ batch }) => batch === 768)
  // An adapter with larger bindings than those of this machine.
  const large: Engine = Object.assign(Object.create(engine) as Engine, {
    adapter: { ...engine.adapter, isSoftware: false, maxTensorBytes: 2 ** 31 - 4 },
    device: {
      features: engine.device.features,
      limits: {
        maxBufferSize: 2 ** 40,
        maxStorageBufferBindingSize: 2 ** 31 - 4,
        maxStorageBuffersPerShaderStage: 16,
        maxTextureDimension2D: 65536,
      },
    },
  })
  assert.equal(
    official(planner(large)).map(({ microBatch }) => microBatch),
    [768, 768],
  )
  for (const dtype of engine.adapter.features.includes('shader-f16') ? (['f32', 'f16'] as const) : (['f32'] as const)) {
    for (const { config, microBatch } of official(planner(large, 8e9), dtype)) {
      assert.ok(
        microBatch < 768 && planMemory(large, config, { batchSize: 768, microBatch, dtype }).bytes <= 8e9,
        `${microBatch} at a time in ${dtype}`,
      )
      assert.throws(
        () => planMemory(large, config, { batchSize: 768, microBatch: 2 * microBatch, dtype, memoryLimit: 8e9 }),
        /needed with micro_batch/,
      )
    }
  }
  // What fits any adapter is not planned.
  assert.equal(
    modelSizes(true, 'f32', () => {
      throw new Error('planned')
    }).map(({ batch, microBatch }) => [batch, microBatch]),
    [
      [64, 64],
      [16, 16],
      [2, 2],
      [2, 2],
    ],
  )
})

test('names are unique, and every size is there', () => {
  for (const adapter of [SOFTWARE, GPU, { ...GPU, subgroupMatrices: [] }, { ...GPU, features: [] }]) {
    const cases = allCases(adapter)
    const names = cases.map(({ size, name }) => `${size} ${name}`)
    assert.is(new Set(names).size, names.length)
    assert.equal([...new Set(cases.map(({ size }) => size))].sort(), ['large', 'middle', 'official', 'small'])
    for (const { name, work } of cases) assert.ok(work.flop > 0 && work.bytes > 0, name)
  }
})

test('filters', () => {
  const cases = allCases(SOFTWARE)
  assert.is(chooseCases(cases, [], ['small', 'middle', 'official', 'large']).length, cases.length)
  assert.ok(
    chooseCases(cases, ['Middle RMS'], ['small', 'middle']).every(
      ({ size, name }) => size === 'middle' && name.startsWith('rmsnorm'),
    ),
  )
  assert.is(chooseCases(cases, ['nothing'], ['small']).length, 0)
})

test.run()
