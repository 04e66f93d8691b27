// As matmul_tiled.wgsl, the products by subgroup matrices (tensor cores): of four subgroups of 32 threads each owns SPAN × SPAN of the results
// as matrices of SIZE_M × SIZE_N; operands are rounded to Element, sums are f32. Results go through workgroup memory, where edges are cut off.
// Needs subgroups of exactly 32 threads: with others the results are silently wrong.
enable f16;
enable subgroups;
enable subgroup_size_control;
enable chromium_experimental_subgroup_matrix;
#import ../matmul_tiled.shared.wgsl
const SPAN = 32;
const DEPTH = 32;
const SIZE_M = 16;
const SIZE_N = 16;
const SIZE_K = 16;
const COUNT_M = 2; // matrices of a subgroup
const COUNT_N = 2;
alias Element = f16;
alias Left = subgroup_matrix_left<Element, SIZE_K, SIZE_M>;
alias Right = subgroup_matrix_right<Element, SIZE_N, SIZE_K>;
alias Result = subgroup_matrix_result<f32, SIZE_N, SIZE_M>;

const ROWS = SPAN * 2u;
const THREADS = 128u;
// Rows of a, and of b by k, a little apart: neighbouring ones lie in other banks.
const STEP_A = DEPTH + 8u;
const STEP_B = ROWS + 8u;

var<workgroup> left: array<Element, ROWS * STEP_A>;
var<workgroup> right: array<Element, DEPTH * STEP_B>;
var<workgroup> out: array<f32, 4 * SIZE_M * SIZE_N>;

// Four neighbours from `at` on, of which `inside` lie in the matrix. vec4f(x).x takes both kinds of A.
fn load_a(at: u32, inside: i32) -> vec4f {
  if (inside <= 0) { return vec4f(); }
  if (VECTOR_A) { return vec4f(a[at / 4u]); }
  let i = min(at + vec4u(0u, 1u, 2u, 3u), vec4u(at + u32(inside) - 1u));
  return select(vec4f(), vec4f(vec4f(a[i.x]).x, vec4f(a[i.y]).x, vec4f(a[i.z]).x, vec4f(a[i.w]).x), vec4i(0, 1, 2, 3) < vec4i(inside));
}

fn load_b(at: u32, inside: i32) -> vec4f {
  if (inside <= 0) { return vec4f(); }
  if (VECTOR_B) { return vec4f(b[at / 4u]); }
  let i = min(at + vec4u(0u, 1u, 2u, 3u), vec4u(at + u32(inside) - 1u));
  return select(vec4f(), vec4f(vec4f(b[i.x]).x, vec4f(b[i.y]).x, vec4f(b[i.z]).x, vec4f(b[i.w]).x), vec4i(0, 1, 2, 3) < vec4i(inside));
}

// How many of four neighbours lie in the matrix: those along the side that has `along` left, if the other side has any.
fn inside(along: i32, across: i32) -> i32 { return select(0, along, across > 0); }

