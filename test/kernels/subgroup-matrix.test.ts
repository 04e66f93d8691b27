// Products by subgroup matrices; plain functions play the matrices.
// So all of the kernels is tested but the hardware's own multiplication.
// test/null-backend.test.ts has the compiler check the kernels as they are.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type MatrixKind, subgroupMatrices } from '../../src/engine/device.js'
import { gatedFamily } from '../../src/engine/ops/gated.js'
import { matmulFamily } from '../../src/engine/ops/matmul.js'
import { Variants } from '../../src/engine/variants.js'
import { fill } from '../../src/kernels/kernel.js'
import type { Gated, MatmulSize } from '../../src/kernels/matmul.js'
import { offerMatrices } from '../../src/matrices/index.js'
import { linesOf, matmulMatrix, type MatrixProduct, textOf } from '../../src/matrices/matmul-kernels.js'
import { product } from '../../src/matrices/matmul.js'
import { close, printShares } from '../close.js'
import { openEngine } from '../engine-under-test.js'
import { inPage } from '../files.js'
import { halves } from '../half.js'
import * as oracle from '../oracle.js'
import { playedKernel, rolled } from '../played-matrices.js'

offerMatrices()
const engine = await openEngine()
test.after(() => {
  engine.close()
  printShares()
})
const hasHalf = engine.adapter.features.includes('shader-f16')
if (!hasHalf) console.log('skipped: results in float16, this adapter has no shader-f16')

/** With loops unrolled, as adapters run it; and with loops as they are, which compiles faster with played matrices. */
const unrolled = playedKernel(matmulMatrix)
const kernel = playedKernel({
  ...matmulMatrix,
  source: (size: MatrixProduct) => fill(rolled(textOf(size)), linesOf(size)),
})

/** The smallest tile, and the tile of GPUs. */
const SMALL: Pick<MatrixProduct, 'kind' | 'span'> = { kind: { component: 'f16', m: 8, n: 8, k: 8 }, span: 16 }
const REAL: Pick<MatrixProduct, 'kind' | 'span'> = { kind: { component: 'f16', m: 16, n: 16, k: 16 }, span: 64 }

type Case = MatmulSize & { splits?: number; gated?: Gated; isHalf?: boolean; isUnrolled?: boolean; tile?: typeof SMALL }

async function check({
  gated,
  tile = SMALL,
  splits = 1,
  isHalf = false,
  isUnrolled = false,
  ...size
}: Case): Promise<void> {
  const { m, n, k, batch = 1, reduce = 1, sharedA, sharedB, accumulate } = size
  const [a, b] = [
    halves(engine, 1, m * k * (sharedA ? 1 : batch * reduce)),
    halves(engine, 2, k * n * (sharedB ? 1 : batch * reduce)),
  ]
  const count = (m * n * batch) / (gated ? 2 : 1)
  // The values of c before, and those behind the results, which must stay.
  const guard = 0.5
  const c = engine.lasting([count + 256], isHalf ? 'f16' : 'f32')
  engine.write(c, new Float32Array(count + 256).fill(guard))
  product(engine, { a: a.tensor, b: b.tensor, c }, { ...size, gated, splits, ...tile }, isUnrolled ? unrolled : kernel)
  const sums = oracle.matmul(a.data, b.data, size)
  const magnitudes = oracle.matmul(a.data.map(Math.abs), b.data.map(Math.abs), size)
  let [truth, scale] = [sums, magnitudes]
  if (gated) {
    truth = oracle.swiglu(sums, gated === 'columns' ? { half: n / 2 } : { half: m / 2, inner: n })
    const block = gated === 'columns' ? n / 2 : (m / 2) * n
    // |silu(gate) · up| is at most |gate · up|; the error of both sums goes into it.
    scale = truth.map((_, i) => {
      const at = Math.floor(i / block) * 2 * block + (i % block)
      return 1.1 * magnitudes[at] * magnitudes[at + block]
    })
  }
  if (accumulate)
    truth.forEach((_, i) => {
      truth[i] += guard
      scale[i] += guard
    })
  const got = await engine.read(c)
  const depth = k * reduce * (gated ? 2 : 1)
  // A result in float16 is rounded once more: by 2¹³ units of float32, of which the law gives 4 · √depth.
  const rounding = isHalf ? 2 ** 13 / (4 * Math.sqrt(depth)) : 0
  const kind = `${gated ? 'gated' : 'matmul'} by matrices${isHalf ? ' to float16' : ''}`
  const name = `${kind}, ${JSON.stringify({ ...size, splits, gated, span: tile.span })}`
  close(name, got.slice(0, count), truth, {
    scale: scale.map((x, i) => x + 1.01 * rounding * Math.abs(truth[i])),
    depth,
  })
  assert.ok(
    got.slice(count).every(x => x === guard),
    'what lies behind the results stays',
  )
  engine.release(a.tensor, b.tensor, c)
}

