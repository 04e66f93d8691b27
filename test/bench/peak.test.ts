// The kernels of the peak compute what they declare, with subgroup matrices played by plain functions. Warming works.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { measure } from '../../bench/measure.js'
import { copy, largerPeak, matrixMultiplyAdd, matrixSum, multiplyAdd, warmer } from '../../bench/peak.js'
import { keepWarm } from '../../bench/suite.js'
import { Engine } from '../../src/engine/index.js'
import type { MatrixKind } from '../../src/engine/device.js'
import { openGpu } from '../../src/node.js'
import { openEngine } from '../engine-under-test.js'
import { values } from '../shapes.js'

const engine = await openEngine()
test.after(() => engine.close())

test('multiply-adds and copies', async () => {
  const [threads, iterations, chains] = [70, 2, 5]
  const [constants, y] = [engine.from(Float32Array.of(0.9, 0.25)), engine.zeros([threads])]
  engine.dispatch(multiplyAdd, { constants, y }, { threads, iterations, chains })
  const sums = await engine.read(y)
  for (let i = 0; i < threads; i++) {
    let expected = 0
    for (let chain = 0; chain < chains; chain++) {
      let x = (i % 7) + chain
      for (let step = 0; step < 32 * iterations; step++) x = x * 0.9 + 0.25
      expected += x
    }
    assert.ok(Math.abs(sums[i] - expected) < 1e-4, `${i}: ${sums[i]}, expected ${expected}`)
  }
  const data = values(1, 4 * 1000)
  const copied = engine.zeros([1000, 4])
  engine.dispatch(copy, { x: engine.from(data), y: copied }, { count: 1000 })
  assert.equal(await engine.read(copied), data)
})

