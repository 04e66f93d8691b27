// SwiGLU blocks by subgroup matrices and their derivative; plain functions play the matrices.
// test/trm/gpu-kernels.test.ts computes a recording with them; test/null-backend.test.ts has the compiler check the
// kernels as they are.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { mlpBlock, type Tensor } from '../../src/engine/index.js'
import { type MlpBlockSize, mlpBlockFamily } from '../../src/engine/ops/mlp-block.js'
import { offer, Variants } from '../../src/engine/variants.js'
import { float16ToFloat32, float32ToFloat16 } from '../../src/formats/float16.js'
import type { Gated, MatmulSize } from '../../src/kernels/matmul.js'
import { offerMatrices } from '../../src/matrices/index.js'
import { product } from '../../src/matrices/matmul.js'
import { close, largest, printShares } from '../close.js'
import { checkGradients } from '../differences.js'
import { openEngine } from '../engine-under-test.js'
import { inPage } from '../files.js'
import { halves, rounded, ROUNDING, widened } from '../half.js'
import * as oracle from '../oracle.js'
import { kernels, playedBlock, TILE } from '../played-block.js'
import { values } from '../shapes.js'

const engine = await openEngine()
test.after(() => {
  engine.close()
  printShares()
})
const isPlayed = engine.adapter.features.includes('shader-f16') && !(inPage && engine.adapter.isSoftware)
if (!isPlayed) console.log('skipped: blocks by matrices, in a page on a software adapter or without float16')
const played = isPlayed ? test : test.skip

/** Values that must stay stand behind `count` results. */
const GUARDS = 256
const guarded = (data: Float32Array) => {
  const tensor = engine.lasting([data.length + GUARDS])
  engine.write(
    tensor,
    Float32Array.from({ length: data.length + GUARDS }, (_, i) => data[i] ?? 0.5),
  )
  return tensor
}
async function results(tensor: Tensor): Promise<Float32Array> {
  const got = await engine.read(tensor)
  assert.ok(
    got.slice(-GUARDS).every(x => x === 0.5),
    'what lies behind the results stays',
  )
  return got.slice(0, -GUARDS)
}

/** Sizes of the product of gate and up, along columns and rows; most are no whole number of tiles. */
const FORWARD: (MatmulSize & { gated: Gated })[] = [
  { m: 33, n: 80, k: 97, transposeB: true, gated: 'columns' },
  { m: 16, n: 16, k: 8, transposeB: true, gated: 'columns' },
  { m: 76, n: 24, k: 97, batch: 3, sharedA: true, gated: 'rows' },
  { m: 2, n: 40, k: 16, batch: 2, sharedA: true, gated: 'rows' },
]

for (const size of FORWARD)
  played(`gate, up and silu(gate) ⊙ up: ${JSON.stringify(size)}`, async () => {
    const { m, n, k, batch = 1, sharedA, gated } = size
    const [a, b] = [halves(engine, 1, m * k * (sharedA ? 1 : batch)), halves(engine, 2, k * n * batch)]
    const count = m * n * batch
    const [c, both] = [count / 2, count].map(length => guarded(new Float32Array(length)))
    product(engine, { a: a.tensor, b: b.tensor, c, both }, { ...size, ...TILE }, kernels.gateUp)
    const sums = oracle.matmul(a.data, b.data, size)
    const scale = oracle.matmul(a.data.map(Math.abs), b.data.map(Math.abs), size)
    close('gate and up', await results(both), sums, { scale, depth: k })
    const block = gated === 'columns' ? n / 2 : (m / 2) * n
    const truth = oracle.swiglu(sums, { half: block })
    close('gated, with gate and up', await results(c), truth, {
      scale: truth.map((_, i) => {
        const at = Math.floor(i / block) * 2 * block + (i % block)
        return 1.1 * scale[at] * scale[at + block]
      }),
      depth: 2 * k,
    })
  })

const BACKWARD: (MatmulSize & { halves: Gated })[] = [
  { m: 33, n: 40, k: 97, halves: 'columns' },
  { m: 7, n: 8, k: 16, halves: 'columns' },
  { m: 40, n: 24, k: 97, batch: 3, transposeA: true, sharedA: true, halves: 'rows' },
  { m: 3, n: 40, k: 16, batch: 2, transposeA: true, sharedA: true, halves: 'rows' },
]

for (const size of BACKWARD)
  played(`the gradient of gate and up: ${JSON.stringify(size)}`, async () => {
    const { m, n, k, batch = 1, sharedA, halves: along } = size
    const [a, b] = [halves(engine, 1, m * k * (sharedA ? 1 : batch)), halves(engine, 2, k * n * batch)]
    const before = values(3, 2 * m * n * batch, 3)
    const both = guarded(before)
    product(engine, { a: a.tensor, b: b.tensor, c: both }, { ...size, ...TILE }, kernels.swigluBackward)
    const d = oracle.matmul(a.data, b.data, size)
    const scale = oracle.matmul(a.data.map(Math.abs), b.data.map(Math.abs), size)
    const block = along === 'columns' ? n : m * n
    const [truth, allowed] = [new Float64Array(before.length), new Float64Array(before.length)]
    d.forEach((gradient, i) => {
      const at = Math.floor(i / block) * 2 * block + (i % block)
      const [gate, up] = [before[at], before[at + block]]
      const sigmoid = 1 / (1 + Math.exp(-gate))
      truth[at] = gradient * up * sigmoid * (1 + gate * (1 - sigmoid))
      truth[at + block] = gradient * gate * sigmoid
      allowed[at] = 1.1 * scale[i] * Math.abs(up) + 1e-3
      allowed[at + block] = scale[i] * Math.abs(gate) + 1e-3
    })
    close('gradient of gate and up', await results(both), truth, { scale: allowed, depth: k })
  })

