// Attention that hides keys, by order or by mask, and the products of pairs of matrices that it is made of.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { attention, batchMatmul, maskedAttention, ropeTable } from '../../src/engine/index.js'
import { close, printShares, same } from '../close.js'
import { checkGradients } from '../differences.js'
import { openEngine } from '../engine-under-test.js'
import * as oracle from '../oracle.js'
import { integers, values } from '../shapes.js'

const engine = await openEngine()
test.after(() => {
  engine.close()
  printShares()
})

const SIZES = [
  { batch: 1, length: 1, heads: 1, headDim: 2 },
  { batch: 2, length: 5, heads: 3, headDim: 2 },
  { batch: 2, length: 17, heads: 1, headDim: 4 },
]
type Size = (typeof SIZES)[number]
const shapeOf = ({ batch, length, heads, headDim }: Size) => [batch, length, 3 * heads * headDim]
const inputOf = (size: Size, seed: number) => values(seed, size.batch * size.length * 3 * size.heads * size.headDim, 2)

/** Every axis of a mask may hold for all; rows without any key are among these. */
function masksOf({ batch, length }: Size) {
  return [
    [batch, length],
    [1, length],
    [batch, 1],
    [1, 1],
  ].map(([sequences, queries]) => {
    const data = integers(3, sequences * queries * length, 2)
    data.fill(0, 0, length)
    const isSeen = (b: number, query: number, key: number) =>
      data[((sequences > 1 ? b : 0) * queries + (queries > 1 ? query : 0)) * length + key] > 0
    return { mask: engine.from(data, [sequences, queries, length]), isSeen }
  })
}

const isBefore = (_: number, query: number, key: number) => key <= query

test('causal, masked, both and neither', async () => {
  for (const size of SIZES) {
    const data = inputOf(size, 1)
    const qkv = engine.from(data, shapeOf(size))
    const check = async (options: Parameters<typeof maskedAttention>[2], isSeen?: typeof isBefore) => {
      const o = maskedAttention(qkv, size.heads, options)
      assert.equal(o.shape, [size.batch, size.length, size.heads * size.headDim])
      const truth = oracle.attention(data, size, isSeen)
      close('masked attention', await engine.read(o), truth, { scale: 16, depth: size.length })
    }
    await check({})
    await check({ causal: true }, isBefore)
    for (const { mask, isSeen } of masksOf(size)) {
      await check({ mask }, isSeen)
      await check({ mask, causal: true }, (...place) => isBefore(...place) && isSeen(...place))
    }
  }
})

test('what comes later changes nothing', async () => {
  const size = SIZES[2]
  const [data, changed] = [inputOf(size, 1), inputOf(size, 2)]
  const row = 3 * size.heads * size.headDim
  changed.set(data.subarray(0, 9 * row))
  const read = (x: Float32Array<ArrayBuffer>) =>
    engine.read(maskedAttention(engine.from(x, shapeOf(size)), size.heads, { causal: true }))
  const [before, after] = await Promise.all([read(data), read(changed)])
  same('masked attention', after.subarray(0, (9 * row) / 3), before.subarray(0, (9 * row) / 3))
  assert.not.equal(after.subarray((9 * row) / 3), before.subarray((9 * row) / 3))
})

test('turned by positions as attention without a mask; what is given stays as it is', async () => {
  for (const size of SIZES) {
    const data = inputOf(size, 4)
    const qkv = engine.from(data, shapeOf(size))
    const rope = engine.from(ropeTable(size.length, size.headDim, 10000), [size.length, size.headDim / 2, 2])
    const [ours, other] = [maskedAttention, attention].map(f => f(qkv, size.heads, { rope }))
    close('masked attention with rope', await engine.read(ours), await engine.read(other), {
      scale: 16,
      depth: size.length,
    })
    assert.equal(await engine.read(qkv), data)
  }
})

test('gradients', async () => {
  for (const size of SIZES) {
    const table = ropeTable(size.length, size.headDim, 10000)
    const rope = engine.from(table, [size.length, size.headDim / 2, 2])
    const angle = (position: number, i: number) =>
      Math.atan2(table[position * size.headDim + 2 * i + 1], table[position * size.headDim + 2 * i])
    const inputs = [{ data: inputOf(size, 5), shape: shapeOf(size) }]
    const { mask, isSeen } = masksOf(size)[0]
    const law = { depth: size.length, c: 64, least: 1 }
    await checkGradients(engine, 'masked attention', {
      inputs,
      ours: qkv => maskedAttention(qkv, size.heads, { mask }),
      truth: qkv => oracle.attention(qkv, size, isSeen),
      ...law,
    })
    await checkGradients(engine, 'masked attention with rope', {
      inputs,
      ours: qkv => maskedAttention(qkv, size.heads, { rope, causal: true }),
      truth: qkv => oracle.attention(oracle.rope(qkv, size, angle), size, isBefore),
      ...law,
    })
  }
})

test('products of pairs of matrices, either stored transposed, and their gradients', async () => {
  const [batch, m, n, k] = [3, 5, 7, 4]
  for (const transposeA of [false, true]) {
    for (const transposeB of [false, true]) {
      const inputs = [
        { data: values(6, batch * m * k), shape: [batch, ...(transposeA ? [k, m] : [m, k])] },
        { data: values(7, batch * k * n), shape: [batch, ...(transposeB ? [n, k] : [k, n])] },
      ]
      const truth = (a: Float64Array, b: Float64Array) =>
        oracle.matmul(a, b, { m, n, k, batch, transposeA, transposeB })
      await checkGradients(engine, 'batch matmul', {
        inputs,
        ours: (a, b) => batchMatmul(a, b, { transposeA, transposeB }),
        truth,
        depth: 8,
      })
      const [a, b] = inputs.map(({ data, shape }) => engine.from(data, shape))
      const c = batchMatmul(a, b, { transposeA, transposeB })
      assert.equal(c.shape, [batch, m, n])
      const exact = inputs.map(({ data }) => Float64Array.from(data))
      close('batch matmul', await engine.read(c), truth(exact[0], exact[1]), { scale: k, depth: k })
    }
  }
})

test('shapes that do not fit are refused', () => {
  const qkv = engine.zeros([2, 5, 18])
  assert.throws(() => maskedAttention(qkv, 4), /^maskedAttention: shape \[2,5,18\] is not \(batch, length, 3 × 4 heads/)
  for (const mask of [engine.zeros([2, 5, 4], 'i32'), engine.zeros([3, 1, 5], 'i32'), engine.zeros([1, 1, 5])])
    assert.throws(
      () => maskedAttention(qkv, 3, { mask }),
      /^maskedAttention: a mask of shape \[[\d,]+\] and type .32, expected i32 or u32 of shape \(2 or 1, 5 or 1, 5\)/,
    )
  assert.throws(
    () => maskedAttention(qkv, 3, { rope: engine.zeros([4, 1, 2]) }),
    /^maskedAttention: a table of shape \[4,1,2\] does not turn heads of width 2 at 5 positions/,
  )
  assert.throws(
    () => batchMatmul(engine.zeros([2, 3, 4]), engine.zeros([2, 3, 4])),
    /^batchMatmul: shapes \[2,3,4\] and \[2,3,4\] do not fit, expected \(…, m, k\) and \(…, k, n\)/,
  )
})

test.run()
