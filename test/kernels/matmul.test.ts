// Matrix products in every transposition, batched, summed, shared and accumulated.
// Linear layers over either axis and their derivatives.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { linear } from '../../src/engine/index.js'
import { matmul, matmulFamily, type MatmulTensors } from '../../src/engine/ops/matmul.js'
import { type MatmulSize, matmulTiled, tiledDepth } from '../../src/kernels/matmul.js'
import { Variants } from '../../src/engine/variants.js'
import { close, printShares } from '../close.js'
import { checkGradients } from '../differences.js'
import { openEngine, tried } from '../engine-under-test.js'
import * as oracle from '../oracle.js'
import { MAGNITUDES, PRODUCTS, values } from '../shapes.js'

const engine = await openEngine()
test.after(() => {
  engine.close()
  printShares()
})

type Run = (tensors: MatmulTensors, size: MatmulSize) => void

async function check(
  size: MatmulSize,
  magnitude = 1,
  run: Run = (tensors, size) => matmul(tensors, size),
): Promise<void> {
  const { m, n, k, batch = 1, reduce = 1, sharedA, sharedB, accumulate } = size
  const a = values(1, m * k * (sharedA ? 1 : batch * reduce), magnitude)
  const b = values(2, k * n * (sharedB ? 1 : batch * reduce))
  const before = values(3, m * n * batch)
  const tensors = { a: engine.from(a), b: engine.from(b), c: engine.from(before) }
  run(tensors, size)
  const ours = await engine.read(tensors.c)
  const truth = oracle.matmul(a, b, size)
  const scale = oracle.matmul(a.map(Math.abs), b.map(Math.abs), size)
  if (accumulate) {
    for (let i = 0; i < truth.length; i++) {
      truth[i] += before[i]
      scale[i] += Math.abs(before[i])
    }
  }
  // Terms of Σ|a||b| round one after the other: the error stays below √depth of them, whatever the order.
  close(`matmul, ${JSON.stringify(size)}`, ours, truth, { scale, depth: k * reduce })
  engine.release(...Object.values(tensors))
}

for (const transposeA of [false, true]) {
  for (const transposeB of [false, true]) {
    test(`products${transposeA ? ', a transposed' : ''}${transposeB ? ', b transposed' : ''}`, async () => {
      for (const [m, n, k] of PRODUCTS) await check({ m, n, k, transposeA, transposeB })
      for (const magnitude of MAGNITUDES) await check({ m: 13, n: 37, k: 65, transposeA, transposeB }, magnitude)
      await check({ m: 13, n: 37, k: 65, transposeA, transposeB, accumulate: true })
    })

    test(`batches${transposeA ? ', a transposed' : ''}${transposeB ? ', b transposed' : ''}`, async () => {
      for (const [m, n, k] of [
        [1, 1, 1],
        [5, 7, 3],
        [33, 9, 17],
      ]) {
        for (const accumulate of [false, true]) {
          for (const [sharedA, sharedB] of [
            [false, false],
            [true, false],
            [false, true],
          ])
            await check({ m, n, k, transposeA, transposeB, batch: 3, sharedA, sharedB, accumulate })
          await check({ m, n, k, transposeA, transposeB, reduce: 5, accumulate })
          await check({ m, n, k, transposeA, transposeB, batch: 2, reduce: 3, accumulate })
        }
      }
    })
  }
}

/**
 * Each order is a kernel of its own, which takes seconds to compile, and so is each parity of rows in memory: all odd,
 * or all even with k a multiple of the depth. An edge along an even k comes with several tiles along both sides, or
 * with an odd number of rows.
 */
const SIZES = [0, 1, 2, 3].flatMap(transposes => {
  const products = PRODUCTS.filter(([m, n, k]) => m % 2 === n % 2 && (m % 2 ? k % 2 : k % 16 === 0))
  const sizes: MatmulSize[] = [
    ...products.map(([m, n, k]) => ({ m, n, k })),
    { m: transposes % 3 ? 33 : 70, n: 130, k: 18, batch: 2, reduce: 3, accumulate: true },
    { m: 33, n: 9, k: 17, batch: 2, reduce: 3, accumulate: true },
    { m: 12, n: 32, k: 16, batch: 2, reduce: 3, accumulate: true },
    { m: 9, n: 33, k: 17, batch: 3, sharedA: true },
  ]
  return sizes.map(size => ({ ...size, transposeA: transposes % 2 === 1, transposeB: transposes > 1 }))
})