if (isPlayed) offer(mlpBlockFamily, playedBlock)

const epsilon = 1e-5

for (const shape of [
  { batch: 2, length: 9, width: 24, inner: 16, axis: -1 },
  { batch: 2, length: 17, width: 16, inner: 12, axis: -2 },
] as const)
  played(`a block over axis ${shape.axis}, and its gradients`, async () => {
    const { batch, length, width, inner, axis } = shape
    const over = axis === -1 ? width : length
    const input = (seed: number, magnitude: number, ...dims: number[]) => ({
      data: float16ToFloat32(
        float32ToFloat16(
          values(
            seed,
            dims.reduce((a, b) => a * b),
            magnitude,
          ),
        ),
      ),
      shape: dims,
    })
    const inputs = [
      input(1, 1, batch, length, width),
      input(2, 1, batch, length, width),
      input(3, 0.5, 2 * inner, over),
      input(4, 0.5, over, inner),
    ]
    engine.variants.force('mlp block', 'played')
    const before = engine.variants.asked.length
    const [, , gateUp, down] = inputs
    await checkGradients(engine, 'block by matrices', {
      inputs,
      ours: (...given) => {
        const [h, injection, gateUp, down] = given.map(rounded)
        return widened(mlpBlock(h, gateUp, down, { injection, axis, epsilon }))
      },
      truth: (h, injection, gateUp, down) => oracle.mlpBlock(oracle.add(h, injection), gateUp, down, shape, epsilon),
      depth: 1,
      c: 16 * ROUNDING,
    })
    const [taken] = engine.variants.asked.slice(before).filter(({ family }) => family.name === 'mlp block')
    assert.is(taken.variant, 'played')
    // The same block twice, without an injection: the weights and h have two uses each. With and without storing.
    for (const isKept of [true, false])
      await checkGradients(engine, 'blocks by matrices', {
        inputs: [inputs[0], gateUp, down],
        ours: (...given) => {
          const [h, gateUp, down] = given.map(rounded)
          const block = (x: Tensor) => mlpBlock(x, gateUp, down, { axis, epsilon })
          const both = () => block(block(h))
          return widened(isKept ? both() : engine.recompute(both))
        },
        truth: (h, gateUp, down) =>
          oracle.mlpBlock(oracle.mlpBlock(h, gateUp, down, shape, epsilon), gateUp, down, shape, epsilon),
        depth: 1,
        c: 64 * ROUNDING,
      })
    // One gradient alone; and a weight of float32, which takes the composed block.
    const [h, injection, upWeight, downWeight] = inputs.map(({ data, shape }) => engine.from(data, shape))
    const plain = (x: Tensor) => x
    for (const wanted of [h, upWeight, downWeight]) {
      const gradient = async (asUp: typeof plain, asDown: typeof plain) =>
        engine.read(
          engine.gradients([wanted], () => {
            const options = { injection: rounded(injection), axis, epsilon }
            const y = widened(mlpBlock(rounded(h), asUp(upWeight), asDown(downWeight), options))
            return [[y, engine.from(values(5, y.size), y.shape)]]
          })[0],
        )
      const truth = await gradient(plain, plain)
      const scale = largest(truth)
      for (const [asUp, asDown] of [
        [rounded, rounded],
        [plain, rounded],
        [rounded, plain],
      ])
        close('block by matrices, one gradient', await gradient(asUp, asDown), truth, { scale, c: 16 * ROUNDING })
    }
    engine.variants.force('mlp block', undefined)
  })

test('the default of recorded blocks in float16 on a GPU with matrices', () => {
  offerMatrices()
  const gpu = {
    ...engine.adapter,
    isSoftware: false,
    subgroupMatrices: [{ component: 'f16', m: 16, n: 16, k: 16 }],
    workgroupBytes: 49152,
  } as const
  const official: MlpBlockSize = {
    ...{ batch: 768, length: 97, width: 512, inner: 1536, axis: -1, epsilon, recorded: true, f16: true },
  }
  const taken = (more: Partial<MlpBlockSize>, adapter: typeof gpu | typeof engine.adapter = gpu) =>
    new Variants(adapter).pick(mlpBlockFamily, { ...official, ...more }).name
  assert.is(taken({}), 'matrices')
  assert.is(taken({ axis: -2, inner: 512 }), 'matrices')
  assert.is(taken({ recorded: false }), 'composed')
  assert.is(taken({ f16: false }), 'composed')
  assert.is(taken({ axis: -2, inner: 512, width: 516 }), 'composed')
  assert.is(taken({ inner: 1540 }), 'composed')
  assert.is(taken({ batch: 1, length: 16 }), 'composed')
  assert.is(taken({}, { ...gpu, subgroupMatrices: [] as never }), 'composed')
})

test.run()
