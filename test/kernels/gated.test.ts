// silu(gate) · up, computed from the product of x and the weight, by every variant, along either side.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type DType, gated, linear, swiglu } from '../../src/engine/index.js'
import { gatedFamily, type GatedSize } from '../../src/engine/ops/gated.js'
import { close, printShares } from '../close.js'
import { openEngine, tried } from '../engine-under-test.js'
import * as oracle from '../oracle.js'
import { values } from '../shapes.js'

const engine = await openEngine()
test.after(() => {
  engine.close()
  printShares()
})

async function check(given: GatedSize, dtype: DType = 'f32', magnitude = 1): Promise<void> {
  const size = { ...given, f16A: dtype === 'f16', f16B: dtype === 'f16' }
  const { m, n, k, batch = 1, sharedA, sharedB, gated } = size
  const stored = async (seed: number, count: number) => {
    const tensor = engine.lasting([count], dtype)
    engine.write(tensor, values(seed, count, magnitude))
    return { tensor, data: Float64Array.from(await engine.read(tensor)) }
  }
  const [a, b] = [await stored(1, m * k * (sharedA ? 1 : batch)), await stored(2, k * n * (sharedB ? 1 : batch))]
  const c = engine.lasting([(m * n * batch) / 2], dtype)
  engine.variants.pick(gatedFamily, size).apply(engine, { a: a.tensor, b: b.tensor, c }, size)
  const halves = gated === 'columns' ? { half: n / 2 } : { half: m / 2, inner: n }
  const truth = oracle.swiglu(oracle.matmul(a.data, b.data, size), halves)
  // |silu(gate) · up| is at most |gate · up|; the error of both sums goes into it.
  const sums = oracle.matmul(a.data.map(Math.abs), b.data.map(Math.abs), size)
  const scale = truth.map((_, i) => {
    const row =
      gated === 'columns'
        ? Math.floor(i / (n / 2)) * n + (i % (n / 2))
        : Math.floor(i / ((m / 2) * n)) * m * n + (i % ((m / 2) * n))
    return 1.1 * sums[row] * sums[row + (gated === 'columns' ? n / 2 : (m / 2) * n)]
  })
  // In float16 stored values are rounded 2¹³ times as much, gate and up too if they are stored in between.
  close(`gated${dtype === 'f16' ? ' in float16' : ''}, ${JSON.stringify(size)}`, await engine.read(c), truth, {
    scale,
    depth: 2 * k,
    c: dtype === 'f16' ? 2 ** 15 : 4,
  })
  engine.release(a.tensor, b.tensor, c)
}

for (const dtype of ['f32', ...(engine.adapter.features.includes('shader-f16') ? (['f16'] as const) : [])] as const) {
  const half = dtype === 'f16'
  for (const { name } of tried(engine, gatedFamily, {
    m: 64,
    n: 64,
    k: 64,
    gated: 'columns',
    transposeB: true,
    f16A: half,
    f16B: half,
  })) {
    test(`variant ${name}, ${dtype}`, async () => {
      engine.variants.force('gated', name)
      // Each way of loading and storing is a kernel that takes seconds to compile: sizes are all odd, or all even.
      const isLarge = name.includes('128×128')
      for (const [m, half, k] of [
        [1, 1, 1],
        [5, 3, 7],
        [34, 34, 18],
        [71, 65, 33],
        [130, 68, 20],
        [131, 129, 9],
        [4, 64, 4],
      ]) {
        if (!isLarge || k % 2 === 0) await check({ m, n: 2 * half, k, transposeB: true, gated: 'columns' }, dtype)
        if (!isLarge || k % 2) await check({ m: 2 * half, n: m, k, batch: 3, sharedA: true, gated: 'rows' }, dtype)
      }
      // Halves of odd length, although rows in memory are even: no two neighbours are one load.
      if (!isLarge) {
        await check({ m: 9, n: 22, k: 5, batch: 2, gated: 'columns' }, dtype)
        await check({ m: 14, n: 7, k: 65, transposeA: true, gated: 'rows' }, dtype, 3)
      }
      await check({ m: 12, n: 7, k: 65, transposeA: true, gated: 'rows' }, dtype, 3)
      engine.variants.force('gated', undefined)
    })
  }
}

test('the operation, along either axis, and its derivative', async () => {
  for (const [x, axis] of [
    [[2, 3, 5], -1],
    [[2, 5, 3], -2],
  ] as const) {
    const [data, weight] = [engine.from(values(1, 30), x), engine.from(values(2, 40), [8, 5])]
    const y = gated(data, weight, { axis })
    assert.equal(y.shape, axis === -1 ? [2, 3, 4] : [2, 4, 3])
    const layer = () => (axis === -1 ? swiglu(linear(data, weight)) : gated(data, weight, { axis }))
    close('gated', await engine.read(y), await engine.read(layer()), { scale: 10, depth: 5 })
    const both = [() => gated(data, weight, { axis }), layer].map(objective =>
      engine.gradients([data, weight], objective),
    )
    for (const i of [0, 1]) close('gated', await engine.read(both[0][i]), await engine.read(both[1][i]), { scale: 0 })
  }
})

test('a weight that does not fit is refused', () => {
  const [x, weight] = [engine.zeros([2, 3, 5]), engine.zeros([7, 5])]
  assert.throws(
    () => gated(x, weight),
    /^gated: x of shape \[2,3,5\] does not fit a weight of shape \[7,5\] over axis -1/,
  )
  assert.throws(() => gated(x, engine.zeros([8, 5]), { axis: -2 }), /over axis -2, expected/)
})

test.run()
