// Attention over packed rows, from flat to saturated scores, with and without rotary positions, and its derivative.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { attention, ropeTable } from '../../src/engine/index.js'
import { attentionFamily } from '../../src/engine/ops/attention.js'
import { close, printShares } from '../close.js'
import { checkGradients } from '../differences.js'
import { openEngine, tried } from '../engine-under-test.js'
import * as oracle from '../oracle.js'
import { MAGNITUDES, values } from '../shapes.js'

const engine = await openEngine()
test.after(() => {
  engine.close()
  printShares()
})

const SIZES = [
  { batch: 1, length: 1, heads: 1, headDim: 1 },
  { batch: 2, length: 2, heads: 1, headDim: 3 },
  { batch: 3, length: 7, heads: 2, headDim: 4 },
  { batch: 1, length: 31, heads: 3, headDim: 8 },
  { batch: 2, length: 33, heads: 1, headDim: 32 },
  { batch: 2, length: 33, heads: 2, headDim: 16 },
  { batch: 1, length: 34, heads: 2, headDim: 64 },
  { batch: 1, length: 97, heads: 1, headDim: 5 },
]
const width = ({ heads, headDim }: (typeof SIZES)[number]) => 3 * heads * headDim

/** Packed rows whose queries and keys are of one magnitude and whose values are of another. */
function packed(size: (typeof SIZES)[number], scores: number, magnitude: number): Float32Array<ArrayBuffer> {
  return values(1, size.batch * size.length * width(size)).map(
    (v, i) => v * (i % width(size) < 2 * size.heads * size.headDim ? scores : magnitude),
  )
}

/** Rounding of a score moves its weight by as much: Σ|q||k| / √headDim units of the values. */
const spread = ({ headDim }: (typeof SIZES)[number], scores: number) => 2 + scores ** 2 * Math.sqrt(headDim)

/** Angles of rotary positions as the table rounds them; undefined where nothing is turned. */
function turning({ length, headDim }: (typeof SIZES)[number]) {
  const table = ropeTable(length, headDim, 10000)
  const angle = (position: number, i: number) =>
    Math.atan2(table[position * headDim + 2 * i + 1], table[position * headDim + 2 * i])
  return {
    rope: engine.from(table, [length, headDim / 2, 2]),
    turned: (qkv: ArrayLike<number>, size: (typeof SIZES)[number]) => oracle.rope(qkv, size, angle),
  }
}

const SAMPLE = { batch: 1, length: 16, heads: 1, headDim: 32, f16: false, recorded: true }
const VARIANTS = tried(engine, attentionFamily, SAMPLE).map(({ name }) => name)

/** Each variant compiles for each width of heads; some take long. */
const sizesOf = (variant: string) =>
  SIZES.filter(({ headDim }) => {
    if (variant === 'tiled') return headDim === 16 || headDim === 64
    if (variant === 'textures') return headDim % 4 === 0 && headDim !== 16
    return headDim <= 8
  })

/**
 * With and without rotary positions if heads are of even width. One of both where kernels take seconds to compile for
 * each width: by tiles, of which those of 16 are also in a golden, and by textures of 8 and 32. Those of 64 are loaded
 * in another way with positions than without.
 */
function turnsOf(variant: string, headDim: number): boolean[] {
  if (headDim % 2) return [false]
  if (variant === 'tiled') return [headDim === 16]
  if (variant === 'textures' && (headDim === 8 || headDim === 32)) return [headDim === 8]
  return [false, true]
}

/** The variant, or the default where the adapter cannot run it. */
function force(variant: string): void {
  engine.variants.force('attention', variant)
}

for (const variant of VARIANTS)
  test(`attention by ${variant}`, async () => {
    force(variant)
    for (const size of sizesOf(variant)) {
      for (const magnitude of MAGNITUDES) {
        for (const scores of [1e-4, 1, 8]) {
          const qkv = packed(size, scores, magnitude)
          for (const turns of turnsOf(variant, size.headDim)) {
            const { rope, turned } = turning(size)
            const o = attention(
              engine.from(qkv, [size.batch, size.length, width(size)]),
              size.heads,
              turns ? { rope } : {},
            )
            assert.equal(o.shape, [size.batch, size.length, width(size) / 3])
            const truth = oracle.attention(turns ? turned(qkv, size) : qkv, size)
            close(turns ? 'attention with rope' : 'attention', await engine.read(o), truth, {
              scale: magnitude * spread(size, scores),
              depth: size.length,
            })
          }
        }
      }
    }
  })

test('scores far beyond the range of exp pick one value', async () => {
  const size = { batch: 1, length: 5, heads: 1, headDim: 2 }
  const qkv = new Float32Array(5 * 6)
  // Key i lies in direction i, query i asks for key 4 − i; scores reach ±1e8.
  for (let i = 0; i < 5; i++) {
    const [own, asked] = [(2 * Math.PI * i) / 5, (2 * Math.PI * (4 - i)) / 5]
    qkv.set([1e4 * Math.cos(asked), 1e4 * Math.sin(asked), 1e4 * Math.cos(own), 1e4 * Math.sin(own), i, -i], i * 6)
  }
  const ours = await engine.read(attention(engine.from(qkv, [1, 5, 6]), 1))
  close('attention, saturated', ours, oracle.attention(qkv, size), { scale: 4 })
  close('attention, saturated', ours, [4, -4, 3, -3, 2, -2, 1, -1, 0, 0], { scale: 4 })
})

for (const variant of VARIANTS)
  test(`gradients by ${variant}`, async () => {
    force(variant)
    for (const size of sizesOf(variant)) {
      for (const scores of [1, 3]) {
        const inputs = [{ data: packed(size, scores, 1), shape: [size.batch, size.length, width(size)] }]
        for (const turns of turnsOf(variant, size.headDim)) {
          const { rope, turned } = turning(size)
          await checkGradients(engine, turns ? 'attention with rope' : 'attention', {
            inputs,
            ours: qkv => attention(qkv, size.heads, turns ? { rope } : {}),
            truth: (qkv: Float64Array) => oracle.attention(turns ? turned(qkv, size) : qkv, size),
            depth: size.length,
            c: 4 * spread(size, scores),
          })
        }
      }
    }
  })

/** A width of heads for which the tests before compiled the variant with rotary positions. */
const turnedWidth = (variant: string) => (variant === 'tiled' ? 16 : variant === 'textures' ? 64 : 4)

test('what is given stays as it is', async () => {
  for (const variant of VARIANTS) {
    const size = { batch: 1, length: 34, heads: 2, headDim: turnedWidth(variant) }
    const data = packed(size, 1, 1)
    const qkv = engine.from(data, [size.batch, size.length, width(size)])
    force(variant)
    attention(qkv, size.heads, { rope: turning(size).rope })
    assert.equal(await engine.read(qkv), data)
  }
})

test('tables of other heads are refused', () => {
  assert.throws(
    () => attention(engine.zeros([1, 2, 24]), 2, { rope: engine.zeros([2, 1, 2]) }),
    /^attention: a table of shape \[2,1,2\], expected \[2,2,2\] and an even head width$/,
  )
})

test('widths that do not divide into heads are refused', () => {
  assert.throws(
    () => attention(engine.zeros([1, 2, 20]), 2),
    /^attention: shape \[1,2,20\] is not \(batch, length, 3 × 2 heads × head width\)/,
  )
})

test.run()