// SwiftShader takes seconds to compile each: on a software adapter they run in Node alone, not in a page.
const isPlayed = !(inPage && engine.adapter.isSoftware)
if (!isPlayed) console.log('skipped: products by matrices, in a page on a software adapter')
const played = isPlayed ? test : test.skip

const ORDERS = [0, 1, 2, 3].map(i => ({ transposeA: i % 2 === 1, transposeB: i > 1 }))

for (const order of ORDERS) {
  // Two texts each, as every text is compiled: k in whole tiles or not, rows of c in whole vec4f or not.
  played(`${order.transposeA ? 'T' : 'N'}${order.transposeB ? 'T' : 'N'}: edges, batches, sums, ranges`, async () => {
    for (const [m, n, k] of [
      [33, 32, 97],
      [72, 40, 24],
      [17, 300, 8],
    ])
      await check({ m, n, k, ...order })
    await check({ m: 40, n: 36, k: 97, batch: 2, reduce: 3, accumulate: true, ...order })
    await check({ m: 9, n: 44, k: 40, batch: 3, sharedA: true, accumulate: true, splits: 3, ...order })
    for (const [m, n, k] of [
      [1, 1, 32],
      [33, 31, 64],
    ])
      await check({ m, n, k, accumulate: true, ...order })
    await check({ m: 24, n: 41, k: 64, batch: 2, reduce: 2, sharedB: true, splits: 5, ...order })
  })
}

played('results in float16, in rows that vec4f divide and others', async () => {
  if (hasHalf)
    for (const n of [40, 41]) await check({ m: 33, n, k: n, accumulate: n === 41, isHalf: true, ...ORDERS[2] })
})

played('gate and up, along either side', async () => {
  for (const [m, n, k] of [
    [70, 38, 97],
    [5, 2, 1],
    [48, 80, 33],
  ])
    await check({ m, n, k, gated: 'columns', ...ORDERS[2] })
  for (const [m, n, k] of [
    [38, 72, 97],
    [2, 5, 1],
    [80, 48, 33],
  ])
    await check({ m, n, k, batch: 2, sharedA: true, gated: 'rows', ...ORDERS[0] })
  // Gate and up in one row in memory.
  await check({ m: 40, n: 80, k: 33, batch: 2, gated: 'columns', ...ORDERS[0] })
  await check({ m: 80, n: 40, k: 33, batch: 2, gated: 'rows', ...ORDERS[1] })
  if (hasHalf) await check({ m: 68, n: 48, k: 64, gated: 'rows', isHalf: true, ...ORDERS[0] })
})

played('the tiles of a GPU, and loops unrolled', async () => {
  await check({ m: 130, n: 132, k: 97, batch: 2, ...ORDERS[0], tile: REAL })
  await check({ m: 129, n: 136, k: 72, ...ORDERS[2], tile: REAL })
  await check({ m: 144, n: 160, k: 136, gated: 'rows', ...ORDERS[1], tile: REAL })
  const narrow = { kind: { component: 'f16', m: 16, n: 8, k: 16 }, span: 32 } as const
  for (const [m, n, k] of [
    [70, 68, 40],
    [65, 130, 48],
  ])
    await check({ m, n, k, ...ORDERS[3], tile: narrow })
  await check({
    m: 33,
    n: 36,
    k: 72,
    isUnrolled: true,
    ...ORDERS[1],
    tile: { ...SMALL, kind: { ...SMALL.kind, k: 16 } },
  })
})