/** Several large tiles with edges along both sides, and several steps along k. */
const LARGE: MatmulSize[] = [
  { m: 131, n: 260, k: 36 },
  { m: 260, n: 129, k: 37, transposeB: true },
  { m: 260, n: 131, k: 37, transposeA: true },
  { m: 131, n: 258, k: 48, transposeA: true, transposeB: true },
]

for (const { name } of tried(engine, matmulFamily, { m: 1, n: 1, k: 1 })) {
  test(`variant ${name}`, async () => {
    engine.variants.force('matmul', name)
    const sizes = name.includes('128×128') ? LARGE : SIZES
    for (const size of sizes) await check(size, 'sharedA' in size ? 1e4 : 1)
    assert.ok(sizes === LARGE || sizes.length >= 40, `${sizes.length} sizes`)
    engine.variants.force('matmul', undefined)
  })
}

test('large tiles in 16 KB of workgroup memory, half as deep', async () => {
  assert.equal(
    [
      [64, 16384],
      [64, 49152],
      [128, 16384],
      [128, 32768],
    ].map(([side, bytes]) => tiledDepth(side, bytes)),
    [16, 16, 8, 16],
  )
  const shallow: Run = (tensors, size) =>
    engine.dispatch(matmulTiled, tensors, { ...size, side: 128, depth: 8, splits: 1 })
  await check({ m: 127, n: 129, k: 2, transposeA: true, reduce: 2, accumulate: true }, 1, shallow)
  await check({ m: 34, n: 10, k: 64, transposeB: true, reduce: 2, accumulate: true }, 1, shallow)
})

test('a sum with infinite terms is infinite, although lines and terms beyond the edge are read too', async () => {
  engine.variants.force('matmul', 'tiled 64×64')
  for (const transposes of [0, 1, 2, 3]) {
    const [transposeA, transposeB] = [transposes % 2 === 1, transposes > 1]
    const [m, n, k] = [5, 9, 7]
    // The last row of a and the last column of b hold infinities at the last k.
    const a = Float32Array.from({ length: m * k }, (_, i) => (i === m * k - 1 ? Infinity : 1))
    const b = Float32Array.from({ length: k * n }, (_, i) => (i === k * n - 1 ? Infinity : 1))
    const c = engine.tensor([m * n])
    matmul({ a: engine.from(a), b: engine.from(b), c }, { m, n, k, transposeA, transposeB })
    const expected = Array.from({ length: m * n }, (_, i) =>
      i % n === n - 1 || Math.floor(i / n) === m - 1 ? Infinity : k,
    )
    assert.equal([...(await engine.read(c))], expected)
  }
  engine.variants.force('matmul', undefined)
})

test('sums in ranges that are longer than the least', async () => {
  engine.variants.force('matmul', 'tiled 64×64 split')
  // Of the same kernels as the sums with infinite terms.
  for (const transposes of [0, 1, 2, 3])
    await check({
      m: 21,
      n: 37,
      k: 133,
      transposeA: transposes % 2 === 1,
      transposeB: transposes > 1,
      reduce: 16,
      accumulate: true,
    })
  await check({ m: 35, n: 17, k: 4101, transposeA: true, batch: 2 })
  engine.variants.force('matmul', undefined)
})

