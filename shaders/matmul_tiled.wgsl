// c[m, n] = Σ_k a(m, k) · b(k, n) as in matmul_vec4.wgsl, for GPUs.
// A workgroup of 16 × 16 threads owns a tile of LINES × LINES results: lines are rows of a and columns of b.
// A thread has RESULTS × RESULTS of them.
// Both operands pass through workgroup memory, DEPTH of k at a time: load, barrier, compute, barrier.
// Each sum stays in a register, because only constants index `sum`: that makes the kernel 15 times faster.
// A_BY_K: a row of a in memory belongs to one k, else to one row of a. Its tile has the same layout, as vec4f of four
// neighbours in memory. By k, a thread's lines are fours of neighbours; else they are 16 lines apart.
// B_BY_K: the same with columns of b.
// VECTOR_A, VECTOR_B: rows in memory have a multiple of four elements, so four neighbours are one load.
// Lines beyond the edge repeat the last line: their results are not stored. EDGE_K: k is not a multiple of DEPTH;
// values beyond the last k are 0.
// OWN_N = RESULTS / 2: the columns of c' = a · b are [gate | up], and c = silu(gate) ⊙ up has half as many.
// Half of a thread's columns are then gate and half are up. OWN_M is the same for rows.
// Neither can be combined with accumulate or splits. With RESULTS = 4 such an operand must not be by k.
// With u.splits > 1 the sum over pairs and k is cut into that many ranges with results of their own; column_sums.wgsl
// adds these in order.
struct Uniforms {
  m: u32, n: u32, k: u32, batch: u32, reduce: u32,
  row_a: u32, step_a: u32, stride_a: u32,
  column_b: u32, step_b: u32, stride_b: u32,
  accumulate: u32, splits: u32,
}

const A_BY_K = false;
const B_BY_K = false;
const VECTOR_A = false;
const VECTOR_B = false;
const EDGE_K = false;
alias A = f32;
alias B = f32;

@group(0) @binding(0) var<storage, read> a: array<A>;
@group(0) @binding(1) var<storage, read> b: array<B>;
@group(0) @binding(2) var<storage, read_write> c: array<f32>;
@group(0) @binding(3) var<uniform> u: Uniforms;

const RESULTS = 8; // 4 or 8
const GROUPS = 2; // of four lines each, that a thread has
const PIECES = 2; // vec4f that a thread loads of each operand at a time
const OWN_M = 8; // results that a thread stores, along m and n
const OWN_N = 8;

const THREADS = 256u;
const LINES = 16u * RESULTS;
const BLOCKS = PIECES * THREADS / LINES;
const DEPTH = 4u * BLOCKS;
const GATED = OWN_M + OWN_N < 2 * RESULTS;
const NEIGHBOURS = vec4u(0, 1, 2, 3);
// vec4f in a row of a tile, and the distance to the next row. Lines along k are padded: neighbours lie in other banks.
const UNITS_A = select(BLOCKS, LINES / 4u, A_BY_K);
const UNITS_B = select(BLOCKS, LINES / 4u, B_BY_K);
const STEP_A = select(BLOCKS + 1u, LINES / 4u, A_BY_K);
const STEP_B = select(BLOCKS + 1u, LINES / 4u, B_BY_K);
// Rows that the threads load at once.
const ROWS_A = THREADS / UNITS_A;
const ROWS_B = THREADS / UNITS_B;
// Four lines × four of k of a thread are four vec4f, NEXT apart: of a line each, or of a k each.
// Distances from one thread, group of lines and block of k to the next.
const NEXT_A = select(16u, 1u, A_BY_K) * STEP_A;
const NEXT_B = select(16u, 1u, B_BY_K) * STEP_B;
const THREAD_A = select(STEP_A, 1u, A_BY_K);
const THREAD_B = select(STEP_B, 1u, B_BY_K);
const GROUP_A = select(64u * STEP_A, 16u, A_BY_K);
const GROUP_B = select(64u * STEP_B, 16u, B_BY_K);
const BLOCK_A = select(1u, 4u * STEP_A, A_BY_K);
const BLOCK_B = select(1u, 4u * STEP_B, B_BY_K);

