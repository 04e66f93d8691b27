// c[m, n] = Σ_k a(m, k) · b(k, n) by subgroup matrices (tensor cores): operands are float16, sums are float32.
// A file that imports this one gets its entry point. It binds c and the uniforms u, and declares `put`, which stores
// PUT · 4 results. It gets them as `first`; with GATED, `first` are values of gate and `second` those of up.
// A workgroup of four subgroups computes a tile of 2 SPAN × 2 SPAN results. Each subgroup computes SPAN × SPAN of them,
// as matrices of SIZE_M × SIZE_N, with DEPTH of k at a time.
// Rows in memory have a multiple of 8 elements. A_BY_K: a row in memory belongs to one k, else to one row of a.
// B_BY_K: a row in memory belongs to one k, else to one column of b.
// Tiles have the same layout in workgroup memory, in pieces of what one subgroup loads, because compilers need constant
// places within an array of constant length. Rows of a piece are padded, so that neighbours lie in other memory banks.
// The next tile is loaded while products are computed.
// EDGE_K: k is not a multiple of DEPTH; values beyond the last k are 0. Rows and columns beyond the edge repeat
// the last one; their results are not stored.
// GATED 1: the columns of c' = a · b are [gate | up], and c = silu(gate) ⊙ up has half as many. A subgroup has both
// columns of a result. GATED 2: the same with rows. Neither can be combined with splits.
// With u.splits > 1 the sum over pairs and k is cut into that many ranges, with results of their own.
// Needs subgroups of exactly 32 threads: with others the results are silently wrong.
enable f16;
enable subgroups;
enable subgroup_size_control;
enable chromium_experimental_subgroup_matrix;
const SPAN = 64;
const DEPTH = 32;
const SIZE_M = 16;
const SIZE_N = 16;
const SIZE_K = 16;
const A_BY_K = false;
const B_BY_K = false;
const EDGE_K = false;
const GATED = 0;
// SPAN / SIZE_M, SPAN / SIZE_N, DEPTH / SIZE_K.
const COUNT_M = 4;
const COUNT_N = 4;
const COUNT_K = 2;
// Loads of 16 bytes that a thread does for the tile of one operand.
const LOADS = 4;
// Matrices along m and n of a slice of results, of gate and of up each: COUNT_M and COUNT_N, with GATED 2 half of both.
const PART_M = 4;
const PART_N = 4;
// Stores that a thread does for a slice of results.
const STORES = 8;
alias Left = subgroup_matrix_left<f16, SIZE_K, SIZE_M>;
alias Right = subgroup_matrix_right<f16, SIZE_N, SIZE_K>;
alias Result = subgroup_matrix_result<f32, SIZE_N, SIZE_M>;

struct Uniforms {
  m: u32, n: u32, k: u32, batch: u32, reduce: u32, splits: u32, accumulate: u32,
  // Distances from one row in memory to the next, and from one matrix to the next, in units of 8.
  row_a: u32, stride_a: u32, row_b: u32, stride_b: u32,
}

// Where neighbouring results lie: the number of their matrix, their row and their first column.
struct Place { result: u32, m: u32, n: u32 }

@group(0) @binding(0) var<storage, read> a: array<vec4u>;
@group(0) @binding(1) var<storage, read> b: array<vec4u>;

