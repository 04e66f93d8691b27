// The functions that play subgroup matrices: every element, order and size that they support; they refuse the rest.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { defineKernel } from '../../src/kernels/kernel.js'
import { same } from '../close.js'
import { openEngine } from '../engine-under-test.js'
import * as oracle from '../oracle.js'
import { played, playedKernel } from '../played-matrices.js'
import { integers } from '../shapes.js'

const engine = await openEngine()
test.after(() => engine.close())

/** c += a · b by one subgroup of two; the other one computes 2 · a · b. Matrices lie in pieces of workgroup memory. */
function text(
  m: number,
  n: number,
  k: number,
  element: 'f16' | 'f32',
  memory: 'words' | 'floats',
  majors: readonly [string, string, string],
): string {
  const vectors = memory === 'words'
  const store = vectors ? 'vec4u' : 'f32'
  const [perOperand, perResult] = vectors ? [element === 'f16' ? 8 : 4, 4] : [1, 1]
  // Rows as they lie in memory, padded.
  const lines = (rows: number, columns: number, major: string) =>
    major === 'row_major' ? [rows, columns] : [columns, rows]
  const width = (length: number, per: number) => (length + 2 * per) / per
  const [[linesA, lengthA], [linesB, lengthB], [linesC, lengthC]] = [
    lines(m, k, majors[0]),
    lines(k, n, majors[1]),
    lines(m, n, majors[2]),
  ]
  const [widthA, widthB, widthC] = [width(lengthA, perOperand), width(lengthB, perOperand), width(lengthC, perResult)]
  const piece = Math.max(linesA * widthA, linesB * widthB, linesC * widthC) + 1
  const value = (tensor: string, at: string) => `${tensor}[${at}]`
  const pack = (tensor: string, at: string) => {
    if (!vectors) return value(tensor, at)
    const next = (i: number) => value(tensor, `${at} + ${i}u`)
    return element === 'f16'
      ? `vec4u(${[0, 2, 4, 6].map(i => `pack2x16float(vec2f(${next(i)}, ${next(i + 1)}))`).join(', ')})`
      : `bitcast<vec4u>(vec4f(${[0, 1, 2, 3].map(next).join(', ')}))`
  }
  const fillPiece = (tensor: string, piece: number, count: number, length: number, wide: number) => {
    const place = `1u + i / ${length / perOperand}u * ${wide}u + i % ${length / perOperand}u`
    const store = `memory[${piece}][${place}] = ${pack(tensor, `i * ${perOperand}u`)};`
    return `for (var i = thread; i < ${(count * length) / perOperand}u; i += 64u) { ${store} }`
  }
  const readResult = vectors ? 'bitcast<f32>(memory[2u + subgroup][at / 4u][at % 4u])' : 'memory[2u + subgroup][at]'
  const resultAt = `1u + i / ${lengthC}u * ${widthC * perResult}u + i % ${lengthC}u`
  return `enable f16;
enable subgroups;
enable chromium_experimental_subgroup_matrix;
const SIZE_M = ${m};
const SIZE_K = ${k}u;
alias Element = ${element};
alias Left = subgroup_matrix_left<Element, SIZE_K, SIZE_M>;
alias Sum = subgroup_matrix_result<f32, ${n}, SIZE_M>;
alias Piece = array<${store}, ${piece}>;
@group(0) @binding(0) var<storage, read> a: array<f32>;
@group(0) @binding(1) var<storage, read> b: array<f32>;
@group(0) @binding(2) var<storage, read_write> c: array<f32>;
var<workgroup> memory: array<Piece, 4>; // a, b, and results of both
@compute @workgroup_size(64) @subgroup_size(32)
fn main(
  @builtin(subgroup_id) subgroup: u32,
  @builtin(local_invocation_index) thread: u32,
  @builtin(subgroup_invocation_id) lane: u32
) {
  ${fillPiece('a', 0, linesA, lengthA, widthA)}
  ${fillPiece('b', 1, linesB, lengthB, widthB)}
  workgroupBarrier();
  var sums: array<array<Sum, 2>, 1>;
  let rows = subgroupMatrixLoad<Left, ${majors[0]}>(&memory[0], 1u, ${widthA}u);
  var columns = subgroupMatrixLoad<subgroup_matrix_right<Element, ${n}, SIZE_K>, ${majors[1]}>(
    &memory[1], 1, ${widthB}
  );
  sums[0][1] = subgroupMatrixMultiplyAccumulate(rows, columns, sums[0][1]);
  let twice = subgroupMatrixMultiplyAccumulate(rows, columns, sums[0][1]);
  if (subgroup == 1u) { sums[0][1] = twice; }
  workgroupBarrier();
  subgroupMatrixStore<${majors[2]}>(&memory[2u + subgroup], 1u, sums[0][1], ${widthC}u);
  workgroupBarrier();
  for (var i = lane; i < ${m * n}u; i += 32u) {
    let at = ${vectors ? `${perResult - 1}u + ${resultAt}` : resultAt};
    c[subgroup * ${m * n}u + i] = ${readResult};
  }
}`
}

