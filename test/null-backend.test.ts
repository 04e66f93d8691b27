// The null backend of Dawn accepts every command and computes nothing: the tests must not accept it as a GPU.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import forward from '../shaders/matrices/attention.wgsl'
import backward from '../shaders/matrices/attention_backward.wgsl'
import { generateSudoku } from '../src/data/sudoku.js'
import { Engine, OutOfMemory } from '../src/engine/index.js'
import type { MatrixKind } from '../src/engine/device.js'
import { dispatchStep } from '../src/engine/ops/attention.js'
import type { Kernel } from '../src/kernels/kernel.js'
import { attentionKernels } from '../src/matrices/attention-kernels.js'
import { matmulGateUp, matmulMatrix, type MatrixProduct, matmulSwigluBackward } from '../src/matrices/matmul-kernels.js'
import { openGpu } from '../src/node.js'
import { DEFAULTS } from '../src/trm/config.js'
import { Trm } from '../src/trm/model.js'
import { train, type TrainOptions } from '../src/trm/training/train.js'
import { checkComputes, openEngine } from './engine-under-test.js'

async function reason(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => 'none',
    error => (error as Error).message,
  )
}

test('it is found out', async () => {
  const { gpu } = await openGpu({ adapter: 'null' })
  const engine = await Engine.open({ gpu })
  assert.match(await reason(checkComputes(engine)), /the null backend is no GPU/)
  engine.close()
})

test('TRM_ADAPTER=null opens no engine for tests', async () => {
  const before = process.env.TRM_ADAPTER
  process.env.TRM_ADAPTER = 'null'
  assert.match(await reason(openEngine()), /the null backend is no GPU|computes nothing/)
  if (before === undefined) delete process.env.TRM_ADAPTER
  else process.env.TRM_ADAPTER = before
})

test('memory that runs out is an error of its own, and a training says how to go on', async () => {
  // The null backend has 512 MB.
  const { gpu } = await openGpu({ adapter: 'null' })
  const engine = await Engine.open({ gpu })
  for (let i = 0; i < 6; i++) engine.zeros([2 ** 25])
  const error = await engine.finish().then(
    () => undefined,
    error => error as Error,
  )
  assert.instance(error, OutOfMemory)
  assert.match(error!.message, /^out of GPU memory on .* — compute less at a time: a smaller batch or micro-batch$/)
  engine.close()
  const wide = await Engine.open({ gpu })
  const { train: puzzles } = generateSudoku({ size: 4, train: 40, test: 4, clues: 8 })
  const config = { ...DEFAULTS, vocabulary: 6, cells: 16, puzzles: 1 }
  const steps = (more: Partial<TrainOptions>) =>
    train(Trm.create(wide, config), puzzles, { batchSize: 40, steps: 1, ...more }).next()
  const failed = await steps({}).then(
    () => undefined,
    error => error as Error,
  )
  assert.instance(failed, OutOfMemory)
  assert.match(
    failed!.message,
    new RegExp(
      '^train: out of GPU memory with micro_batch 40, which takes [\\d.]+ [MG]B, on .* — set a lower memory limit ' +
        '\\(--memory-limit SIZE, memoryLimit\\), a smaller micro_batch, or recompute$',
    ),
  )
  wide.close()
  // With such a limit the memory suffices; the numbers that this backend then reads were not computed.
  const again = await Engine.open({ gpu })
  const ended = await train(Trm.create(again, config), puzzles, { batchSize: 40, steps: 1, memoryLimit: 400e6 })
    .next()
    .catch(error => error as Error)
  assert.not.ok(ended instanceof OutOfMemory)
  again.close()
})

