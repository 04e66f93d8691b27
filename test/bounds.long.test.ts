// No kernel reads or writes outside of its tensors: every operation, its derivative and all variants on awkward shapes.
// They run between guards without the bounds checks of Dawn, and again with every index checked. The bits must agree.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { generateSudoku } from '../src/data/sudoku.js'
import {
  add,
  type AdapterSummary,
  attention,
  batchMatmul,
  crossEntropy,
  defineKernel,
  dropout,
  embedding,
  Engine,
  firstPosition,
  gelu,
  linear,
  maskedAttention,
  mean,
  mlpBlock,
  mul,
  relu,
  reshape,
  rmsnorm,
  rope,
  ropeTable,
  scale,
  type Shape,
  softmax,
  squaredError,
  sum,
  swiglu,
  type Tensor,
  transpose,
} from '../src/engine/index.js'
import { mlpBlockFamily } from '../src/engine/ops/mlp-block.js'
import { gatedFamily } from '../src/engine/ops/gated.js'
import { attentionFamily } from '../src/engine/ops/attention.js'
import { matmul, matmulFamily } from '../src/engine/ops/matmul.js'
import { type AnyFamily, Variants } from '../src/engine/variants.js'
import type { MatmulSize } from '../src/kernels/matmul.js'
import { isLavapipe } from '../src/lavapipe/adapter.js'
import { offerLavapipe } from '../src/lavapipe/index.js'
import { offerMatrices } from '../src/matrices/index.js'
import { openGpu, waitAsleep } from '../src/node.js'
import { DEFAULTS, type TrmConfig } from '../src/trm/config.js'
import { evaluate } from '../src/trm/answers/evaluate.js'
import { Trm } from '../src/trm/model.js'
import type { TrainerOptions } from '../src/trm/training/options.js'
import { Trainer } from '../src/trm/training/trainer.js'
import { close, largest } from './close.js'
import { rootFolder } from './files.js'
import { integers, values } from './shapes.js'
import { puzzles } from './trm/samples.js'
import { guarded, indexed } from './watched-gpu.js'

offerLavapipe()
offerMatrices()
const free = await openGpu({ boundsChecks: false })
const guards = guarded(free.gpu)
const indices = indexed(free.gpu)
const [between, watched] = await Promise.all(
  [guards.gpu, indices.gpu].map(gpu => Engine.open({ gpu, wait: waitAsleep })),
)
const engines = [between, watched]
const own = watched.adapter
console.log(`adapter: ${own.description}`)
test.after(() => engines.forEach(engine => engine.close()))
const dtypes = own.features.includes('shader-f16') ? (['f32', 'f16'] as const) : (['f32'] as const)
if (dtypes.length === 1) console.log('skipped: tensors of float16, this adapter has no shader-f16')
type Stored = (typeof dtypes)[number]

/** Computes the same on every engine. @returns the values of the results */
type Work = (engine: Engine) => Promise<Float32Array[]>

interface CheckOptions {
  /** Variants that are tried elsewhere: the first characters of "family variant". */
  left?: readonly string[]
  /** A software adapter claims to be a GPU: the defaults of GPUs run. */
  asGpu?: boolean
  dtype?: Stored
  /** Only between guards: in whole models every size compiles kernels of its own. */
  onlyGuards?: boolean
}

/** @throws when bits differ; the message names the first such element */
function sameBits(what: string, guarded: Float32Array, indexed: Float32Array): void {
  const [a, b] = [guarded, indexed].map(({ buffer, byteOffset, length }) => new Uint32Array(buffer, byteOffset, length))
  const at = a.findIndex((word, i) => word !== b[i])
  if (at >= 0)
    throw new Error(`${what}: element ${at} is ${guarded[at]} between guards, ${indexed[at]} with watched indices`)
}

/** The plainest variant of every family: the last one that an adapter can run. */
function plain(adapter: AdapterSummary): Variants {
  const choices = new Variants(adapter)
  for (const { name, variants } of [matmulFamily, gatedFamily, attentionFamily, mlpBlockFamily]) {
    choices.force(name, variants.findLast(({ available }) => available(adapter, {} as never))!.name)
  }
  return choices
}