var<workgroup> left: array<vec4f, select(LINES, DEPTH, A_BY_K) * STEP_A>;
var<workgroup> right: array<vec4f, select(LINES, DEPTH, B_BY_K) * STEP_B>;

// The row of a (column of b) that is line i of the tile from `first` on, for each of four neighbours.
// c has `all` lines, its tile has `own`. Where gate and up follow each other, the operand has twice as many lines
// as c, and lines from `own` on are up. Beyond the edge the last one that `near` neighbours can follow is repeated.
fn line_of(i: vec4u, first: u32, own: u32, all: u32, near: u32) -> vec4u {
  return min(first + i % own, vec4u(all - near)) + i / own * all;
}

// Four neighbours in memory: of these lines, from k on; 0 beyond the last k.
// vec4f(x).x takes both types of A.
fn load_a(lines: vec4u, pair: u32, k: u32) -> vec4f {
  let ks = k + select(NEIGHBOURS, vec4u(), A_BY_K);
  let inside = select(ks, min(ks, vec4u(u.k - 1u)), EDGE_K);
  let at = lines * u.row_a + inside * u.step_a + pair * u.stride_a;
  var value: vec4f;
  if (VECTOR_A) { value = vec4f(a[at.x / 4u]); }
  else { value = vec4f(vec4f(a[at.x]).x, vec4f(a[at.y]).x, vec4f(a[at.z]).x, vec4f(a[at.w]).x); }
  return select(value, vec4f(), vec4<bool>(EDGE_K) & (ks != inside));
}

fn load_b(lines: vec4u, pair: u32, k: u32) -> vec4f {
  let ks = k + select(NEIGHBOURS, vec4u(), B_BY_K);
  let inside = select(ks, min(ks, vec4u(u.k - 1u)), EDGE_K);
  let at = lines * u.column_b + inside * u.step_b + pair * u.stride_b;
  var value: vec4f;
  if (VECTOR_B) { value = vec4f(b[at.x / 4u]); }
  else { value = vec4f(vec4f(b[at.x]).x, vec4f(b[at.y]).x, vec4f(b[at.z]).x, vec4f(b[at.w]).x); }
  return select(value, vec4f(), vec4<bool>(EDGE_K) & (ks != inside));
}