const SIDE = SPAN * 2u;
const THREADS = 128u;
// Units of 8 in a row of a tile: along k, or (by k) along rows of a or columns of b.
const UNITS_K = DEPTH / 8u;
const UNITS_SIDE = SIDE / 8u;
const UNITS_A = select(UNITS_K, UNITS_SIDE, A_BY_K);
const UNITS_B = select(UNITS_K, UNITS_SIDE, B_BY_K);
// Rows of a tile that the threads load at once.
const LINES_A = THREADS / UNITS_A;
const LINES_B = THREADS / UNITS_B;
// Rows of a tile that eight threads store into at once: so far apart that all units lie in different memory banks.
// By k, where eight units of a row do so, threads take the rows in order.
const AT_ONCE_A = select(8u / UNITS_K, 8u, A_BY_K);
const AT_ONCE_B = select(8u / UNITS_K, 8u, B_BY_K);
// Distance in k from one load of a thread to the next. By k, it and the first place give all places of a thread.
const K_APART_A = select(0u, LINES_A, A_BY_K);
const K_APART_B = select(0u, LINES_B, B_BY_K);
const PLACES_A = select(u32(LOADS), 1u, A_BY_K);
const PLACES_B = select(u32(LOADS), 1u, B_BY_K);
// Units in a row of a piece, and from one row to the next in workgroup memory.
const PER_A = select(UNITS_K, SPAN / 8u, A_BY_K);
const PER_B = select(UNITS_K, SPAN / 8u, B_BY_K);
const STEP_A = PER_A + 1u;
const STEP_B = PER_B + 1u;
// Rows of a tile that belong to one piece.
const ROWS_A = select(SPAN, DEPTH, A_BY_K);
const ROWS_B = select(SPAN, DEPTH, B_BY_K);
const STEP_C = SPAN / 4u + 2u;
// Threads that load a row of a slice of results, each PUT vec4f of it (with GATED, of gate and of up each).
const PER_ROW = SPAN / 4u / select(1u, 2u, GATED != 0) / PUT;
// Each loads its neighbours one after the other. A gap of one vec4f after every 32 columns moves half of what eight
// threads load at once to other memory banks. If they load from two rows at once, the first gap follows 16 columns.
const AT_ONCE_C = select(1u, 2u, PER_ROW == 4u);
const GAP = AT_ONCE_C - 1u;
const PIECE = max(max(ROWS_A * STEP_A, ROWS_B * STEP_B), SIZE_M * STEP_C);

// Two pieces of a, two of b; at the end a slice of results of each subgroup.
var<workgroup> tiles: array<array<vec4u, PIECE>, 4>;

// The row of a (column of b) that is number i of a tile; the operand has `all`.
// With `halves` a subgroup has as many from the first half of them as from the second.
fn line_of(i: u32, tile: u32, all: u32, halves: bool) -> u32 {
  if (!halves) { return min(tile * SIDE + i, all - 1u); }
  let own = tile * SPAN + i / SPAN * (SPAN / 2u) + i % (SPAN / 2u);
  return min(own, all / 2u - 1u) + i % SPAN / (SPAN / 2u) * (all / 2u);
}

// Where the unit in this row of a tile lies in the matrix, from k = 0 on.
fn matrix_place(row: u32, unit: u32, tile: u32, all: u32, apart: u32, halves: bool, by_k: bool) -> u32 {
  if (by_k) { return row * apart + line_of(unit * 8u, tile, all, halves) / 8u; }
  return line_of(row, tile, all, halves) * apart + unit;
}

// Whether this k lies within the matrix.
fn is_inside(k: u32) -> bool { return !EDGE_K || k < u.k; }

fn load_a(at: u32, is_inside: bool) -> vec4u {
  if (is_inside) { return a[at]; }
  return vec4u();
}

fn load_b(at: u32, is_inside: bool) -> vec4u {
  if (is_inside) { return b[at]; }
  return vec4u();
}

// Rows and columns of c.
fn c_rows() -> u32 { return select(u.m, u.m / 2u, GATED == 2); }
fn c_columns() -> u32 { return select(u.n, u.n / 2u, GATED == 1); }

fn silu(x: vec4f) -> vec4f { return x / (1.0 + exp(-x)); }

// The results, or silu(gate) ⊙ up.
fn activated(first: mat2x4f, second: mat2x4f) -> mat2x4f {
  if (GATED == 0) { return first; }
  return mat2x4f(silu(first[0]) * second[0], silu(first[1]) * second[1]);
}