/**
 * Runs a work by the plainest variants, then by every other variant that can run it. Both engines must give equal bits.
 * Software adapters need seconds to compile kernels that are unrolled for GPUs or read textures: there these run only
 * with watched indices. The result of every variant must equal that of the plainest one, up to rounding.
 * @throws when an access is outside; the message names it
 */
async function check(
  name: string,
  work: Work,
  { left = ['matmul', 'gated'], asGpu = false, dtype = 'f32', onlyGuards = false }: CheckOptions = {},
): Promise<void> {
  const adapter = { ...own, isSoftware: own.isSoftware && !asGpu }
  let expected: Float32Array[] | undefined
  const done = new Set<string>()
  const tries: [family: string, variant?: AnyFamily['variants'][number]][] = [['']]
  for (const [family, variant] of tries) {
    const what = variant ? `${name}, ${family} by ${variant.name}` : name
    const isSlow =
      own.isSoftware && variant !== undefined && (variant.onlyHardware || variant.name.startsWith('textures'))
    // Tiled attention with watched indices takes half a minute.
    const used = onlyGuards
      ? [between]
      : !isSlow
        ? engines
        : family === 'attention' && variant.name === 'tiled'
          ? [between]
          : [watched]
    // In parallel: each device compiles in a thread of its own.
    const results = await Promise.all(
      used.map(async engine => {
        Object.assign(engine, { adapter, variants: plain(adapter) })
        if (variant) engine.variants.force(family, variant.name)
        const values = await work(engine)
        await engine.finish()
        return values
      }),
    )
    const outside = await indices.outside()
    if (outside) throw new Error(`${what}: ${outside}`)
    const last = results.at(-1)!
    expected ??= last
    for (const [i, values] of last.entries()) {
      const result = `${what}, result ${i}`
      sameBits(result, results[0][i], values)
      close(result, values, expected[i], {
        scale: largest(expected[i], 1),
        depth: 1e4,
        c: dtype === 'f16' ? 2 ** 15 : 4,
      })
    }
    for (const {
      family: { name, variants },
      size,
      variant: taken,
    } of used[0].variants.asked) {
      if (!variant) done.add(`${name} ${taken}`)
      for (const each of variants) {
        const key = `${name} ${each.name}`
        if (done.has(key) || left.some(part => key.startsWith(part)) || !each.available(adapter, size)) continue
        done.add(key)
        tries.push([name, each])
      }
    }
  }
  assert.equal(await guards.broken(), [], name)
}

/** A tensor of an open scope with random values. */
function drawn(engine: Engine, seed: number, shape: Shape, dtype: Stored = 'f32'): Tensor {
  const tensor = engine.tensor(shape, dtype)
  engine.write(tensor, values(seed, tensor.size))
  return tensor
}

/** An operation and the gradients of its inputs, written into new tensors and added to existing ones. */
const operation =
  (inputs: readonly (readonly [shape: Shape, dtype?: Stored])[], compute: (...tensors: Tensor[]) => Tensor): Work =>
  engine =>
    engine.scope(() => {
      const tensors = inputs.map(([shape, dtype], i) => drawn(engine, i + 1, shape, dtype))
      const reads: Promise<Float32Array>[] = []
      for (const accumulate of [false, true]) {
        const into = accumulate ? inputs.map(([shape], i) => drawn(engine, 11 + i, shape)) : undefined
        const gradients = engine.gradients(
          tensors,
          () => {
            const y = compute(...tensors)
            reads.push(engine.read(y))
            return [[y, drawn(engine, 9, y.shape, y.dtype as Stored)]]
          },
          { into, accumulate },
        )
        reads.push(...gradients.map(gradient => engine.read(gradient)))
      }
      // Without a tape, other kernels run.
      reads.push(engine.read(compute(...tensors)))
      return Promise.all(reads)
    })