test('the kinds that can be used are read off the adapter', () => {
  const features = new Set([
    'chromium-experimental-subgroup-matrix',
    'subgroup-size-control',
    'subgroups',
    'shader-f16',
  ])
  const info = {
    subgroupMinSize: 32,
    subgroupMaxSize: 32,
    subgroupMatrixConfigs: [
      { componentType: 'f16', resultComponentType: 'f16', M: 16, N: 16, K: 16 },
      { componentType: 'f16', resultComponentType: 'f32', M: 16, N: 8, K: 16 },
      { componentType: 'f16', resultComponentType: 'f32', M: 16, N: 16, K: 16 },
      { componentType: 'i8', resultComponentType: 'i32', M: 16, N: 16, K: 32 },
    ],
  } as unknown as GPUAdapterInfo
  const kinds = subgroupMatrices({ features } as unknown as GPUDevice, info)
  assert.equal(kinds, [
    { component: 'f16', m: 16, n: 8, k: 16 },
    { component: 'f16', m: 16, n: 16, k: 16 },
  ])
  assert.equal(subgroupMatrices({ features: new Set() } as unknown as GPUDevice, info), [])
  assert.equal(subgroupMatrices({ features } as unknown as GPUDevice, { ...info, subgroupMaxSize: 16 }), [])
})

test('defaults on a GPU with matrices', () => {
  const kinds: MatrixKind[] = [
    { component: 'f16', m: 16, n: 8, k: 16 },
    { component: 'f16', m: 16, n: 16, k: 16 },
  ]
  const described = {
    ...engine.adapter,
    isSoftware: false,
    subgroupSize: 32,
    subgroupMatrices: kinds,
    workgroupBytes: 49152,
  }
  const half = { f16A: true, f16B: true }
  const taken = (size: MatmulSize, adapter = described) =>
    new Variants(adapter).pick(matmulFamily, { ...size, ...half }).name
  // The official network, all 768 puzzles: gate and up, its derivatives; token mixing and its weight's gradient.
  const forward = { m: 74496, n: 3072, k: 512, transposeB: true }
  assert.is(taken(forward), 'matrices 128×128')
  assert.is(taken({ m: 74496, n: 512, k: 3072 }), 'matrices 128×128')
  assert.is(taken({ m: 3072, n: 512, k: 74496, transposeA: true }), 'matrices 128×128 split')
  assert.is(taken({ m: 1024, n: 512, k: 97, batch: 768, sharedA: true }), 'matrices 128×128')
  assert.is(taken({ m: 97, n: 512, k: 512, batch: 768, sharedA: true }), 'matrices 128×128')
  assert.is(taken({ m: 1024, n: 97, k: 512, transposeB: true, reduce: 768 }), 'matrices 128×128 split')
  assert.is(taken({ m: 9312, n: 512, k: 1536, transposeB: true }), 'matrices 128×128 split')
  assert.is(taken({ m: 388, n: 384, k: 128, transposeB: true }), 'matrices 64×64')
  assert.is(taken({ m: 64, n: 64, k: 9312, transposeA: true }), 'matrices 64×64 split')
  assert.is(taken({ m: 74496, n: 11, k: 512, transposeB: true }), 'tiled 64×64')
  assert.match(taken(forward, { ...described, workgroupBytes: 16384 }), /^matrices 64×64$/)
  assert.match(new Variants(described).pick(matmulFamily, forward).name, /^tiled/)
  assert.match(new Variants(described).pick(matmulFamily, { ...forward, f16A: true }).name, /^tiled/)
  const gated = (size: MatmulSize, along: Gated) =>
    new Variants(described).pick(gatedFamily, { ...size, ...half, gated: along }).name
  assert.is(gated(forward, 'columns'), 'matrices 128×128')
  assert.is(gated({ m: 1024, n: 512, k: 97, batch: 768, sharedA: true }, 'rows'), 'matrices 128×128')
  assert.is(gated({ m: 97, n: 384, k: 128, transposeB: true }, 'columns'), 'matrices 64×64')
})

test.run()
