// Products by subgroup matrices, with these played by plain functions: everything of the kernel but the hardware's own multiplication.
// test/null-backend.test.ts has the compiler check the kernel as it is.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { columnSums } from '../../src/kernels/column-sums.js'
import { fill } from '../../src/kernels/kernel.js'
import type { MatmulSize } from '../../src/kernels/matmul.js'
import { type MatrixKind, subgroupMatrices } from '../../src/engine/device.js'
import { offerMatrices } from '../../src/matrices/index.js'
import { matmulSubgroupMatrix } from '../../src/matrices/matmul-kernels.js'
import { matmulFamily } from '../../src/engine/ops/matmul.js'
import { Variants } from '../../src/engine/variants.js'
import { close, printShares } from '../close.js'
import { openEngine } from '../engine-under-test.js'
import * as oracle from '../oracle.js'
import { values } from '../shapes.js'

offerMatrices()
const engine = await openEngine()
test.after(() => {
  engine.close()
  printShares()
})

/** All threads of a subgroup hold whole matrices and compute the same. */
const played = `
fn load_left(at: u32, step: u32) -> Left { var x: Left; for (var i = 0u; i < SIZE_M; i++) { for (var j = 0u; j < SIZE_K; j++) { x[i * SIZE_K + j] = left[at + i * step + j]; } } return x; }
fn load_right(at: u32, step: u32) -> Right { var x: Right; for (var i = 0u; i < SIZE_K; i++) { for (var j = 0u; j < SIZE_N; j++) { x[i * SIZE_N + j] = right[at + i * step + j]; } } return x; }
fn multiply_add(a: Left, b: Right, c: Result) -> Result {
  var x = c;
  for (var i = 0u; i < SIZE_M; i++) { for (var j = 0u; j < SIZE_N; j++) { for (var k = 0u; k < SIZE_K; k++) { x[i * SIZE_N + j] += a[i * SIZE_K + k] * b[k * SIZE_N + j]; } } }
  return x;
}
fn store_result(at: u32, x: Result, step: u32) { for (var i = 0u; i < SIZE_M; i++) { for (var j = 0u; j < SIZE_N; j++) { out[at + i * step + j] = x[i * SIZE_N + j]; } } }
`
const replacements: readonly (readonly [from: RegExp, to: string])[] = [
  [/^enable .*$/gm, ''],
  [/@subgroup_size\(32\)/, ''],
  [/, @builtin\(subgroup_id\) subgroup: u32, @builtin\(subgroup_invocation_id\) lane: u32\) \{/, ') { let subgroup = thread / 32u; let lane = thread % 32u;'],
  [/subgroupMatrixLoad<Left, row_major>\(&left, /, 'load_left('],
  [/subgroupMatrixLoad<Right, row_major>\(&right, /, 'load_right('],
  [/subgroupMatrixMultiplyAccumulate\(/, 'multiply_add('],
  [/subgroupMatrixStore<row_major>\(&out, /, 'store_result('],
  [/^@compute/m, `${played}@compute`],
]
type Size = MatmulSize & { kind: MatrixKind; span: number; splits: number }
const playedKernel = {
  ...matmulSubgroupMatrix,
  name: 'matmul_subgroup_matrix, played',
  source: (size: Size) => {
    const { m, n, k } = size.kind
    const types = { Left: `array<f32, ${m * k}>`, Right: `array<f32, ${k * n}>`, Result: `array<f32, ${m * n}>` }
    return fill(replacements.reduce((text, [from, to]) => {
      assert.match(text, from)
      return text.replace(from, to)
    }, (matmulSubgroupMatrix.source as (size: Size) => string)(size)), types)
  },
}

async function check(size: MatmulSize, kind: MatrixKind, span: number, splits = 1): Promise<void> {
  const { m, n, k, batch = 1, reduce = 1, sharedA, sharedB, accumulate = false } = size
  const a = values(1, m * k * (sharedA ? 1 : batch * reduce))
  const b = values(2, k * n * (sharedB ? 1 : batch * reduce))
  const before = values(3, m * n * batch)
  const c = engine.from(before)
  const parts = engine.zeros([splits, c.size])
  engine.run(playedKernel, { a: engine.from(a), b: engine.from(b), c: splits > 1 ? parts : c }, { ...size, kind, span, splits, accumulate: accumulate && splits === 1 })
  if (splits > 1) engine.run(columnSums, { x: parts, y: c }, { rows: splits, width: c.size, accumulate })
  const truth = oracle.matmul(a, b, size)
  const scale = oracle.matmul(a.map(Math.abs), b.map(Math.abs), size)
  if (accumulate) before.forEach((value, i) => {
    truth[i] += value
    scale[i] += Math.abs(value)
  })
  close(`matmul by matrices, ${JSON.stringify({ ...size, splits })}`, await engine.read(c), truth, { scale, depth: k * reduce })
}

test('all transpositions, edges, batches, sums, ranges', async () => {
  const kind: MatrixKind = { component: 'f32', m: 4, n: 8, k: 2 }
  for (const transposes of [0, 1, 2, 3]) {
    const [transposeA, transposeB] = [transposes % 2 === 1, transposes > 1]
    for (const [m, n, k] of [[1, 1, 1], [16, 16, 16], [17, 15, 33], [40, 36, 20]]) await check({ m, n, k, transposeA, transposeB }, kind, 8)
    await check({ m: 19, n: 9, k: 17, transposeA, transposeB, batch: 2, reduce: 3, accumulate: true }, kind, 8)
    await check({ m: 9, n: 20, k: 40, transposeA, transposeB, batch: 2, sharedA: true, accumulate: true }, kind, 8, 3)
  }
})

test('the kinds that can be used are read off the adapter', () => {
  const features = new Set(['chromium-experimental-subgroup-matrix', 'subgroup-size-control', 'subgroups', 'shader-f16'])
  const info = {
    subgroupMinSize: 32, subgroupMaxSize: 32,
    subgroupMatrixConfigs: [
      { componentType: 'f16', resultComponentType: 'f16', M: 16, N: 16, K: 16 }, { componentType: 'f16', resultComponentType: 'f32', M: 16, N: 8, K: 16 },
      { componentType: 'f16', resultComponentType: 'f32', M: 16, N: 16, K: 16 }, { componentType: 'i8', resultComponentType: 'i32', M: 16, N: 16, K: 32 },
    ],
  } as unknown as GPUAdapterInfo
  const kinds = subgroupMatrices({ features } as unknown as GPUDevice, info)
  assert.equal(kinds, [{ component: 'f16', m: 16, n: 8, k: 16 }, { component: 'f16', m: 16, n: 16, k: 16 }])
  assert.equal(subgroupMatrices({ features: new Set() } as unknown as GPUDevice, info), [])
  assert.equal(subgroupMatrices({ features } as unknown as GPUDevice, { ...info, subgroupMaxSize: 16 }), [])
  const variants = new Variants({ ...engine.adapter, isSoftware: false, subgroupSize: 32, subgroupMatrices: kinds })
  const taken = (size: MatmulSize) => variants.pick(matmulFamily, size).name
  const forward = { m: 9312, n: 3072, k: 512, transposeB: true }
  assert.is(taken({ ...forward, halfA: true, halfB: true }), 'matrices 128×128')
  assert.is(taken({ m: 1024, n: 97, k: 512, transposeB: true, reduce: 96, halfA: true, halfB: true }), 'matrices 64×64 split')
  assert.is(taken(forward), 'tiled 128×128')
  assert.is(taken({ ...forward, halfA: true }), 'tiled 128×128')
})

test.run()