test('a kernel that reaches one element outside is caught, by guards and by its indices', async () => {
  const reach = (index: string, place: string) =>
    defineKernel<object>({
      name: `reach ${index} ${place}`,
      source: `@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@compute @workgroup_size(1) fn main(@builtin(workgroup_id) group: vec3u) {
  let i = group.x;
  y[${place}] = x[${index}];
}`,
      bindings: { x: 'read', y: 'write' },
      constants: () => ({}),
      workgroups: () => [1, 1, 1],
    })
  // 64 elements fill a buffer, 61 leave padding behind.
  for (const length of [61, 64]) {
    const work =
      (index: string, place: string): Work =>
      engine =>
        engine.scope(() => {
          const [x, y] = [drawn(engine, 1, [length]), drawn(engine, 2, [length])]
          const kernel = reach(index, place)
          engine.dispatch({ ...kernel, workgroups: () => [length, 1, 1] }, { x, y }, {})
          return Promise.all([engine.read(y)])
        })
    await check('inside', work('i', 'i'))
    const failure = (index: string, place: string) =>
      check('outside', work(index, place)).then(
        () => 'nothing',
        error => (error as Error).message,
      )
    assert.match(
      await failure('i + 1', 'i'),
      new RegExp(`^outside: reach i \\+ 1 i: x\\[i \\+ 1\\] is index ${length} of ${length}, and 0 more`),
    )
    assert.match(
      await failure('i', 'i + 1'),
      new RegExp(`^outside: reach i i \\+ 1: y\\[i \\+ 1\\] is index ${length} of ${length}`),
    )
    assert.match(await failure('i - 1', 'i'), /x\[i - 1\] is index -1 of/)
    // By the guards alone.
    await guards.broken()
    const [poisoned] = await work('i + 1', 'i')(between)
    assert.ok(
      Number.isNaN(poisoned[length - 1]) && poisoned.subarray(0, length - 1).every(Number.isFinite),
      `${poisoned.slice(-2)}`,
    )
    assert.equal(await guards.broken(), [])
    await work('i', 'i + 1')(between)
    assert.equal(await guards.broken(), [`tensor: byte ${4 * length} of ${4 * length} was written`])
  }
})

const ODD = [
  [1, 1, 1],
  [33, 97, 17],
  [129, 66, 35],
] as const
/** A size whose rows are loaded in twos or fours. */
const FOURS = [36, 68, 20] as const
const product =
  (m: number, n: number, k: number, { dtype = 'f32', ...more }: Partial<MatmulSize> & { dtype?: Stored } = {}): Work =>
  engine =>
    engine.scope(() => {
      const { batch = 1, reduce = 1, sharedA, sharedB } = more
      const [a, b] = [
        [m * k, sharedA],
        [k * n, sharedB],
      ].map(([size, shared], i) => drawn(engine, i + 1, [Number(size) * (shared ? 1 : batch * reduce)], dtype))
      const c = drawn(engine, 3, [batch * m * n])
      matmul({ a, b, c }, { m, n, k, ...more })
      return Promise.all([engine.read(c)])
    })

for (const [transposeA, transposeB] of [
  [false, false],
  [false, true],
  [true, false],
  [true, true],
]) {
  test(`products${transposeA ? ', a transposed' : ''}${transposeB ? ', b transposed' : ''}`, async () => {
    const order = { transposeA, transposeB }
    // Tiles of 64 × 64 have the same text as larger ones, which take long to compile for each order.
    const left = transposeA || transposeB ? ['matmul tiled 128'] : []
    for (const [m, n, k] of ODD) await check(`${m}×${n}×${k}`, product(m, n, k, order), { left })
    await check(
      'batched, b shared, accumulated',
      product(33, 9, 17, { ...order, batch: 3, sharedB: true, accumulate: true }),
      { left },
    )
    await check('summed', product(9, 33, 17, { ...order, batch: 2, reduce: 3, accumulate: true }), { left })
    await check('as on a GPU', product(33, 97, 17, order), { left: ['matmul'], asGpu: true })
    // Here tiles load pairs by k. Those that load pairs along k are tested below, with gated columns.
    const isByK = transposeA && !transposeB
    await check('in fours', product(...FOURS, order), { left: [isByK ? 'matmul tiled 128' : 'matmul tiled'] })
  })
}