test('products by subgroup matrices compile, in every kind that adapters list', async () => {
  const { gpu } = await openGpu({ adapter: 'null' })
  const engine = await Engine.open({ gpu })
  const [half, c16, both] = [0, 1, 2].map(() => engine.zeros([128 * 128], 'f16'))
  const c = engine.zeros([128 * 128])
  const kinds: MatrixKind[] = [
    { component: 'f16', m: 16, n: 16, k: 16 },
    { component: 'f16', m: 16, n: 8, k: 16 },
    { component: 'f16', m: 16, n: 8, k: 8 },
    { component: 'f16', m: 8, n: 8, k: 8 },
  ]
  const [flags, spans] = [
    [false, true],
    [32, 64],
  ]
  // This adapter has 16 KiB of workgroup memory, too little for the large tile: it refuses the pipeline, not the text.
  const compile = async <Size extends MatrixProduct>(kernel: Kernel<Size>, sizes: readonly Size[], into = c) => {
    for (const size of sizes) {
      engine.dispatch(kernel, { a: half, b: half, c: into, ...('both' in kernel.bindings && { both }) }, size)
      const problem = await reason(engine.finish())
      if (
        problem !== 'none' &&
        !(
          size.span === 64 &&
          /larger than the maximum allowed \(16384|Invalid ComputePipeline .* due to a previous error/.test(problem)
        )
      )
        throw new Error(problem)
    }
  }
  const orders = flags.flatMap(transposeA => flags.map(transposeB => ({ transposeA, transposeB })))
  const whole = { m: 64, n: 64, k: 64, splits: 1 }
  // For the kind that most adapters have: orders, edges and epilogues. For the others each order.
  const sizes = spans.flatMap(span =>
    orders.flatMap(order => [
      ...kinds.map(kind => ({ ...whole, ...order, span, kind })),
      ...[64, 97, 129].flatMap(k =>
        [64, 62].flatMap(n =>
          ([undefined, 'columns', 'rows'] as const).map(gated => ({
            ...whole,
            ...order,
            n,
            k,
            gated,
            span,
            kind: kinds[0],
          })),
        ),
      ),
    ]),
  )
  await compile(matmulMatrix, sizes)
  await compile(
    matmulMatrix,
    spans.flatMap(span => [64, 62].map(n => ({ ...whole, n, span, kind: kinds[0] }))),
    c16,
  )
  // Gate and up are kept, and the derivative of the gate: either half, in the order that it has.
  for (const along of ['columns', 'rows'] as const) {
    const ofBlocks = (order: Pick<MatrixProduct, 'transposeA' | 'transposeB'>) =>
      spans.flatMap(span =>
        kinds.flatMap(kind => [64, 97].map(k => ({ ...whole, ...order, k, span, kind, gated: along, halves: along }))),
      )
    const isRows = along === 'rows'
    await compile(matmulGateUp, ofBlocks({ transposeB: !isRows }), c16)
    const backward = ofBlocks({ transposeA: isRows }).map(size => ({ ...size, gated: undefined }))
    await compile(matmulSwigluBackward, backward, c16)
  }
  // The check can fail: an operand of another size than the matrices it is multiplied with.
  const broken = {
    ...matmulMatrix,
    source: (size: MatrixProduct) =>
      (matmulMatrix.source as (size: MatrixProduct) => string)(size).replace(
        'subgroup_matrix_left<f16, SIZE_K, SIZE_M>',
        'subgroup_matrix_left<f16, SIZE_K, 8>',
      ),
  }
  for (const span of spans)
    assert.match(await reason(compile(broken, [{ ...whole, span, kind: kinds[0] }])), /subgroup_matrix|subgroupMatrix/)
  engine.close()
})

test('attention by subgroup matrices compiles, for every width of heads', async () => {
  const { gpu } = await openGpu({ adapter: 'null' })
  const engine = await Engine.open({ gpu })
  const run = (texts: { forward: string; backward: string }, headDim: number, blockTiles: number, rope: boolean) => {
    const size = { batch: 1, length: 40, heads: 2, headDim, rope, f16: true, subgroups: 1, blockTiles }
    const half = (width: number) => engine.zeros([size.length, width], 'f16')
    const qkv = half(6 * headDim)
    const tensors = {
      qkv,
      o: half(2 * headDim),
      dO: half(2 * headDim),
      dQkv: half(6 * headDim),
      lse: engine.zeros([2 * size.length]),
      delta: engine.zeros([2 * size.length]),
      table: rope ? engine.zeros([size.length, headDim]) : qkv,
    }
    for (const kernel of Object.values(attentionKernels(texts))) {
      for (let part = 0; part < Math.max(1, headDim / 64); part++)
        dispatchStep(engine, kernel, tensors, { ...size, part })
    }
    return engine.finish()
  }
  // As many other rows at a time as fit into the 16 KB of this backend.
  for (const [headDim, blockTiles] of [
    [32, 4],
    [32, 3],
    [64, 2],
    [128, 1],
  ])
    for (const rope of [false, true]) await run({ forward, backward }, headDim, blockTiles, rope)
  // The check can fail: an operand of another size than the matrices it is multiplied with.
  const broken = { forward: forward.replace('subgroupMatrixLoad<Left', 'subgroupMatrixLoad<Right'), backward }
  assert.match(await reason(Promise.resolve().then(() => run(broken, 32, 4, false))), /subgroup_matrix|subgroupMatrix/)
  engine.close()
})

test.run()
