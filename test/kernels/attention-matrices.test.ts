// Attention by subgroup matrices and its derivatives, with these played by plain functions.
// test/null-backend.test.ts has the compiler check the kernels as they are.
import { test } from 'uvu'
import forward from '../../shaders/matrices/attention.wgsl'
import backward from '../../shaders/matrices/attention_backward.wgsl'
import { attention, type AdapterSummary, type Engine, ropeTable, type Tensor } from '../../src/engine/index.js'
import { addTo } from '../../src/engine/accumulate.js'
import { attentionFamily, attentionVariant } from '../../src/engine/ops/attention.js'
import { offer } from '../../src/engine/variants.js'
import { float16ToFloat32, float32ToFloat16 } from '../../src/formats/float16.js'
import { attentionKernels, type AttentionMatricesSize, shareOf } from '../../src/matrices/attention-kernels.js'
import { attentionSteps } from '../../src/matrices/attention.js'
import type { AttentionSize } from '../../src/kernels/attention.js'
import type { Kernel } from '../../src/kernels/kernel.js'
import { close, largest, printShares } from '../close.js'
import { checkGradients } from '../differences.js'
import { openEngine } from '../engine-under-test.js'
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

/** One rounding to float16, in units of float32's. */
const ROUNDING = 2 ** 13

/** Few pipelines: all lengths of a width share one, so that some own tiles and parts of blocks without rows. */
const shareInTest: typeof shareOf = ({ headDim }, adapter) => shareOf({ batch: 1, heads: 1, length: headDim === 64 ? 97 : 16, headDim }, adapter)
const fits = (size: AttentionSize, adapter: AdapterSummary) => shareInTest(size, adapter) !== undefined

/**
 * The same loops, not unrolled and of a length that compilers do not know. A software adapter would take minutes to compile them.
 * As to what they compute, the mark says nothing.
 */
const MARKED = /@diagnostic\(off, trm\.unroll\) (for \(var (\w) = 0u; \2 < )(\w+)/g
const rolled = (text: string) => text.replace(MARKED, '$1min(u32($3), p.length * 64u)')
function playedShort(kernel: Kernel<AttentionMatricesSize>): Kernel<AttentionMatricesSize> {
  const { source, ...rest } = playedKernel(kernel)
  const texts = new Map<string, string>()
  return {
    ...rest,
    source(size) {
      const text = (source as (size: AttentionMatricesSize) => string)(size)
      if (!texts.has(text)) texts.set(text, text.replace(/( < )(\d+u)(; \w+\+\+\))/g, '$1min($2, p.length * 64u)$3'))
      return texts.get(text)!
    },
  }
}
const kernels = attentionKernels({ forward: rolled(forward), backward: rolled(backward) })

offer(attentionFamily, attentionVariant({
  name: 'played',
  available: (adapter, size) => size.half === true && fits(size, adapter),
  suits: () => false,
  ...attentionSteps({ forward: playedShort(kernels.forward), backwardQ: playedShort(kernels.backwardQ), backwardKv: playedShort(kernels.backwardKv) }, shareInTest),
}))
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
  // Some blocks of keys; workgroups; lengths on both sides of a tile.
  { batch: 1, length: 97, heads: 2, headDim: 64, rope: true },
  { batch: 1, length: 150, heads: 1, headDim: 64, rope: true, scores: 4 },
  { batch: 2, length: 17, heads: 1, headDim: 64, rope: true },
  { batch: 2, length: 1, heads: 2, headDim: 64, rope: true },
  { batch: 1, length: 16, heads: 3, headDim: 32, rope: false },
  { batch: 1, length: 33, heads: 1, headDim: 32, rope: false, scores: 4 },
  // Heads of two dispatches.
  { batch: 1, length: 18, heads: 1, headDim: 128, rope: true },
]

/** Packed rows, rounded to float16. */
function packed({ batch, length, heads, headDim, scores = 1 }: Size): Float32Array<ArrayBuffer> {
  const width = heads * headDim
  return float16ToFloat32(float32ToFloat16(values(1, batch * length * 3 * width).map((v, i) => (i % (3 * width) < 2 * width ? v * scores : v))))
}

/** The table, and the rows turned as it says. */
function turning(size: Size) {
  const { length, headDim, rope } = size
  if (!rope) return { table: undefined, turned: (qkv: ArrayLike<number>) => qkv }
  const angles = ropeTable(length, headDim, 10000)
  const angle = (position: number, i: number) => Math.atan2(angles[position * headDim + 2 * i + 1], angles[position * headDim + 2 * i])
  return { table: engine.from(angles, [length, headDim / 2, 2]), turned: (qkv: ArrayLike<number>) => oracle.rope(qkv, size, angle) }
}

/** To float16 and back, recorded. */
function rounded(on: Engine, x: Tensor): Tensor {
  const y = on.tensor(x.shape, 'f16')
  addTo(on, y, x, false)
  return on.record(y, [x], dy => [(into, accumulate) => addTo(on, into, dy, accumulate)])
}
function widened(on: Engine, x: Tensor): Tensor {
  const y = on.tensor(x.shape)
  addTo(on, y, x, false)
  return on.record(y, [x], dy => [(into, accumulate) => addTo(on, into, dy, accumulate)])
}

if (canPlay) {
  for (const size of SIZES.filter(size => fits(size, engine.adapter)).slice(+(process.env.N??0), +(process.env.M??9))) {
    const { batch, length, heads, headDim, scores = 1 } = size
    const shape = [batch, length, 3 * heads * headDim]
    const name = `length ${length}, width ${headDim}${size.rope ? ' with rope' : ''}`

    test(`attention, ${name}`, async () => {
      const { table, turned } = turning(size)
      const qkv = packed(size)
      const t = process.cpuUsage().user
      const o = await engine.read(engine.scope(() => widened(engine, attention(engine, rounded(engine, engine.from(qkv, shape)), heads, { rope: table }))))
      console.log('cpu', (process.cpuUsage().user - t) / 1e6)
      const truth = oracle.attention(turned(qkv), size)
      close('attention by matrices', o, truth, { scale: largest(truth), c: ROUNDING * 2 * scores })
    })

    test(`gradients, ${name}`, async () => {
      const { table, turned } = turning(size)
      const inputs = [{ data: packed(size), shape }]
      const truth = (qkv: Float64Array) => oracle.attention(turned(qkv), size)
      const ours = (qkv: Tensor) => attention(engine, rounded(engine, qkv), heads, { rope: table })
      const t = process.cpuUsage().user
      await checkGradients(engine, 'attention by matrices', { inputs, ours: qkv => widened(engine, ours(qkv)), truth, depth: 1, c: 8 * ROUNDING * scores })
      console.log('cpu', (process.cpuUsage().user - t) / 1e6)
      // The gradient of the result is float32.
      if (length === 17) await checkGradients(engine, 'attention by matrices', { inputs, ours, truth, depth: 1, c: 8 * ROUNDING * scores })
    })
  }
}

test.run()
