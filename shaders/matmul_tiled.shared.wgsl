// c[m, n] = Σ_k a(m, k) · b(k, n) as in matmul_vec4.wgsl, for GPUs.
// A file that imports this one gets its entry point. It binds c and declares `put`, which stores two neighbours.
// A workgroup owns a tile of results. Its lines are rows of a and columns of b. It has 16 threads for each pair of rows
// in a quarter of the tile. A thread has 8 × 2 CELLS results: a pair of rows in each quarter, and pairs of neighbouring
// columns, which are 32 columns apart.
// Both operands pass through workgroup memory, DEPTH of k at a time. A vec4f there is a cell: two neighbouring lines at
// two neighbouring k. So whichever way an operand is stored, a thread gets what it needs in few loads, and it needs few
// registers at a time: enough are left to load the next tile while this one is computed.
// Each sum stays in a register, because only constants index `sum`: that makes the kernel 15 times faster.
// A_BY_K: a row of a in memory belongs to one k; else it belongs to one row of a. B_BY_K: the same with columns of b.
// VECTOR_A, VECTOR_B: rows in memory have an even number of elements, and so does each half of gate or up: two
// neighbours are one load.
// Lines beyond the edge repeat the last line: their results are not stored. EDGE_K: k is not a multiple of DEPTH;
// values beyond the last k are 0.
// OWN_N = CELLS / 2: the columns of c' = a · b are [gate | up], and c = silu(gate) ⊙ up has half as many.
// Half of a thread's columns are then gate and half are up. OWN_M = 2 is the same for rows.
// Neither can be combined with accumulate or splits.
// With u.splits > 1 the sum over pairs and k is cut into that many ranges with results of their own; column_sums.wgsl
// adds these in order.
struct Uniforms {
  // m and n are rows and columns of c.
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
@group(0) @binding(3) var<uniform> u: Uniforms;

const CELLS = 4; // of b, that a thread needs at a time: 2 or 4; of a it needs 4
const PIECES = 2; // cells of each operand that a thread loads for a tile: 1 or 2
const OWN_M = 4; // pairs of lines that a thread stores, along m and n
const OWN_N = 4;

const PAIRS = 16u * CELLS; // of rows, and of columns
const THREADS = 4u * PAIRS;
// Rows and columns of c in a tile.
const SIDE_M = PAIRS / 2u * OWN_M;
const SIDE_N = 32u * OWN_N;
const UNITS = 4u * PIECES; // pairs of k
const DEPTH = 2u * UNITS;
// Cells from one pair of k to the next in workgroup memory: padded, so that neighbours along k lie in other banks.
const STEP = PAIRS + 1u;
// Cells that are neighbours in memory, and the distances in workgroup memory along these and across.
const ALL_A = select(UNITS, PAIRS, A_BY_K);
const ALONG_A = select(STEP, 1u, A_BY_K);
const ACROSS_A = select(1u, STEP, A_BY_K);
const ALL_B = select(UNITS, PAIRS, B_BY_K);
const ALONG_B = select(STEP, 1u, B_BY_K);
const ACROSS_B = select(1u, STEP, B_BY_K);

var<workgroup> left: array<vec4f, UNITS * STEP>;
var<workgroup> right: array<vec4f, UNITS * STEP>;

// Two neighbours in memory: their places, and which of them lie within the matrix. Places outside are 0.
// Two lines beyond the edge can have the same odd place: one load then reads the last two lines, which does no harm.
struct Two { at: vec2u, inside: vec2<bool> }

// Two elements number `along` of a row in memory that is number `across` of a tile, which begins at line0 and k0.
// c has `all` lines, its tile has `own`. Where gate and up follow each other, the operand has twice as many, and lines
// from `own` on are up. An element lies `per_line` from the next line and `per_k` from the next k.
fn two_of(
  along: u32, across: u32, by_k: bool, line0: u32, k0: u32, own: u32, all: u32, per_line: u32, per_k: u32
) -> Two {
  let near = along * 2u + vec2u(0, 1);
  let i = select(vec2u(across), near, by_k);
  let ks = k0 + select(near, vec2u(across), by_k);
  let lines = min(line0 + i % own, vec2u(all - 1u)) + i / own * all;
  let inside = vec2<bool>(!EDGE_K) | (ks < vec2u(u.k));
  return Two(select(vec2u(), lines * per_line + ks * per_k, inside), inside);
}

// vec2f(x).x takes both types of an element.
fn values_a(at: vec2u) -> vec2f {
  if (VECTOR_A) { return vec2f(a[at.x / 2u]); }
  return vec2f(vec2f(a[at.x]).x, vec2f(a[at.y]).x);
}
fn values_b(at: vec2u) -> vec2f {
  if (VECTOR_B) { return vec2f(b[at.x / 2u]); }
  return vec2f(vec2f(b[at.x]).x, vec2f(b[at.y]).x);
}

// What a thread loads of the tile from k0 on: cells of a, then cells of b. Values beyond the last k are 0.
fn load(thread: u32, m0: u32, n0: u32, pair: u32, k0: u32) -> array<vec4f, PIECES * 2> {
  var cells: array<vec4f, PIECES * 2>;
  @diagnostic(off, trm.unroll) for (var i = 0u; i < PIECES; i++) {
    let cell = thread + i * THREADS;
    var of_a: array<vec2f, 2>;
    var of_b: array<vec2f, 2>;
    @diagnostic(off, trm.unroll) for (var e = 0u; e < 2u; e++) {
      let two_a = two_of(cell % ALL_A, cell / ALL_A * 2u + e, A_BY_K, m0, k0, SIDE_M, u.m, u.row_a, u.step_a);
      let two_b = two_of(cell % ALL_B, cell / ALL_B * 2u + e, B_BY_K, n0, k0, SIDE_N, u.n, u.column_b, u.step_b);
      of_a[e] = select(vec2f(), values_a(pair * u.stride_a + two_a.at), two_a.inside);
      of_b[e] = select(vec2f(), values_b(pair * u.stride_b + two_b.at), two_b.inside);
    }
    cells[i] = vec4f(of_a[0], of_a[1]);
    cells[i + PIECES] = vec4f(of_b[0], of_b[1]);
  }
  return cells;
}

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) thread: u32) {
  let tiles_m = (u.m + SIDE_M - 1u) / SIDE_M;
  let tiles_n = (u.n + SIDE_N - 1u) / SIDE_N;
  let tile = group.x + group.y * groups.x;
  let result = tile / (tiles_n * tiles_m); // split · batch + batch
  if (result >= u.splits * u.batch) { return; }
  let m0 = tile / tiles_n % tiles_m * SIDE_M;
  let n0 = tile % tiles_n * SIDE_N;
  let steps = (u.k + DEPTH - 1u) / DEPTH;
  let range = (u.reduce * steps + u.splits - 1u) / u.splits;
  let first = result / u.batch * range;
  let end = min(first + range, u.reduce * steps);
  var pair = result % u.batch * u.reduce + first / steps;
  var k0 = first % steps * DEPTH;
  let y = thread / 16u;
  let x = thread % 16u;

  var next: array<vec4f, PIECES * 2>;
  if (first < end) { next = load(thread, m0, n0, pair, k0); }
  var sum: array<vec2f, 8 * CELLS>;
  for (var step = first; step < end; step++) {
    // Compilers drop the bounds checks of places that follow from `thread` and constants alone.
    @diagnostic(off, trm.unroll) for (var i = 0u; i < PIECES; i++) {
      left[thread % ALL_A * ALONG_A + (thread / ALL_A + i * (THREADS / ALL_A)) * ACROSS_A] = next[i];
      right[thread % ALL_B * ALONG_B + (thread / ALL_B + i * (THREADS / ALL_B)) * ACROSS_B] = next[i + PIECES];
    }
    workgroupBarrier();
    // After the last tile the same tile is loaded once more, and not used: a branch here takes more registers.
    if (step + 1u < end) {
      k0 += DEPTH;
      if (k0 >= u.k) {
        k0 = 0u;
        pair++;
      }
    }
    next = load(thread, m0, n0, pair, k0);
    for (var q = 0u; q < UNITS; q++) {
      var columns: array<vec4f, CELLS>;
      @diagnostic(off, trm.unroll) for (var g = 0u; g < CELLS; g++) { columns[g] = right[q * STEP + x + g * 16u]; }
      @diagnostic(off, trm.unroll) for (var h = 0u; h < 4u; h++) {
        let rows = left[q * STEP + y + h * (PAIRS / 4u)];
        @diagnostic(off, trm.unroll) for (var e = 0u; e < 2u; e++) {
          @diagnostic(off, trm.unroll) for (var i = 0u; i < 2u; i++) {
            let row = rows[select(i * 2u + e, i + e * 2u, A_BY_K)];
            @diagnostic(off, trm.unroll) for (var g = 0u; g < CELLS; g++) {
              let two = vec2f(columns[g][select(e, e * 2u, B_BY_K)], columns[g][select(2u + e, e * 2u + 1u, B_BY_K)]);
              sum[(h * 2u + i) * CELLS + g] = fma(vec2f(row), two, sum[(h * 2u + i) * CELLS + g]);
            }
          }
        }
      }
    }
    workgroupBarrier();
  }

  @diagnostic(off, trm.unroll) for (var h = 0u; h < OWN_M; h++) {
    @diagnostic(off, trm.unroll) for (var i = 0u; i < 2u; i++) {
      let m = m0 + (y + h * (PAIRS / 4u)) * 2u + i;
      @diagnostic(off, trm.unroll) for (var g = 0u; g < OWN_N; g++) {
        var value = sum[(h * 2u + i) * CELLS + g];
        if (OWN_M + OWN_N < 4 + CELLS) {
          let up = sum[((h + OWN_M) % 4u * 2u + i) * CELLS + (g + OWN_N) % CELLS];
          value = value / (1.0 + exp(-value)) * up;
        }
        if (m < u.m) { put((result * u.m + m) * u.n, n0 + x * 2u + g * 32u, value); }
      }
    }
  }
}
