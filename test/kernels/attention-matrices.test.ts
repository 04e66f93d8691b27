// Attention by subgroup matrices and its derivatives; plain functions play the matrices.
// test/null-backend.test.ts has the compiler check the kernels as they are.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import forward from '../../shaders/matrices/attention.wgsl'
import backward from '../../shaders/matrices/attention_backward.wgsl'
import { attention, type AdapterSummary, ropeTable, type Tensor } from '../../src/engine/index.js'
import { attentionFamily, attentionVariant } from '../../src/engine/ops/attention.js'
import { offer, Variants } from '../../src/engine/variants.js'
import { float16ToFloat32, float32ToFloat16 } from '../../src/formats/float16.js'
import { attentionKernels, shareOf } from '../../src/matrices/attention-kernels.js'
import { attentionSteps } from '../../src/matrices/attention.js'
import { offerMatrices } from '../../src/matrices/index.js'
import type { AttentionSize } from '../../src/kernels/attention.js'
import { close, largest, printShares } from '../close.js'
import { checkGradients } from '../differences.js'
import { openEngine } from '../engine-under-test.js'
import { rounded, ROUNDING, widened } from '../half.js'
import * as oracle from '../oracle.js'
import { playedKernel } from '../played-matrices.js'
import { values } from '../shapes.js'

const engine = await openEngine()
test.after(() => {
  engine.close()
  printShares()
})
const { features } = engine.adapter
const canPlay = features.includes('shader-f16') && features.includes('subgroups')
if (!canPlay) console.log('skipped: attention by matrices, this adapter has no float16 or no subgroups')

/** Few pipelines: all lengths of a width share one. Some lengths leave tiles and parts of blocks without rows. */
const shareInTest: typeof shareOf = ({ headDim }, adapter) =>
  shareOf({ batch: 1, heads: 1, length: headDim === 64 ? 97 : 16, headDim }, adapter)
const fits = (size: AttentionSize, adapter: AdapterSummary) => shareInTest(size, adapter) !== undefined

/**
 * The same loops, but not unrolled, and of a length that compilers do not know.
 * A software adapter would take minutes to compile the unrolled ones. The result is the same.
 */