test('defaults on a GPU, without measuring', () => {
  const variants = new Variants({ ...engine.adapter, isSoftware: false, subgroupSize: 32 })
  const taken = (m: number, n: number, k: number, more: Partial<MatmulSize> = {}) =>
    variants.pick(matmulFamily, { m, n, k, ...more }).name
  assert.is(taken(9312, 3072, 512, { transposeB: true }), 'tiled 128×128')
  assert.is(taken(9312, 512, 3072), 'tiled 128×128 split')
  assert.is(taken(9312, 1536, 512), 'tiled 128×128')
  assert.is(taken(5000, 1000, 512), 'tiled 128×128')
  assert.is(taken(74496, 512, 3072), 'tiled 128×128')
  assert.is(taken(3072, 512, 9312, { transposeA: true }), 'tiled 128×128 split')
  assert.is(taken(512, 1536, 9312, { transposeA: true }), 'tiled 128×128 split')
  assert.is(taken(1024, 97, 512, { transposeB: true, reduce: 96 }), 'tiled 128×128 split')
  assert.is(taken(194, 512, 1536, { transposeB: true }), 'tiled 64×64 split')
  assert.is(taken(512, 64, 1088, { transposeA: true }), 'tiled 64×64 split')
  assert.is(taken(1088, 512, 64, { transposeB: true }), 'tiled 64×64')
  assert.is(taken(1024, 512, 97, { batch: 96, sharedA: true }), 'tiled 128×128')
  assert.is(taken(74496, 11, 512, { transposeB: true }), 'tiled 64×64')
  assert.is(taken(1, 3072, 512, { transposeB: true }), 'tiled 64×64 split')
  assert.is(taken(768, 2, 512, { transposeB: true }), 'tiled 64×64 split')
  assert.is(taken(11, 512, 9312, { transposeA: true }), 'tiled 64×64 split')
  assert.is(taken(9312, 30, 64), 'tiled 64×64')
})

test('more workgroups than one dimension holds', async () => {
  await check({ m: 1, n: 3, k: 2, batch: 65537 })
})

test('linear layers', async () => {
  for (const [rows, out, width] of [
    [1, 1, 1],
    [3, 5, 7],
    [6, 33, 11],
    [35, 9, 31],
    [130, 65, 33],
  ]) {
    const inputs = [
      { data: values(4, rows * width), shape: [rows, width] },
      { data: values(5, out * width), shape: [out, width] },
    ]
    const truth = (x: Float64Array, weight: Float64Array) =>
      oracle.matmul(x, weight, { m: rows, n: out, k: width, transposeB: true })
    await checkGradients(engine, 'linear', {
      inputs,
      ours: (x, weight) => linear(x, weight),
      truth,
      depth: Math.max(rows, out),
    })
    const y = linear(engine.from(inputs[0].data, [rows, 1, width]), engine.from(inputs[1].data, [out, width]))
    assert.equal(y.shape, [rows, 1, out])
    close('linear', await engine.read(y), truth(Float64Array.from(inputs[0].data), Float64Array.from(inputs[1].data)), {
      scale: width,
      depth: width,
    })
  }
})

test('layers over the next-to-last axis', async () => {
  for (const [batch, out, length, width] of [
    [1, 1, 1, 1],
    [3, 5, 7, 2],
    [2, 33, 18, 5],
    [4, 9, 17, 33],
    [5, 66, 31, 63],
  ]) {
    const inputs = [
      { data: values(6, batch * length * width), shape: [batch, length, width] },
      { data: values(7, out * length), shape: [out, length] },
    ]
    const truth = (x: Float64Array, weight: Float64Array) =>
      oracle.matmul(weight, x, { m: out, n: width, k: length, batch, sharedA: true })
    await checkGradients(engine, 'mix', {
      inputs,
      ours: (x, weight) => linear(x, weight, { axis: -2 }),
      truth,
      depth: batch * Math.max(width, out),
    })
    const y = linear(engine.from(inputs[0].data, inputs[0].shape), engine.from(inputs[1].data, [out, length]), {
      axis: -2,
    })
    assert.equal(y.shape, [batch, out, width])
    close('mix', await engine.read(y), truth(Float64Array.from(inputs[0].data), Float64Array.from(inputs[1].data)), {
      scale: length,
      depth: length,
    })
  }
})

test('shapes that do not fit are refused', () => {
  const [x, weight] = [engine.zeros([2, 3, 5]), engine.zeros([4, 7])]
  assert.throws(() => linear(x, weight), /^linear: x of shape \[2,3,5\] does not fit a weight of shape \[4,7\]/)
  assert.throws(() => linear(x, weight, { axis: -2 }), /^linear: x of shape \[2,3,5\] does not fit/)
})

test.run()