// Which line of the tile is number i of thread `at` of 16.
fn own_line(i: u32, at: u32, by_k: bool) -> u32 { return select(at + i * 16u, i / 4u * 64u + at * 4u + i % 4u, by_k); }

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) thread: u32) {
  // Rows and columns of c.
  let rows_c = u.m * OWN_M / RESULTS;
  let columns_c = u.n * OWN_N / RESULTS;
  let tiles_n = (columns_c + 16u * OWN_N - 1u) / (16u * OWN_N);
  let tiles_m = (rows_c + 16u * OWN_M - 1u) / (16u * OWN_M);
  let tile = group.x + group.y * groups.x;
  let result = tile / (tiles_n * tiles_m); // split · batch + batch
  if (result >= u.splits * u.batch) { return; }
  let m0 = tile / tiles_n % tiles_m * 16u * OWN_M;
  let n0 = tile % tiles_n * 16u * OWN_N;
  let steps = (u.k + DEPTH - 1u) / DEPTH;
  let range = (u.reduce * steps + u.splits - 1u) / u.splits;
  let first = result / u.batch * range;

  // Piece number i of a thread is this vec4f in row i · ROWS + its row of the tile.
  let row_a = thread / UNITS_A;
  let row_b = thread / UNITS_B;
  let unit_a = thread % UNITS_A;
  let unit_b = thread % UNITS_B;
  var lines_a: array<vec4u, PIECES>;
  var lines_b: array<vec4u, PIECES>;
  @diagnostic(off, trm.unroll) for (var i = 0u; i < PIECES; i++) {
    let of_a = select(vec4u(row_a + i * ROWS_A), unit_a * 4u + NEIGHBOURS, A_BY_K);
    let of_b = select(vec4u(row_b + i * ROWS_B), unit_b * 4u + NEIGHBOURS, B_BY_K);
    lines_a[i] = line_of(of_a, m0, 16u * OWN_M, rows_c, select(1u, 4u, A_BY_K && VECTOR_A));
    lines_b[i] = line_of(of_b, n0, 16u * OWN_N, columns_c, select(1u, 4u, B_BY_K && VECTOR_B));
  }
  // 32 consecutive threads share 4 rows and 8 columns, so that they read little.
  // The lowest bits alternate between both, so that more reads coincide.
  let y = thread % 2u + thread / 16u % 2u * 2u + thread / 64u * 4u;
  let x = thread / 2u % 8u + thread / 32u % 2u * 8u;

  var sum: array<vec4f, RESULTS * GROUPS>;
  var pair = result % u.batch * u.reduce + first / steps;
  var k0 = first % steps * DEPTH;
  for (var step = first; step < min(first + range, u.reduce * steps); step++) {
    var next_a: array<vec4f, PIECES>;
    var next_b: array<vec4f, PIECES>;
    @diagnostic(off, trm.unroll) for (var i = 0u; i < PIECES; i++) {
      next_a[i] = load_a(lines_a[i], pair, k0 + select(unit_a * 4u, row_a + i * ROWS_A, A_BY_K));
    }
    @diagnostic(off, trm.unroll) for (var i = 0u; i < PIECES; i++) {
      next_b[i] = load_b(lines_b[i], pair, k0 + select(unit_b * 4u, row_b + i * ROWS_B, B_BY_K));
    }
    // Compilers drop the bounds checks of these places, because they follow from `thread` and constants alone.
    @diagnostic(off, trm.unroll) for (var i = 0u; i < PIECES; i++) {
      left[thread / UNITS_A * STEP_A + thread % UNITS_A + i * ROWS_A * STEP_A] = next_a[i];
      right[thread / UNITS_B * STEP_B + thread % UNITS_B + i * ROWS_B * STEP_B] = next_b[i];
    }
    workgroupBarrier();
    for (var q = 0u; q < BLOCKS; q++) {
      var columns: array<mat4x4f, GROUPS>; // for each k four columns
      @diagnostic(off, trm.unroll) for (var j = 0u; j < GROUPS; j++) {
        let at = x * THREAD_B + j * GROUP_B + q * BLOCK_B;
        columns[j] = mat4x4f(right[at], right[at + NEXT_B], right[at + 2u * NEXT_B], right[at + 3u * NEXT_B]);
        if (!B_BY_K) { columns[j] = transpose(columns[j]); }
      }
      @diagnostic(off, trm.unroll) for (var g = 0u; g < GROUPS; g++) {
        let at = y * THREAD_A + g * GROUP_A + q * BLOCK_A;
        var rows = mat4x4f(left[at], left[at + NEXT_A], left[at + 2u * NEXT_A], left[at + 3u * NEXT_A]);
        if (A_BY_K) { rows = transpose(rows); }
        @diagnostic(off, trm.unroll) for (var i = 0u; i < 4u; i++) {
          @diagnostic(off, trm.unroll) for (var e = 0u; e < 4u; e++) {
            @diagnostic(off, trm.unroll) for (var j = 0u; j < GROUPS; j++) {
              sum[(g * 4u + i) * GROUPS + j] = fma(vec4f(rows[i][e]), columns[j][e], sum[(g * 4u + i) * GROUPS + j]);
            }
          }
        }
      }
    }
    workgroupBarrier();
    k0 += DEPTH;
    if (k0 >= u.k) {
      k0 = 0u;
      pair++;
    }
  }

  @diagnostic(off, trm.unroll) for (var i = 0u; i < OWN_M; i++) {
    let m = m0 + own_line(i, y, A_BY_K);
    @diagnostic(off, trm.unroll) for (var j = 0u; j < OWN_N; j++) {
      let n = n0 + own_line(j, x, B_BY_K);
      if (m < rows_c && n < columns_c) {
        let at = (result * rows_c + m) * columns_c + n;
        var value = sum[i * GROUPS + j / 4u][j % 4u];
        if (GATED) {
          value = silu(value) * sum[(i + OWN_M) % RESULTS * GROUPS + (j + OWN_N) % RESULTS / 4u][(j + OWN_N) % 4u];
        }
        if (u.accumulate != 0u) { value += c[at]; }
        c[at] = value;
      }
    }
  }
}

fn silu(x: f32) -> f32 { return x / (1.0 + exp(-x)); }
