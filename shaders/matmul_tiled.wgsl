// c[m, n] = Σ_k a(m, k) · b(k, n) as in matmul_vec4.wgsl, for GPUs.
// A workgroup of 16 × 16 threads owns a tile of LINES × LINES results: lines are rows of a and columns of b.
// A thread has RESULTS × RESULTS of them.
// Both operands pass through workgroup memory, DEPTH of k at a time: load, barrier, compute, barrier.
// AHEAD: the next tile is loaded while this one is computed. It takes registers, of which large tiles have none left.
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
const AHEAD = false;
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
const NEIGHBOURS = vec4u(0, 1, 2, 3);
// vec4f in a row of a tile, and the distance to the next row. Lines along k are padded: neighbours lie in other banks.
// ROWS: rows that the threads load at once.
const UNITS_A = select(BLOCKS, LINES / 4u, A_BY_K);
const STEP_A = select(BLOCKS + 1u, LINES / 4u, A_BY_K);
const ROWS_A = THREADS / UNITS_A;
const UNITS_B = select(BLOCKS, LINES / 4u, B_BY_K);
const STEP_B = select(BLOCKS + 1u, LINES / 4u, B_BY_K);
const ROWS_B = THREADS / UNITS_B;

var<workgroup> left: array<vec4f, select(LINES, DEPTH, A_BY_K) * STEP_A>;
var<workgroup> right: array<vec4f, select(LINES, DEPTH, B_BY_K) * STEP_B>;

// The row of a (column of b) that is line i of the tile from `first` on, for each of four neighbours.
// c has `all` lines, its tile has `own`. Where gate and up follow each other, the operand has twice as many lines
// as c, and lines from `own` on are up.
fn line_of(i: vec4u, first: u32, own: u32, all: u32) -> vec4u {
  if (own == LINES) { return min(first + i, vec4u(all - 1u)); }
  return min(first + i % own, vec4u(all - 1u)) + i / own * all;
}

// What a thread loads of the tile of a, from k0 on. Values beyond the last k are 0.
fn pieces_a(thread: u32, first: u32, pair: u32, k0: u32) -> array<vec4f, PIECES> {
  var pieces: array<vec4f, PIECES>;
  @diagnostic(off, trm.unroll) for (var i = 0u; i < PIECES; i++) {
    // Four neighbours in memory.
    let row = vec4u(thread / UNITS_A + i * ROWS_A);
    let along = thread % UNITS_A * 4u + NEIGHBOURS;
    let lines = line_of(select(row, along, A_BY_K), first, 16u * OWN_M, u.m * OWN_M / RESULTS);
    let ks = k0 + select(along, row, A_BY_K);
    let inside = vec4<bool>(!EDGE_K) | (ks < vec4u(u.k));
    let within = select(lines * u.row_a + ks, lines + ks * u.step_a, A_BY_K);
    let at = pair * u.stride_a + select(vec4u(), within, inside);
    // vec4f(x).x takes both types of A.
    var value = vec4f(a[at.x / 4u]);
    if (!VECTOR_A) { value = vec4f(vec4f(a[at.x]).x, vec4f(a[at.y]).x, vec4f(a[at.z]).x, vec4f(a[at.w]).x); }
    pieces[i] = select(vec4f(), value, inside);
  }
  return pieces;
}