@compute @workgroup_size(THREADS) @subgroup_size(32)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) thread: u32, @builtin(subgroup_id) subgroup: u32, @builtin(subgroup_invocation_id) lane: u32) {
  let tiles_n = (p.n + ROWS - 1u) / ROWS;
  let tiles_m = (p.m + ROWS - 1u) / ROWS;
  let tile = group.x + group.y * groups.x;
  let result = tile / (tiles_n * tiles_m); // split · batch + batch
  if (result >= p.splits * p.batch) { return; }
  let m0 = tile / tiles_n % tiles_m * ROWS;
  let n0 = tile % tiles_n * ROWS;
  let own_m = subgroup / 2u * SPAN;
  let own_n = subgroup % 2u * SPAN;
  let steps = (p.k + DEPTH - 1u) / DEPTH;
  let range = (p.reduce * steps + p.splits - 1u) / p.splits;
  let first = result / p.batch * range;

  var sum: array<array<Result, COUNT_N>, COUNT_M>;
  for (var step = first; step < min(first + range, p.reduce * steps); step++) {
    let pair = result % p.batch * p.reduce + step / steps;
    let k0 = step % steps * DEPTH;
    for (var i = thread; i < ROWS * DEPTH / 4u; i += THREADS) {
      let k_first = p.step_a == 1u;
      let m = m0 + select(i % (ROWS / 4u) * 4u, i / (DEPTH / 4u), k_first);
      let k = k0 + select(i / (ROWS / 4u), i % (DEPTH / 4u) * 4u, k_first);
      let left_m = i32(p.m) - i32(m);
      let left_k = i32(p.k) - i32(k);
      let v = load_a(pair * p.stride_a + m * p.row_a + k * p.step_a, select(inside(left_m, left_k), inside(left_k, left_m), k_first));
      let at = (m - m0) * STEP_A + k - k0;
      let next = select(STEP_A, 1u, k_first);
      left[at] = Element(v.x);
      left[at + next] = Element(v.y);
      left[at + 2u * next] = Element(v.z);
      left[at + 3u * next] = Element(v.w);
    }
    for (var i = thread; i < ROWS * DEPTH / 4u; i += THREADS) {
      let k_first = p.step_b == 1u;
      let n = n0 + select(i % (ROWS / 4u) * 4u, i / (DEPTH / 4u), k_first);
      let k = k0 + select(i / (ROWS / 4u), i % (DEPTH / 4u) * 4u, k_first);
      let left_n = i32(p.n) - i32(n);
      let left_k = i32(p.k) - i32(k);
      let v = load_b(pair * p.stride_b + n * p.column_b + k * p.step_b, select(inside(left_n, left_k), inside(left_k, left_n), k_first));
      let at = (k - k0) * STEP_B + n - n0;
      let next = select(1u, STEP_B, k_first);
      right[at] = Element(v.x);
      right[at + next] = Element(v.y);
      right[at + 2u * next] = Element(v.z);
      right[at + 3u * next] = Element(v.w);
    }
    workgroupBarrier();
    for (var k = 0u; k < DEPTH; k += SIZE_K) {
      var columns: array<Right, COUNT_N>;
      @diagnostic(off, trm.unroll) for (var j = 0u; j < COUNT_N; j++) { columns[j] = subgroupMatrixLoad<Right, row_major>(&right, k * STEP_B + own_n + j * SIZE_N, STEP_B); }
      @diagnostic(off, trm.unroll) for (var i = 0u; i < COUNT_M; i++) {
        let rows = subgroupMatrixLoad<Left, row_major>(&left, (own_m + i * SIZE_M) * STEP_A + k, STEP_A);
        @diagnostic(off, trm.unroll) for (var j = 0u; j < COUNT_N; j++) { sum[i][j] = subgroupMatrixMultiplyAccumulate(rows, columns[j], sum[i][j]); }
      }
    }
    workgroupBarrier();
  }

  @diagnostic(off, trm.unroll) for (var i = 0u; i < COUNT_M; i++) {
    @diagnostic(off, trm.unroll) for (var j = 0u; j < COUNT_N; j++) {
      subgroupMatrixStore<row_major>(&out, subgroup * SIZE_M * SIZE_N, sum[i][j], SIZE_N);
      workgroupBarrier();
      for (var e = lane; e < SIZE_M * SIZE_N; e += 32u) {
        let m = m0 + own_m + i * SIZE_M + e / SIZE_N;
        let n = n0 + own_n + j * SIZE_N + e % SIZE_N;
        if (m < p.m && n < p.n) {
          let at = (result * p.m + m) * p.n + n;
          var value = out[subgroup * SIZE_M * SIZE_N + e];
          if (p.accumulate != 0u) { value += c[at]; }
          c[at] = value;
        }
      }
      workgroupBarrier();
    }
  }
}