const transpose = (x: ArrayLike<number>, rows: number, columns: number) =>
  Float32Array.from({ length: rows * columns }, (_, i) => x[(i % rows) * columns + Math.floor(i / rows)])

const CASES: readonly (readonly [
  m: number,
  n: number,
  k: number,
  element: 'f16' | 'f32',
  memory: 'words' | 'floats',
  columnMajor: string,
])[] = [
  [16, 16, 16, 'f16', 'words', ''],
  [16, 8, 16, 'f16', 'words', 'b'],
  [8, 8, 8, 'f16', 'words', 'ab'],
  [4, 8, 24, 'f32', 'words', 'b'],
  [8, 16, 8, 'f32', 'words', 'a'],
  [32, 4, 8, 'f32', 'floats', 'ac'],
]

test('loads, products and stores', async () => {
  for (const [m, n, k, element, memory, columnMajor] of CASES) {
    const [a, b] = [Float32Array.from(integers(1, m * k, 64)), Float32Array.from(integers(2, k * n, 64))]
    const truth = oracle.matmul(a, b, { m, n, k })
    const [majorA, majorB, majorC] = [...'abc'].map(name => (columnMajor.includes(name) ? 'col_major' : 'row_major'))
    const kernel = playedKernel(
      defineKernel<object>({
        name: 'product',
        source: text(m, n, k, element, memory, [majorA, majorB, majorC]),
        bindings: { a: 'read', b: 'read', c: 'write' },
        constants: () => ({}),
        workgroups: () => [1, 1, 1],
      }),
    )
    const c = engine.zeros([2, m * n])
    engine.dispatch(
      kernel,
      {
        a: engine.from(majorA === 'row_major' ? a : transpose(a, m, k)),
        b: engine.from(majorB === 'row_major' ? b : transpose(b, k, n)),
        c,
      },
      {},
    )
    const results = await engine.read(c)
    for (const half of [0, 1]) {
      const got = results.slice(half * m * n, (half + 1) * m * n)
      same(
        `played matrices, ${[m, n, k, element, memory, columnMajor]} subgroup ${half}`,
        majorC === 'row_major' ? got : transpose(got, n, m),
        truth.map(x => x * (half + 1)),
      )
    }
  }
})

test('what they do not know', () => {
  const good = text(16, 16, 16, 'f16', 'words', ['row_major', 'col_major', 'row_major'])
  played(good)
  const refused = (from: string | RegExp, to: string, message: RegExp) => {
    const broken = good.replace(from, to)
    assert.is.not(broken, good)
    assert.throws(() => played(broken), message)
  }
  refused('workgroupBarrier();', 'let x = subgroupAdd(lane);', /does not know subgroupAdd/)
  refused('workgroupBarrier();', 'let x = subgroupShuffleXor(lane, 4u);', /by 1 and 2, not by 4u/)
  refused('alias Element = f16', 'alias Element = i8', /matrices of f16 and f32, not of i8/)
  refused(/array<vec4u/, 'array<vec4<i32>', /knows arrays of/)
  refused('&memory[0]', 'pointer', /expects a pointer/)
  refused('sums[0][1] = subgroup', 'sums[0][1] = 1 + subgroup', /whole right-hand side|expects "let/)
  refused(/subgroupMatrixStore<row_major>/, 'subgroupMatrixStore<col_major>', /row by row alone/)
  refused('@subgroup_size(32)', '@subgroup_size(16)', /does not know @subgroup_size/)
  refused('SIZE_K = 16u', 'SIZE_K = 8u + 8u', /expects a number/)
  refused(
    'alias Sum = subgroup_matrix_result<f32, 16, SIZE_M>',
    'alias Sum = subgroup_matrix_result<f32, 8, SIZE_M>',
    /cannot multiply/,
  )
})

test.run()
