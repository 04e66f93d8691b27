// No kernel for GPUs indexes registers by anything but constants: on an H200 that made a product 15 times slower.
import { readdirSync, readFileSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import * as act from '../src/kernels/slots.js'
import * as adam from '../src/kernels/adam.js'
import * as add from '../src/kernels/add.js'
import * as attentionTiled from '../src/kernels/attention-tiled.js'
import * as attention from '../src/kernels/attention.js'
import * as columnSums from '../src/kernels/column-sums.js'
import * as crossEntropy from '../src/kernels/cross-entropy.js'
import * as dropout from '../src/kernels/dropout.js'
import * as embedding from '../src/kernels/embedding.js'
import * as firstPosition from '../src/kernels/first-position.js'
import * as inputEmbedding from '../src/kernels/input-embedding.js'
import type { Kernel } from '../src/kernels/kernel.js'
import * as latentNoise from '../src/kernels/latent-noise.js'
import * as lossScale from '../src/kernels/loss-scale.js'
import * as matmul from '../src/kernels/matmul.js'
import * as pointwise from '../src/kernels/pointwise.js'
import * as rmsnorm from '../src/kernels/rmsnorm.js'
import * as rope from '../src/kernels/rope.js'
import * as signSgd from '../src/kernels/sign-sgd.js'
import * as softmax from '../src/kernels/softmax.js'
import * as squaredError from '../src/kernels/squared-error.js'
import * as sum from '../src/kernels/sum.js'
import * as supervisionLoss from '../src/kernels/supervision-loss.js'
import * as swiglu from '../src/kernels/swiglu.js'
import * as transpose from '../src/kernels/transpose.js'
import { attentionKernels, partsOf, shareOf } from '../src/matrices/attention-kernels.js'
import * as matrices from '../src/matrices/matmul-kernels.js'
import attentionMatrices from '../shaders/matrices/attention.wgsl'
import attentionMatricesBackward from '../shaders/matrices/attention_backward.wgsl'
import { rootFolder } from './files.js'
import { registersByVariable } from './registers.js'

/** All kernels that a GPU runs. Those of src/lavapipe are not here: no GPU runs them. */
const MODULES = [
  act,
  adam,
  add,
  attention,
  attentionTiled,
  columnSums,
  crossEntropy,
  dropout,
  embedding,
  firstPosition,
  inputEmbedding,
  latentNoise,
  lossScale,
  matmul,
  pointwise,
  rmsnorm,
  rope,
  signSgd,
  softmax,
  squaredError,
  sum,
  supervisionLoss,
  swiglu,
  transpose,
  matrices,
]
const isKernel = (value: unknown): value is Kernel<unknown> =>
  typeof value === 'object' && value !== null && 'bindings' in value && 'workgroups' in value
const byMatrices = attentionKernels({ forward: attentionMatrices, backward: attentionMatricesBackward })
const kernels = [
  ...MODULES.flatMap(module => Object.values<unknown>(module).filter(isKernel)),
  ...(Object.values(byMatrices) as Kernel<unknown>[]),
]

/** Every combination of these values. */
function combinations(values: Record<string, readonly unknown[]>): Record<string, unknown>[] {
  return Object.entries(values).reduce<Record<string, unknown>[]>(
    (all, [name, each]) => all.flatMap(size => each.map(value => ({ ...size, [name]: value }))),
    [{}],
  )
}

const products = { m: [128, 97], n: [512, 66], k: [512, 97], transposeA: [false, true], transposeB: [false, true] }
const heads = combinations({ batch: [2], length: [97], heads: [8], rope: [false, true] })
const withWidths = (...widths: number[]) => heads.flatMap(size => widths.map(headDim => ({ ...size, headDim })))
// Software adapters run the same loops without unrolling.
const anyWidth = withWidths(1, 2, 3, 5, 8, 16, 32, 48, 64, 96, 128).map(size => ({ ...size, unrolled: true }))
const tiledWidths = withWidths(8, 16, 24, 32, 64, 96, 128)

const norms = [
  [8, 1],
  [97 * 8, 1],
  [512, 1],
  [2048, 1],
  [1, 64],
  [97, 512],
  [256, 512],
].map(([width, stride]) => ({ rows: 8 * stride, width, stride }))
const matrixHeads = withWidths(32, 64, 128).flatMap(size =>
  [1, 17, 97, 916].flatMap(length =>
    [16384, 49152].flatMap(workgroupBytes => {
      const share = shareOf({ ...size, length, batch: 1, heads: 8 } as never, {
        workgroupBytes,
        workgroupThreads: 1024,
      })
      return share
        ? Array.from({ length: partsOf({ ...size, length } as never) }, (_, part) => ({
            ...size,
            length,
            ...share,
            part,
          }))
        : []
    }),
  ),
)

/** Products by matrices of each kind. */
const byKind = (more: Record<string, readonly unknown[]>) =>
  [
    { component: 'f16', m: 16, n: 16, k: 16 },
    { component: 'f16', m: 16, n: 8, k: 8 },
  ].flatMap(kind => combinations({ ...products, kind: [kind], span: [32, 64], splits: [1], ...more }))

/** Sizes of the kernels whose text depends on the size; they cover every text. */
const SIZES: Record<string, readonly unknown[]> = {
  add: [
    { count: 4, countB: 0 },
    { count: 5, countB: 5 },
  ],
  pointwise: [
    { count: 4, countB: 4 },
    { count: 5, countB: 5 },
  ],
  swiglu: [
    { rows: 2, half: 4 },
    { rows: 2, half: 3 },
  ],
  swiglu_backward: [
    { rows: 2, half: 4 },
    { rows: 2, half: 3 },
  ],
  attention: anyWidth,
  attention_backward_q: anyWidth,
  attention_backward_kv: anyWidth,
  attention_tiled: tiledWidths,
  attention_tiled_backward_q: tiledWidths,
  attention_tiled_backward_kv: tiledWidths,
  halt: [{}],
  matmul_vec4: [{}],
  matmul_tiled: [
    [64, 16],
    [128, 16],
    [128, 8],
  ].flatMap(([side, depth]) =>
    combinations({
      ...products,
      n: [512, 66, 97],
      k: [512, 66, 97],
      side: [side],
      depth: [depth],
      splits: [1],
      gated: [undefined, 'columns', 'rows'],
    }).filter(({ m, n, gated }) => !gated || Number(gated === 'rows' ? m : n) % 2 === 0),
  ),
  rmsnorm_registers: norms,
  rmsnorm_registers_backward: norms,
  attention_matrices: matrixHeads,
  attention_matrices_backward_q: matrixHeads,
  attention_matrices_backward_kv: matrixHeads,
  matmul_matrix: byKind({ gated: [undefined, 'columns', 'rows'] }),
  matmul_matrix_gate_up: byKind({ gated: ['columns', 'rows'] }),
  matmul_matrix_swiglu_backward: byKind({ halves: ['columns', 'rows'] }),
}

test('every kernel is looked at', async () => {
  const root = await rootFolder()
  const sources = ['src/kernels', 'src/matrices'].flatMap(folder =>
    readdirSync(`${root}/${folder}`).map(file => readFileSync(`${root}/${folder}/${file}`, 'utf8')),
  )
  const written = sources.flatMap(text => [...text.matchAll(/^export const \w+ = defineKernel\b/gm)]).length
  assert.is(kernels.length, written + Object.keys(byMatrices).length)
  assert.is(
    sources.flatMap(text => [...text.matchAll(/(?<!import.*)(?<!function )\bdefineKernel[<(]/g)]).length,
    written,
    'kernels that are not exported',
  )
  assert.is(new Set(kernels.map(({ name }) => name)).size, kernels.length)
  assert.equal(
    kernels
      .filter(({ source }) => typeof source === 'function')
      .map(({ name }) => name)
      .sort(),
    Object.keys(SIZES).sort(),
  )
})

for (const { name, source } of kernels) {
  test(`${name} keeps its registers`, () => {
    const texts = new Set(typeof source === 'string' ? [source] : SIZES[name].map(source))
    for (const text of texts) assert.equal([...new Set(registersByVariable(text))], [], name)
  })
}

test('the sums of the product that was 15 times slower are found', () => {
  const old = `
@group(0) @binding(2) var<storage, read_write> c: array<f32>;
const PARTS_M = 2;
const PARTS_N = 2;
var<workgroup> left: array<vec4f, 256>;
var<workgroup> right: array<vec4f, 256>;
fn main(lane: vec3u) {
  var sum: array<array<vec4f, PARTS_N>, PARTS_M * 4>;
  for (var k = 0u; k < 16u; k++) {
    var columns: array<vec4f, PARTS_N>;
    for (var j = 0u; j < PARTS_N; j++) { columns[j] = right[k * 32u + j * 16u + lane.x]; }
    for (var i = 0u; i < PARTS_M; i++) {
      let rows = left[k * 32u + i * 16u + lane.y];
      for (var j = 0u; j < PARTS_N; j++) { sum[i * 4u + 1u][j] = fma(vec4f(rows.y), columns[j], sum[i * 4u + 1u][j]); }
    }
  }
  for (var i = 0u; i < 8u; i++) { for (var j = 0u; j < 8u; j++) { c[at] = sum[i][j / 4u][j % 4u]; } }
}`
  assert.equal(registersByVariable(old), [
    'main: columns[j]',
    'main: sum[i*4u+1u]',
    'main: sum[i*4u+1u][j]',
    'main: columns[j]',
    'main: sum[i*4u+1u]',
    'main: sum[i*4u+1u][j]',
    'main: sum[i]',
    'main: sum[i][j/4u]',
    'main: sum[i][j/4u][j%4u]',
  ])
})

/** Lines of a function, and what is found in each. */
const CASES: readonly (readonly [line: string, ...found: string[]])[] = [
  // Components and columns.
  ['var v = vec4f(); v[i] = 1.0;', 'v[i]'],
  ['let v = memory[i]; x = v[i % 4u];', 'v[i%4u]'],
  ['var m: mat4x4f; m[i] = vec4f();', 'm[i]'],
  ['var m: mat4x4f; m[1][i] = 0.0;', 'm[1][i]'],
  ['x = vec4f(1.0)[i];', 'vec4f(1.0)[i]'],
  ['x = vec4<f32>(1.0)[i];', '(1.0)[i]'],
  ['x = transpose(other)[i].x;', 'transpose(other)[i]'],
  ['x = (given + given)[i];', '(given+given)[i]'],
  ['x = given[i];', 'given[i]'],
  // Other address spaces, other types.
  ['own[i] = 1.0;', 'own[i]'],
  ['x = TABLE[i];', 'TABLE[i]'],
  ['var s: Pair; s.both[i] = 1.0;', 's.both[i]'],
  ['var s: Named; s[i] = 1.0;', 's[i]'],
  // Through pointers.
  ['(*there)[i] = 1.0;', '(*there)[i]'],
  ['there[i] = 1.0;', 'there[i]'],
  ['(*(there))[1][i] = 1.0;', '(*(there))[1][i]'],
  ['named[i] = 1.0;', 'named[i]'],
  ['var a: array<f32, 4>; let q = &a; (*q)[i] = 1.0;', '(*q)[i]'],
  ['var a: array<array<f32, 4>, 4>; let q = &a[1]; let r = q; r[i] = 1.0;', 'r[i]'],
  // Indices that are no constant expressions.
  ['var a: array<f32, 4>; a[WIDTH] = 1.0;', 'a[WIDTH]'],
  ['var a: array<f32, 4>; a[COUNT - i] = 1.0;', 'a[COUNT-i]'],
  ['var a: array<f32, 4>; a[p.n] = 1.0;', 'a[p.n]'],
  ['var a: array<f32, 4>; { const i = 1; a[i] = 1.0; } a[i] = 1.0;', 'a[i]'],
  [
    'var a: array<f32, 4>; for (var COUNT = 0u; COUNT < 4u; COUNT++) { a[COUNT] = 1.0; } a[COUNT - 1] = 2.0;',
    'a[COUNT]',
  ],
  ['var a: array<f32, 4>; a[index(1u)] = 1.0;', 'a[index(1u)]'],
  // A name that hides memory.
  ['let memory = vec4f(); x = memory[i];', 'memory[i]'],
  // Constants, and memory.
  ['var a: array<f32, 4>; a[0] = 1.0; a[COUNT - 1u] = a[2u * COUNT % 3u]; a[min(u32(COUNT), 3u)] = 0.0;'],
  ['var m: array<mat4x4f, 2>; m[1u][COUNT / 4][3u % 4u] = TABLE[COUNT - 2];'],
  ['memory[i][i % 4u] = shared_memory[i + u32(memory[i].x)]; x = p.rows[i].x;'],
  ['(*around)[i] = 1.0; around[i] = 1.0; let q = &shared_memory[i]; let r = q; (*r)[i] = 1.0; x = (memory[i])[i];'],
  ['const two = COUNT / 2; var a: array<f32, 4>; a[two] = memory[i].x; // a[i]'],
]

test('each shape of it is found, constants and memory are not', () => {
  const text = (line: string) => `
const COUNT = 4;
override WIDTH: u32;
const TABLE = array<f32, 4>(1.0, 2.0, 3.0, 4.0);
alias Named = array<f32, 4>;
alias There = ptr<function, Named>;
struct Pair { @align(16) both: array<f32, 4>, n: u32 }
@group(0) @binding(0) var<storage, read_write> memory: array<vec4f>;
var<private> own: array<f32, 4>;
fn f(
  i: u32, given: vec4f, other: mat4x4f, there: ptr<function, array<array<f32, 4>, 4>>, named: There,
  around: ptr<workgroup, array<f32, 4>>
) {
  var x: f32;
  ${line}
}
fn index(i: u32) -> u32 { return i; }
var<workgroup> shared_memory: array<vec4f, 64>;
@group(0) @binding(1) var<uniform> p: Uniforms;`
  for (const [line, ...found] of CASES)
    assert.equal(
      registersByVariable(text(line)),
      found.map(each => `f: ${each}`),
      line,
    )
})

test.run()
