// c[m, n] = Σ_k a(m, k) · b(k, n) as in matmul_vec4.wgsl, for GPUs.
// A workgroup of 16 × 16 threads owns a tile of LINES × LINES results: lines are rows of a and columns of b.
// A thread has RESULTS × RESULTS of them, 16 rows and 16 columns apart.
// Both operands pass through workgroup memory as vec4f along k, BLOCKS at a time: load, barrier, compute, barrier.
// Each sum stays in a register, because only constants index `sum`: that makes the kernel 15 times faster.
// Where neighbours in memory lie along k, a thread loads them as one vec4f. Elsewhere it loads four values of its line,
// and neighbouring threads load neighbouring values. Lines beyond the edge repeat the last line: their results are not
// stored. Values beyond the last k are 0.
// OWN_N = RESULTS / 2: the columns of c' = a · b are [gate | up], and c = silu(gate) ⊙ up has half as many.
// Half of a thread's columns are then gate and half are up. OWN_M is the same for rows.
// Neither can be combined with accumulate or splits.
// Operands are vec4f of four neighbours in memory where VECTOR_A, VECTOR_B. With u.splits > 1 the sum over pairs and k
// is cut into that many ranges with results of their own; column_sums.wgsl adds these in order.
struct Uniforms {
  m: u32, n: u32, k: u32, batch: u32, reduce: u32,
  row_a: u32, step_a: u32, stride_a: u32,
  column_b: u32, step_b: u32, stride_b: u32,
  accumulate: u32, splits: u32,
}

const VECTOR_A = false;
const VECTOR_B = false;
alias A = f32;
alias B = f32;

@group(0) @binding(0) var<storage, read> a: array<A>;
@group(0) @binding(1) var<storage, read> b: array<B>;
@group(0) @binding(2) var<storage, read_write> c: array<f32>;
@group(0) @binding(3) var<uniform> u: Uniforms;

const RESULTS = 8; // 4 or 8
const GROUPS = 2; // of four columns each, that a thread has
const PIECES = 2; // vec4f that a thread loads of each operand at a time
const OWN_M = 8; // results that a thread stores, along m and n
const OWN_N = 8;

const THREADS = 256u;
const LINES = 16u * RESULTS;
const BLOCKS = PIECES * THREADS / LINES;
const DEPTH = 4u * BLOCKS;
const STRIDE = BLOCKS + 1u; // from line to line, so that neighbouring lines lie in different memory banks
const GATED = OWN_M + OWN_N < 2 * RESULTS;

var<workgroup> left: array<vec4f, LINES * STRIDE>;
var<workgroup> right: array<vec4f, LINES * STRIDE>;

// Four values along k, of which the first `inside` lie in the matrix. vec4f(x).x takes both types of A.
fn load_a(at: u32, inside: u32) -> vec4f {
  if (VECTOR_A) {
    if (inside == 0u) { return vec4f(); }
    return vec4f(a[at / 4u]);
  }
  var places = vec4u(0, 1, 2, 3) * u.step_a + at;
  if (inside >= 4u) {
    return vec4f(vec4f(a[places.x]).x, vec4f(a[places.y]).x, vec4f(a[places.z]).x, vec4f(a[places.w]).x);
  }
  if (inside == 0u) { return vec4f(); }
  places = min(places, vec4u((inside - 1u) * u.step_a + at));
  return select(
    vec4f(),
    vec4f(vec4f(a[places.x]).x, vec4f(a[places.y]).x, vec4f(a[places.z]).x, 0.0),
    vec4u(0, 1, 2, 3) < vec4u(inside)
  );
}

fn load_b(at: u32, inside: u32) -> vec4f {
  if (VECTOR_B) {
    if (inside == 0u) { return vec4f(); }
    return vec4f(b[at / 4u]);
  }
  var places = vec4u(0, 1, 2, 3) * u.step_b + at;
  if (inside >= 4u) {
    return vec4f(vec4f(b[places.x]).x, vec4f(b[places.y]).x, vec4f(b[places.z]).x, vec4f(b[places.w]).x);
  }
  if (inside == 0u) { return vec4f(); }
  places = min(places, vec4u((inside - 1u) * u.step_b + at));
  return select(
    vec4f(),
    vec4f(vec4f(b[places.x]).x, vec4f(b[places.y]).x, vec4f(b[places.z]).x, 0.0),
    vec4u(0, 1, 2, 3) < vec4u(inside)
  );
}