/** Batch, length, width. No sizes from 8 to 32: drivers unroll such loops, which takes long. */
const SHAPES = [
  [1, 1, 1],
  [3, 65, 37],
  [2, 97, 4],
] as const

if (isLavapipe(own)) {
  test('a product that is large enough for the largest tile of textures', async () => {
    await check('379×380×351', product(379, 380, 351), {
      left: ['matmul tiled', 'matmul subgroup', 'matmul textures 24', 'matmul textures 32'],
    })
  })
}

for (const dtype of dtypes) {
  const shapes = <T>(all: readonly T[]) => (dtype === 'f16' ? all.slice(1, 2) : all)

  test(`layers over either axis and their gates, ${dtype}`, async () => {
    for (const [batch, length, width, out] of shapes([
      [1, 1, 1, 1],
      [3, 65, 37, 5],
    ])) {
      const x = [[batch, length, width], dtype] as const
      await check(
        `linear ${batch}×${length}×${width} to ${out}`,
        operation([x, [[out, width], dtype]], (x, weight) => linear(x, weight)),
        { dtype },
      )
      await check(
        `mix ${batch}×${length}×${width} to ${out}`,
        operation([x, [[out, length], dtype]], (x, weight) => linear(x, weight, { axis: -2 })),
        { dtype },
      )
    }
    if (dtype === 'f16') await check('product', product(33, 97, 17, { dtype }), { dtype, left: ['matmul tiled'] })
    for (const gated of dtype === 'f32' ? (['rows', 'columns'] as const) : []) {
      const [m, n, k] = gated === 'columns' ? [17, 34, 36] : [17, 34, 33]
      const size = gated === 'columns' ? { m, n, k, transposeB: true } : { m: n, n: m, k, batch: 3, sharedA: true }
      await check(
        `gate and up ${m}×${n}×${k} by ${gated}`,
        engine =>
          engine.scope(() => {
            const { batch = 1 } = size as { batch?: number }
            const [a, b] = [drawn(engine, 1, [size.m * k]), drawn(engine, 2, [batch * size.n * k])]
            const c = engine.tensor([(batch * m * n) / 2])
            engine.variants.pick(gatedFamily, { ...size, gated }).apply(engine, { a, b, c }, { ...size, gated })
            return Promise.all([engine.read(c)])
          }),
        { left: ['matmul', `gated tiled ${gated === 'rows' ? '128×128' : '64×64'}`] },
      )
    }
  })

  test(`SwiGLU blocks, ${dtype}`, async () => {
    for (const [batch, length, width, inner] of shapes([
      [1, 1, 1, 1],
      [3, 65, 37, 9],
      [2, 7, 64, 32],
    ])) {
      for (const axis of [-1, -2] as const) {
        const over = axis === -1 ? width : length
        for (const injected of [false, true]) {
          const h = [[batch, length, width], dtype] as const
          await check(
            `block ${batch}×${length}×${width} by ${inner} over axis ${axis}${injected ? ', injection' : ''}`,
            operation(
              [h, [[2 * inner, over], dtype], [[over, inner], dtype], ...(injected ? [h] : [])],
              (x, gateUp, down, injection) => mlpBlock(x, gateUp, down, { injection, axis, epsilon: 1e-5 }),
            ),
            { dtype },
          )
        }
      }
    }
  })

  test(`attention, with rotary positions or without, ${dtype}`, async () => {
    // Narrow heads, because wider ones take long to compile.
    for (const [batch, length, heads, headDim] of shapes([
      [1, 1, 1, 2],
      [2, 37, 3, 2],
      [1, 65, 1, 8],
    ])) {
      const qkv = [[batch, length, 3 * heads * headDim], dtype] as const
      const name = `attention ${batch}×${length}, ${heads} heads of ${headDim}`
      const table = (engine: Engine) => engine.from(ropeTable(length, headDim, 10000), [length, headDim / 2, 2])
      if (headDim < 8)
        await check(
          name,
          operation([qkv], x => attention(x, heads)),
          { dtype },
        )
      await check(
        `${name}, with rope`,
        operation([qkv], x => attention(x, heads, { rope: table(x.engine) })),
        { dtype, left: headDim < 8 ? [] : ['attention thread unrolled'] },
      )
      await check(
        `${name}, rotated in place`,
        engine =>
          engine.scope(() => {
            const x = drawn(engine, 1, ...qkv)
            const [gradient] = engine.gradients([x], () => [[rope(x, table(engine), heads), drawn(engine, 2, ...qkv)]])
            return Promise.all([engine.read(x), engine.read(gradient)])
          }),
        { dtype },
      )
    }
    await check(
      'one position, one value a head',
      operation([[[3, 1, 3], dtype]], x => attention(x, 1)),
      { dtype },
    )
  })

  test(`norms, gates, sums and look-ups, ${dtype}`, async () => {
    for (const [batch, length, width] of shapes(SHAPES)) {
      const shape = [batch, length, width]
      const x = [shape, dtype] as const
      const name = shape.join('×')
      for (const axis of [-1, -2] as const) {
        await check(
          `norm ${name} over axis ${axis}`,
          operation([x], x => rmsnorm(x, { axis })),
          { dtype },
        )
        await check(
          `norm ${name} over axis ${axis}, residual`,
          operation([x, x], (x, residual) => rmsnorm(x, { axis, residual })),
          { dtype },
        )
      }
      await check(
        `norm ${name}, as on a GPU`,
        operation([x], x => rmsnorm(x)),
        { dtype, asGpu: true },
      )
      await check(
        `gate ${name}`,
        operation([[[batch, length, 2 * width], dtype]], x => swiglu(x)),
      )
      await check(
        `gate of rows ${name}`,
        operation([[[batch, 2 * length, width], dtype]], x => swiglu(x, { axis: -2 })),
      )
      await check(`add ${name}`, operation([x, x], add))
      await check(`bias ${name}`, operation([x, [[width]]], add))
      await check(
        `first position ${name}`,
        operation([x], x => firstPosition(x)),
      )
      await check(
        `squared error ${name}`,
        operation([x], x => squaredError(x, drawn(x.engine, 5, shape, dtype))),
      )
      await check(
        `look-up ${name}`,
        operation([[[length, width], dtype]], table =>
          embedding(table, table.engine.from(integers(4, batch * 7, length), [batch, 7])),
        ),
      )
    }
  })

  test(`operations for other networks, ${dtype}`, async () => {
    for (const [batch, length, width] of shapes(SHAPES)) {
      const shape = [batch, length, width]
      const x = [shape, dtype] as const
      const targets = integers(4, batch * length, width).map((target, i) => (i % 3 ? target : -1))
      const operations: Record<string, Work> = {
        mul: operation([x, x], mul),
        'mul by the last axis': operation([x, [[width], dtype]], mul),
        scale: operation([x], x => scale(x, -2)),
        relu: operation([x], relu),
        gelu: operation([x], gelu),
        softmax: operation([x], softmax),
        sum: operation([x], x => sum(x)),
        'mean of rows': operation([x], x => mean(x, { axis: -1 })),
        transpose: operation([x], x => transpose(x, [2, 0, 1])),
        reshape: operation([x], x => reshape(x, [batch * length, width])),
        dropout: operation([x], x => dropout(x, { rate: 0.3, clock: x.engine.from(Uint32Array.of(1, 2)) })),
        'cross-entropy': operation([x], x => crossEntropy(x, x.engine.from(targets, [batch, length]))),
        'product of pairs': operation([x, x], (a, b) => batchMatmul(a, b, { transposeB: true })),
      }
      for (const [name, work] of Object.entries(operations)) await check(`${name} ${shape.join('×')}`, work, { dtype })
    }
    for (const [length, mask] of shapes([
      [1, 0],
      [17, 1],
    ] as const)) {
      const hidden = integers(5, 2 * length * length, 2)
      await check(
        `masked attention ${length}`,
        operation([[[2, length, 12], dtype]], x =>
          maskedAttention(x, 2, {
            causal: true,
            mask: mask ? x.engine.from(hidden, [2, length, length]) : undefined,
            rope: x.engine.from(ropeTable(length, 2, 10000), [length, 1, 2]),
          }),
        ),
        { dtype },
      )
    }
  })
}