// What a thread loads of the tile of b, from k0 on. Values beyond the last k are 0.
fn pieces_b(thread: u32, first: u32, pair: u32, k0: u32) -> array<vec4f, PIECES> {
  var pieces: array<vec4f, PIECES>;
  @diagnostic(off, trm.unroll) for (var i = 0u; i < PIECES; i++) {
    let row = vec4u(thread / UNITS_B + i * ROWS_B);
    let along = thread % UNITS_B * 4u + NEIGHBOURS;
    let lines = line_of(select(row, along, B_BY_K), first, 16u * OWN_N, u.n * OWN_N / RESULTS);
    let ks = k0 + select(along, row, B_BY_K);
    let inside = vec4<bool>(!EDGE_K) | (ks < vec4u(u.k));
    let within = select(lines * u.column_b + ks, lines + ks * u.step_b, B_BY_K);
    let at = pair * u.stride_b + select(vec4u(), within, inside);
    var value = vec4f(b[at.x / 4u]);
    if (!VECTOR_B) { value = vec4f(vec4f(b[at.x]).x, vec4f(b[at.y]).x, vec4f(b[at.z]).x, vec4f(b[at.w]).x); }
    pieces[i] = select(vec4f(), value, inside);
  }
  return pieces;
}

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) thread: u32) {
  // Rows and columns of c.
  let rows_c = u.m * OWN_M / RESULTS;
  let columns_c = u.n * OWN_N / RESULTS;
  let tiles_m = (rows_c + 16u * OWN_M - 1u) / (16u * OWN_M);
  let tiles_n = (columns_c + 16u * OWN_N - 1u) / (16u * OWN_N);
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
  let unit_a = thread % UNITS_A;
  let row_b = thread / UNITS_B;
  let unit_b = thread % UNITS_B;
  let y = thread / 16u;
  let x = thread % 16u;

  var sum: array<vec4f, RESULTS * GROUPS>;
  var pair = result % u.batch * u.reduce + first / steps;
  var k0 = first % steps * DEPTH;
  let end = min(first + range, u.reduce * steps);
  var next_a: array<vec4f, PIECES>;
  var next_b: array<vec4f, PIECES>;
  if (AHEAD && first < end) {
    next_a = pieces_a(thread, m0, pair, k0);
    next_b = pieces_b(thread, n0, pair, k0);
  }
  for (var step = first; step < end; step++) {
    if (!AHEAD) {
      next_a = pieces_a(thread, m0, pair, k0);
      next_b = pieces_b(thread, n0, pair, k0);
    }
    // Compilers drop the bounds checks of these places, because they follow from `thread` and constants alone.
    @diagnostic(off, trm.unroll) for (var i = 0u; i < PIECES; i++) {
      left[(row_a + i * ROWS_A) * STEP_A + unit_a] = next_a[i];
      right[(row_b + i * ROWS_B) * STEP_B + unit_b] = next_b[i];
    }
    workgroupBarrier();
    k0 += DEPTH;
    if (k0 >= u.k) {
      k0 = 0u;
      pair++;
    }
    if (AHEAD && step + 1u < end) {
      next_a = pieces_a(thread, m0, pair, k0);
      next_b = pieces_b(thread, n0, pair, k0);
    }
    for (var q = 0u; q < BLOCKS; q++) {
      // For each of four k, four columns a group.
      var columns: array<mat4x4f, GROUPS>;
      @diagnostic(off, trm.unroll) for (var g = 0u; g < GROUPS; g++) {
        var block: mat4x4f;
        @diagnostic(off, trm.unroll) for (var e = 0u; e < 4u; e++) {
          if (B_BY_K) { block[e] = right[(q * 4u + e) * STEP_B + x + g * 16u]; }
          else { block[e] = right[(x + g * 64u + e * 16u) * STEP_B + q]; }
        }
        if (!B_BY_K) { block = transpose(block); }
        columns[g] = block;
      }
      @diagnostic(off, trm.unroll) for (var g = 0u; g < GROUPS; g++) {
        @diagnostic(off, trm.unroll) for (var i = 0u; i < 4u; i++) {
          // Four rows at one k, or one row at four k: few registers at a time.
          var four: vec4f;
          if (A_BY_K) { four = left[(q * 4u + i) * STEP_A + y + g * 16u]; }
          else { four = left[(y + g * 64u + i * 16u) * STEP_A + q]; }
          @diagnostic(off, trm.unroll) for (var e = 0u; e < 4u; e++) {
            @diagnostic(off, trm.unroll) for (var j = 0u; j < GROUPS; j++) {
              let column = columns[j][select(e, i, A_BY_K)];
              sum[(g * 4u + select(i, e, A_BY_K)) * GROUPS + j] =
                fma(vec4f(four[e]), column, sum[(g * 4u + select(i, e, A_BY_K)) * GROUPS + j]);
            }
          }
        }
      }
    }
    workgroupBarrier();
  }

  @diagnostic(off, trm.unroll) for (var i = 0u; i < OWN_M; i++) {
    let m = m0 + select(y + i * 16u, y * 4u + i / 4u * 64u + i % 4u, A_BY_K);
    @diagnostic(off, trm.unroll) for (var j = 0u; j < OWN_N; j++) {
      let n = n0 + select(x + j * 16u, x * 4u + j / 4u * 64u + j % 4u, B_BY_K);
      if (m < rows_c && n < columns_c) {
        let at = (result * rows_c + m) * columns_c + n;
        var value = sum[i * GROUPS + j / 4u][j % 4u];
        if (OWN_M + OWN_N < 2 * RESULTS) {
          let up = sum[(i + OWN_M) % RESULTS * GROUPS + (j + OWN_N) % RESULTS / 4u][(j + OWN_N) % 4u];
          value = value / (1.0 + exp(-value)) * up;
        }
        if (u.accumulate != 0u) { value += c[at]; }
        c[at] = value;
      }
    }
  }
}