/** A thread has one of the 32 values of a result; an operand is the index where it begins. */
const played = `
var<private> own: u32;
fn multiply_add(a: u32, b: u32, c: f32) -> f32 {
  var x = c;
  for (var k = 0u; k < SIZE_K; k++) {
    x += operands[a + own / SIZE_N * SIZE_K + k] * operands[b + k * SIZE_N + own % SIZE_N];
  }
  return x;
}
@compute`
const replacements: readonly (readonly [from: RegExp, to: string])[] = [
  [/^enable .*$/gm, ''],
  [/^alias Left = [^;]+;/m, 'alias Left = u32;'],
  [/^alias Right = [^;]+;/m, 'alias Right = u32;'],
  [/^alias Result = [^;]+;/m, 'alias Result = f32;'],
  [/@subgroup_size\(32\)/, ''],
  [
    /@builtin\(subgroup_id\) subgroup: u32,\s*@builtin\(subgroup_invocation_id\) lane: u32\s*\) \{/,
    ') { let subgroup = thread / 32u; let lane = thread % 32u; own = lane;',
  ],
  [/array<f16, OPERANDS>/, 'array<f32, OPERANDS>'],
  [/f16\((.*)\) \/ 8\.0h/, 'f32($1) / 8.0'],
  [/subgroupMatrixLoad<Left, row_major>\(&operands, (.*), SIZE_K\);/g, '$1;'],
  [/subgroupMatrixLoad<Right, row_major>\(&operands, (.*), SIZE_N\);/g, '$1;'],
  [/subgroupMatrixMultiplyAccumulate\(/g, 'multiply_add('],
  [/subgroupMatrixStore<row_major>\(&out\[subgroup\], 0u, (.*), SIZE_N\);/g, 'out[subgroup][own] = $1;'],
  [/^@compute/m, played],
]
type MatrixSize = Parameters<typeof matrixMultiplyAdd.constants>[0]
const sourceOf = matrixMultiplyAdd.source as (size: MatrixSize) => string
const playedKernel = {
  ...matrixMultiplyAdd,
  name: 'matrix_multiply_add, played',
  source: (size: MatrixSize) =>
    replacements.reduce((text, [from, to]) => {
      assert.match(text, from)
      return text.replace(from, to)
    }, sourceOf(size)),
}

test('multiply-adds by matrices, played', async () => {
  for (const kind of [
    { m: 4, n: 8, k: 2 },
    { m: 8, n: 4, k: 5 },
  ]) {
    const size = { groups: 2, iterations: 3, kind: { component: 'f16' as const, ...kind } }
    const y = engine.zeros([2, 256])
    engine.dispatch(playedKernel, { y }, size)
    const found = await engine.read(y)
    const expected = matrixSum(size.kind, size.iterations)
    assert.ok(Math.abs(expected) > 1)
    // All subgroups compute the same; their threads differ.
    for (let first = 0; first < 512; first += 32) assert.is(found[first], expected)
    assert.is.not(found[1], expected)
    engine.release(y)
  }
})

const SHAPES = [
  [16, 16, 16],
  [16, 8, 16],
  [16, 8, 8],
  [8, 8, 8],
]
const KINDS: readonly MatrixKind[] = SHAPES.map(([m, n, k]) => ({ component: 'f16', m, n, k }))

test('multiply-adds by matrices compile as they are, and the null backend is no GPU', async () => {
  const { gpu } = await openGpu({ adapter: 'null' })
  const dawn = await Engine.open({ gpu })
  const y = dawn.zeros([2, 256])
  for (const kind of KINDS) dawn.dispatch(matrixMultiplyAdd, { y }, { groups: 2, iterations: 3, kind })
  await dawn.finish()
  const source = (size: MatrixSize) =>
    sourceOf(size).replace('matrix_left<f16, SIZE_K, SIZE_M>', 'matrix_left<f16, SIZE_K, 4>')
  const broken = { ...matrixMultiplyAdd, name: 'broken', source }
  try {
    dawn.dispatch(broken, { y }, { groups: 2, iterations: 3, kind: KINDS[0] })
    await dawn.finish()
    assert.unreachable()
  } catch (error) {
    assert.match((error as Error).message, /subgroup_matrix|subgroupMatrix/)
  }
  dawn.close()
})

test('an idle GPU is kept busy before each timing, a software adapter is not', async () => {
  assert.is(await keepWarm(engine), engine.adapter.isSoftware ? undefined : assert.unreachable())
  const hardware = Object.assign(Object.create(engine) as Engine, { adapter: { ...engine.adapter, isSoftware: false } })
  const warm = warmer(hardware)!
  const [before, start] = [engine.stats.dispatches, performance.now()]
  await warm(30)
  assert.ok(performance.now() - start >= 30)
  assert.ok(engine.stats.dispatches > before)
})

test("a GPU's work runs untimed between the round that compiles and those that count", async () => {
  /** What happens if a run takes so many milliseconds, the first one another time. */
  const happens = async (milliseconds: number, { firstMs = milliseconds, limitMs = Infinity } = {}) => {
    const order: string[] = []
    let now = 0
    const work = () => {
      now += order.length ? milliseconds : firstMs
      order.push('work')
    }
    const warm = async () => void order.push('warm')
    await measure(engine, work, { clock: { now: () => now }, repeats: 2, minimumMs: 0, limitMs, warm })
    return order
  }
  const times = (count: number) => Array<string>(count).fill('work')
  assert.equal(await happens(10), ['work', 'warm', ...times(30), ...times(2)])
  assert.equal(await happens(10, { firstMs: 2000 }), ['work', 'warm', ...times(30), ...times(2)])
  assert.equal(await happens(400), ['work', 'warm', ...times(1), ...times(2)])
  // The limit leaves time for repeats alone.
  assert.equal(await happens(400, { limitMs: 1000 }), ['work', 'warm', ...times(1)])
  assert.equal(await happens(400, { limitMs: 400 }), ['work'])
})

test('of two peaks the larger counts, and what both lack is left out', () => {
  assert.equal(largerPeak({ gflops: 1, gbs: 4 }, { gflops: 2, gbs: 3 }), { gflops: 2, gbs: 4 })
  const a = { gflops: 1, gbs: 4, matrixGflops: 9, gflopsCpu: 5, gbsCpu: 6 }
  const b = { gflops: 2, gbs: 3, matrixGflops: 8, gflopsCpu: 6, gbsCpu: 5 }
  assert.equal(largerPeak(a, b), { gflops: 2, gbs: 4, matrixGflops: 9, gflopsCpu: 6, gbsCpu: 6 })
})

test.run()