const BASE: TrmConfig = {
  ...DEFAULTS,
  vocabulary: 5,
  cells: 35,
  puzzles: 3,
  hidden: 42,
  heads: 21,
  expansion: 1,
  layers: 1,
  cycles: 2,
  latentSteps: 1,
  supervisionSteps: 2,
  exploration: 0.5,
  puzzleWidth: 42,
  prefix: 2,
}
const MODELS: Record<string, [TrmConfig, TrainerOptions, Stored]> = {
  'attention, two sizes of chunks': [BASE, { batchSize: 5, microBatch: 3, clipNorm: 1e-3 }, 'f32'],
  'HRM of token mixing, learned positions': [
    {
      ...BASE,
      architecture: 'hrm',
      highLayers: 1,
      hidden: 33,
      tokenMixing: true,
      positions: 'learned',
      puzzleWidth: 7,
      prefix: 1,
    },
    { batchSize: 3, optimizer: 'adamw', loss: 'softmax' },
    dtypes.at(-1)!,
  ],
}

for (const [name, [config, options, dtype]] of Object.entries(MODELS)) {
  test(`training and answers: ${name}, ${dtype}`, async () => {
    const { train: dataset } = generateSudoku({ size: 4, train: 3, test: 1, clues: 8 })
    await check(
      name,
      async engine => {
        const trainer = new Trainer(Trm.create(engine, config, { dtype }), {
          learningRate: 1e-2,
          warmupSteps: 1,
          ...options,
        })
        for (let step = 0; step < 3; step++) trainer.step(puzzles(step, options.batchSize, config))
        const sums = await trainer.readSums()
        await trainer.optimizer.firstNotFinite()
        const { model } = trainer
        const metadata = {
          ...dataset.metadata,
          cells: config.cells,
          vocabulary: config.vocabulary,
          puzzles: config.puzzles,
        }
        const examples = puzzles(7, 3, config)
        const answers: number[] = []
        const told = {
          onAnswers: ({ predictions, qHaltLogits }: { predictions: Int32Array; qHaltLogits: Float32Array }) =>
            void answers.push(...predictions, ...qHaltLogits),
        }
        const test = { ...dataset, metadata, ...examples } as typeof dataset
        await evaluate(trainer.averaged, test, { batchSize: 2, ...told })
        await evaluate(trainer.averaged, test, { batchSize: 2, rollouts: 2, noise: 0.1, halt: true, ...told })
        const flat = await Promise.all(
          [model.parameters.flat, ...(model.puzzleTable ? [model.puzzleTable] : [])].map(tensor => engine.read(tensor)),
        )
        return [...flat, sums, Float32Array.from(answers)]
      },
      { left: ['matmul', 'gated', 'mlp block', 'attention'], dtype, onlyGuards: true },
    )
  })
}

test('every kernel was tried', async () => {
  const root = await rootFolder()
  // Subgroup matrices, which software adapters do not have, are played in test/kernels.
  const folders = ['src/kernels', ...(isLavapipe(own) ? ['src/lavapipe'] : [])]
  const files = folders.flatMap(folder =>
    readdirSync(join(root, folder))
      .filter(file => file.endsWith('.ts'))
      .map(file => join(root, folder, file)),
  )
  const names = files.flatMap(file =>
    [...readFileSync(file, 'utf8').matchAll(/\bname: '(\w+)',?\s*\n?\s*source\b/g)].map(([, name]) => name),
  )
  assert.ok(names.length > 30, `${names.length}`)
  const tried = [...guards.kernels, ...indices.kernels]
  const tiles = isLavapipe(own) ? ['24×32', '32×32', '48×64'] : []
  for (const tile of tiles)
    assert.ok(
      tried.some(name => name.startsWith('matmul_textures') && name.endsWith(tile)),
      tile,
    )
  assert.equal(
    names.filter(name => !tried.includes(name)),
    [],
  )
})

test.run()