@compute @workgroup_size(THREADS) @subgroup_size(32)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) thread: u32, @builtin(subgroup_id) number: u32,
        @builtin(subgroup_invocation_id) lane_number: u32) {
  // Compilers drop the bounds checks of places in workgroup memory that follow from `thread`, remainders and constants.
  // Matrices take the plain number of a subgroup: with `% 4u`, AMD's compiler adds each place to it anew.
  let subgroup = number % 4u;
  let lane = lane_number % 32u;
  // Rows and columns of c, and of a tile of it.
  let rows = c_rows();
  let columns = c_columns();
  let side_m = select(SIDE, SPAN, GATED == 2);
  let side_n = select(SIDE, SPAN, GATED == 1);
  let count_m = (rows + side_m - 1u) / side_m;
  let count_n = (columns + side_n - 1u) / side_n;
  let index = group.x + group.y * groups.x;
  let result = index / (count_m * count_n); // split · batch + batch
  if (result >= u.splits * u.batch) { return; }
  // Tiles are numbered in bands of eight rows: neighbours share what they load.
  let band = index % (count_m * count_n) / (8u * count_n);
  let in_band = index % (count_m * count_n) % (8u * count_n);
  let high = min(8u, count_m - band * 8u);
  let tile_m = band * 8u + in_band % high;
  let tile_n = in_band / high;

  let steps = (u.k + DEPTH - 1u) / DEPTH;
  var first = 0u;
  var end = u.reduce * steps;
  var pair = result * u.reduce;
  var k0 = 0u;
  // A whole sum needs none of these divisions, each of which takes as long as some twenty other instructions.
  if (u.splits > 1u) {
    let range = (end + u.splits - 1u) / u.splits;
    first = result / u.batch * range;
    end = min(first + range, end);
    pair = result % u.batch * u.reduce + first / steps;
    k0 = first % steps * DEPTH;
  }

  // Load number i of a thread is this unit in row i · LINES + its row of the tile.
  let row_a = thread / UNITS_A / 8u * 8u + thread / UNITS_A % AT_ONCE_A * (8u / AT_ONCE_A) +
    thread / UNITS_A % 8u / AT_ONCE_A;
  let row_b = thread / UNITS_B / 8u * 8u + thread / UNITS_B % AT_ONCE_B * (8u / AT_ONCE_B) +
    thread / UNITS_B % 8u / AT_ONCE_B;
  let unit_a = thread % UNITS_A;
  let unit_b = thread % UNITS_B;
  // The k of that load, from k0 on.
  let k_a = select(unit_a * 8u, row_a, A_BY_K);
  let k_b = select(unit_b * 8u, row_b, B_BY_K);
  var place_a: array<u32, LOADS>;
  var place_b: array<u32, LOADS>;
  var next_a: array<vec4u, LOADS>;
  var next_b: array<vec4u, LOADS>;
  @diagnostic(off, trm.unroll) for (var i = 0u; i < LOADS; i++) {
    place_a[i] = matrix_place(row_a + i * LINES_A, unit_a, tile_m, u.m, u.row_a, GATED == 2, A_BY_K);
    place_b[i] = matrix_place(row_b + i * LINES_B, unit_b, tile_n, u.n, u.row_b, GATED == 1, B_BY_K);
  }
  // The piece that a thread loads into, and its first place there.
  let piece_a = thread % UNITS_A / PER_A + row_a / ROWS_A;
  let piece_b = thread % UNITS_B / PER_B + row_b / ROWS_B + 2u;
  let within_a = row_a % ROWS_A * STEP_A + thread % UNITS_A % PER_A;
  let within_b = row_b % ROWS_B * STEP_B + thread % UNITS_B % PER_B;
  // Distance, in units of 8, from eight of k to the next eight.
  let step_a = select(1u, u.row_a * 8u, A_BY_K);
  let step_b = select(1u, u.row_b * 8u, B_BY_K);

  if (first < end) {
    let from_a = pair * u.stride_a + k0 / 8u * step_a;
    let from_b = pair * u.stride_b + k0 / 8u * step_b;
    @diagnostic(off, trm.unroll) for (var i = 0u; i < LOADS; i++) {
      let at_a = from_a + place_a[i % PLACES_A] + i * K_APART_A * u.row_a;
      let at_b = from_b + place_b[i % PLACES_B] + i * K_APART_B * u.row_b;
      next_a[i] = load_a(at_a, is_inside(k0 + k_a + i * K_APART_A));
      next_b[i] = load_b(at_b, is_inside(k0 + k_b + i * K_APART_B));
    }
  }
  var sum: array<array<Result, COUNT_N>, COUNT_M>;
  for (var step = first; step < end; step++) {
    @diagnostic(off, trm.unroll) for (var i = 0u; i < LOADS; i++) {
      tiles[piece_a + i * LINES_A / ROWS_A][within_a + i * LINES_A % ROWS_A * STEP_A] = next_a[i];
      tiles[piece_b + i * LINES_B / ROWS_B][within_b + i * LINES_B % ROWS_B * STEP_B] = next_b[i];
    }
    workgroupBarrier();
    // After the last tile the same tile is loaded once more, and not used.
    if (step + 1u < end) {
      k0 += DEPTH;
      if (k0 >= u.k) {
        k0 = 0u;
        pair++;
      }
    }
    let from_a = pair * u.stride_a + k0 / 8u * step_a;
    let from_b = pair * u.stride_b + k0 / 8u * step_b;
    @diagnostic(off, trm.unroll) for (var i = 0u; i < LOADS; i++) {
      let at_a = from_a + place_a[i % PLACES_A] + i * K_APART_A * u.row_a;
      let at_b = from_b + place_b[i % PLACES_B] + i * K_APART_B * u.row_b;
      next_a[i] = load_a(at_a, is_inside(k0 + k_a + i * K_APART_A));
      next_b[i] = load_b(at_b, is_inside(k0 + k_b + i * K_APART_B));
    }
    @diagnostic(off, trm.unroll) for (var k = 0u; k < COUNT_K; k++) {
      var right: array<Right, COUNT_N>;
      @diagnostic(off, trm.unroll) for (var j = 0u; j < COUNT_N; j++) {
        right[j] = subgroupMatrixLoad<Right, row_major>(
          &tiles[2u + number % 2u],
          select(j * SIZE_N * STEP_B + k * SIZE_K / 8u, k * SIZE_K * STEP_B + j * SIZE_N / 8u, B_BY_K),
          STEP_B
        );
      }
      @diagnostic(off, trm.unroll) for (var i = 0u; i < COUNT_M; i++) {
        let left = subgroupMatrixLoad<Left, row_major>(
          &tiles[number / 2u],
          select(i * SIZE_M * STEP_A + k * SIZE_K / 8u, k * SIZE_K * STEP_A + i * SIZE_M / 8u, A_BY_K),
          STEP_A
        );
        @diagnostic(off, trm.unroll) for (var j = 0u; j < COUNT_N; j++) {
          sum[i][j] = subgroupMatrixMultiplyAccumulate(left, right[j], sum[i][j]);
        }
      }
    }
    workgroupBarrier();
  }

  // Stores slices of SIZE_M × SPAN results; of gate and of up SPAN / 2 columns each.
  @diagnostic(off, trm.unroll) for (var i = 0u; i < COUNT_M; i++) {
    @diagnostic(off, trm.unroll) for (var j = 0u; j < COUNT_N; j++) {
      subgroupMatrixStore<row_major>(
        &tiles[number],
        j * SIZE_N / 4u + (j * SIZE_N / 16u + GAP) / 2u,
        sum[i % PART_M + j / PART_N * PART_M][i / PART_M * PART_N + j % PART_N],
        STEP_C
      );
    }
    workgroupBarrier();
    @diagnostic(off, trm.unroll) for (var q = 0u; q < STORES; q++) {
      let line = (lane + q * 32u) / PER_ROW;
      let row = line / 4u * 4u + line % AT_ONCE_C * (4u / AT_ONCE_C) + line % 4u / AT_ONCE_C;
      let column = (lane + q * 32u) % PER_ROW * PUT;
      let m = tile_m * side_m + subgroup / 2u * (side_m / 2u) + i % PART_M * SIZE_M + row;
      let n = tile_n * side_n + subgroup % 2u * (side_n / 2u) + i / PART_M * PART_N * SIZE_N + column * 4u;
      if (row < SIZE_M && m < rows && n < columns) {
        let at = row * STEP_C + column + (column / 4u + GAP) / 2u;
        let up = column + SPAN / 8u;
        let at_up = row * STEP_C + up + (up / 4u + GAP) / 2u;
        var first: array<vec4f, 2>;
        var second: array<vec4f, 2>;
        @diagnostic(off, trm.unroll) for (var w = 0u; w < PUT; w++) {
          first[w] = bitcast<vec4f>(tiles[subgroup][at + w]);
          if (GATED != 0) { second[w] = bitcast<vec4f>(tiles[subgroup][at_up + w]); }
        }
        put(Place(result, m, n), mat2x4f(first[0], first[1]), mat2x4f(second[0], second[1]));
      }
    }
    workgroupBarrier();
  }
}