// The line of a tile, and the block in that line, of piece number i. `along`: neighbours in memory lie along k.
fn piece_of(i: u32, along: bool) -> vec2u {
  return select(vec2u(i % LINES, i / LINES), vec2u(i / BLOCKS, i % BLOCKS), along);
}

// The row of a (column of b) that is line i of the tile from `first` on. c has `all` lines, its tile has `own`.
// Where gate and up follow each other, the operand has twice as many lines as c, and lines from `own` on are up.
fn line_of(i: u32, first: u32, own: u32, all: u32) -> u32 {
  return min(first + i % own, all - 1u) + i / own * all;
}

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

  // Of each piece: the address it is loaded from, its k, and its place in workgroup memory.
  var from_a: array<u32, PIECES>;
  var from_b: array<u32, PIECES>;
  var k_a: array<u32, PIECES>;
  var k_b: array<u32, PIECES>;
  var to_a: array<u32, PIECES>;
  var to_b: array<u32, PIECES>;
  @diagnostic(off, trm.unroll) for (var i = 0u; i < PIECES; i++) {
    let of_a = piece_of(thread + i * THREADS, VECTOR_A || u.step_a == 1u);
    let of_b = piece_of(thread + i * THREADS, VECTOR_B || u.step_b == 1u);
    k_a[i] = of_a.y * 4u;
    k_b[i] = of_b.y * 4u;
    from_a[i] = line_of(of_a.x, m0, 16u * OWN_M, rows_c) * u.row_a + k_a[i] * u.step_a;
    from_b[i] = line_of(of_b.x, n0, 16u * OWN_N, columns_c) * u.column_b + k_b[i] * u.step_b;
    to_a[i] = of_a.x * STRIDE + of_a.y;
    to_b[i] = of_b.x * STRIDE + of_b.y;
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
      next_a[i] = load_a(from_a[i] + pair * u.stride_a + k0 * u.step_a, max(u.k, k0 + k_a[i]) - k0 - k_a[i]);
    }
    @diagnostic(off, trm.unroll) for (var i = 0u; i < PIECES; i++) {
      next_b[i] = load_b(from_b[i] + pair * u.stride_b + k0 * u.step_b, max(u.k, k0 + k_b[i]) - k0 - k_b[i]);
    }
    @diagnostic(off, trm.unroll) for (var i = 0u; i < PIECES; i++) {
      left[to_a[i]] = next_a[i];
      right[to_b[i]] = next_b[i];
    }
    workgroupBarrier();
    for (var q = 0u; q < BLOCKS; q++) {
      var columns: array<mat4x4f, GROUPS>; // for each k four columns
      @diagnostic(off, trm.unroll) for (var j = 0u; j < GROUPS; j++) {
        let at = (x + j * 64u) * STRIDE + q;
        columns[j] = transpose(
          mat4x4f(right[at], right[at + 16u * STRIDE], right[at + 32u * STRIDE], right[at + 48u * STRIDE])
        );
      }
      @diagnostic(off, trm.unroll) for (var i = 0u; i < RESULTS; i++) {
        let row = left[(y + i * 16u) * STRIDE + q];
        @diagnostic(off, trm.unroll) for (var e = 0u; e < 4u; e++) {
          @diagnostic(off, trm.unroll) for (var j = 0u; j < GROUPS; j++) {
            sum[i * GROUPS + j] = fma(vec4f(row[e]), columns[j][e], sum[i * GROUPS + j]);
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
    let m = m0 + y + i * 16u;
    @diagnostic(off, trm.unroll) for (var j = 0u; j < OWN_N; j++) {
      let n = n0 + x + j * 16u;
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