const rolled = (text: string) =>
  text.replace(/@diagnostic\(off, trm\.unroll\) (for \(var (\w) = 0u; \2 < )(\w+)/g, '$1min(u32($3), u.length * 64u)')
const kernels = attentionKernels({ forward: rolled(forward), backward: rolled(backward) })

offer(
  attentionFamily,
  attentionVariant({
    name: 'played',
    available: (adapter, size) => size.f16 === true && fits(size, adapter),
    suits: () => false,
    ...attentionSteps(
      {
        forward: playedKernel(kernels.forward),
        backwardQ: playedKernel(kernels.backwardQ),
        backwardKv: playedKernel(kernels.backwardKv),
      },
      shareInTest,
    ),
  }),
)
engine.variants.force('attention', 'played')

interface Size {
  batch: number
  length: number
  heads: number
  headDim: number
  rope: boolean
  /** Queries and keys are this large. */
  scores?: number
}

const SIZES: readonly Size[] = [
  // Some blocks of keys; some workgroups a head; lengths on both sides of a tile.
  { batch: 1, length: 97, heads: 1, headDim: 64, rope: true },
  { batch: 1, length: 150, heads: 1, headDim: 64, rope: true, scores: 4 },
  { batch: 2, length: 17, heads: 1, headDim: 64, rope: true },
  { batch: 2, length: 1, heads: 2, headDim: 64, rope: true },
  { batch: 1, length: 16, heads: 3, headDim: 32, rope: false },
  { batch: 1, length: 33, heads: 1, headDim: 32, rope: false, scores: 4 },
]

/** Packed rows, rounded to float16. */
function packed({ batch, length, heads, headDim, scores = 1 }: Size): Float32Array<ArrayBuffer> {
  const width = heads * headDim
  return float16ToFloat32(
    float32ToFloat16(
      values(1, batch * length * 3 * width).map((v, i) => (i % (3 * width) < 2 * width ? v * scores : v)),
    ),
  )
}

/** The table, and the rows turned as it says. */
function turning(size: Size) {
  const { length, headDim, rope } = size
  if (!rope) return { table: undefined, turned: (qkv: ArrayLike<number>) => qkv }
  const angles = ropeTable(length, headDim, 10000)
  const angle = (position: number, i: number) =>
    Math.atan2(angles[position * headDim + 2 * i + 1], angles[position * headDim + 2 * i])
  return {
    table: engine.from(angles, [length, headDim / 2, 2]),
    turned: (qkv: ArrayLike<number>) => oracle.rope(qkv, size, angle),
  }
}

if (canPlay) {
  for (const size of SIZES.filter(size => fits(size, engine.adapter))) {
    const { batch, length, heads, headDim, scores = 1 } = size
    const shape = [batch, length, 3 * heads * headDim]
    const name = `length ${length}, width ${headDim}${size.rope ? ' with rope' : ''}`

    test(`attention, ${name}`, async () => {
      const { table, turned } = turning(size)
      const qkv = packed(size)
      const o = await engine.scope(() =>
        engine.read(widened(attention(rounded(engine.from(qkv, shape)), heads, { rope: table }))),
      )
      const truth = oracle.attention(turned(qkv), size)
      close('attention by matrices', o, truth, { scale: largest(truth), c: ROUNDING * 2 * scores })
    })

    test(`gradients, ${name}`, async () => {
      const { table, turned } = turning(size)
      const inputs = [{ data: packed(size), shape }]
      const truth = (qkv: Float64Array) => oracle.attention(turned(qkv), size)
      const ours = (qkv: Tensor) => attention(rounded(qkv), heads, { rope: table })
      await checkGradients(engine, 'attention by matrices', {
        inputs,
        ours: qkv => widened(ours(qkv)),
        truth,
        depth: 1,
        c: 8 * ROUNDING * scores,
      })
      // The gradient of the result is float32.
      if (length === 17)
        await checkGradients(engine, 'attention by matrices', {
          inputs,
          ours,
          truth,
          depth: 1,
          c: 8 * ROUNDING * scores,
        })
    })
  }
}

test('GPUs with matrices of 16 take them where rows are float16, and as many subgroups as their memory holds', () => {
  const matrices = [{ component: 'f16', m: 16, n: 16, k: 16 }] as const
  const gpu: AdapterSummary = {
    ...engine.adapter,
    isSoftware: false,
    subgroupMatrices: matrices,
    workgroupBytes: 49152,
    workgroupThreads: 1024,
  }
  const size = { batch: 96, length: 97, heads: 8, headDim: 64, f16: true, recorded: false }
  offerMatrices()
  const taken = (more: Partial<typeof size>, adapter = gpu) =>
    new Variants(adapter).pick(attentionFamily, { ...size, ...more }).name
  for (const length of [16, 97, 916])
    for (const headDim of [32, 64, 128]) assert.is(taken({ length, headDim }), 'matrices')
  assert.is.not(taken({ length: 8 }), 'matrices')
  assert.is(taken({ headDim: 96 }), 'tiled')
  assert.is(taken({ f16: false }), 'tiled')
  assert.is(taken({}, { ...gpu, subgroupMatrices: [{ component: 'f16', m: 8, n: 8, k: 8 }] }), 'tiled')
  assert.is(taken({}, { ...gpu, workgroupBytes: 16384 }), 'tiled')
  assert.equal(shareOf(size, gpu), { subgroups: 7, blockTiles: 4 })
  assert.equal(shareOf({ ...size, length: 916 }, gpu), { subgroups: 7, blockTiles: 4 })
  assert.equal(shareOf(size, { ...gpu, workgroupBytes: 32768 }), { subgroups: 3, blockTiles: 4 })
  assert.equal(shareOf({ ...size, length: 17 }, gpu), { subgroups: 2, blockTiles: 2 })
})

test.run()
