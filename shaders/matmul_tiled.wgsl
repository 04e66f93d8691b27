// c[m, n] = Σ_k a(m, k) · b(k, n) as matmul_vec4.wgsl, for GPUs: a workgroup keeps tiles of a and b in workgroup memory, DEPTH of k at a time;
// a thread owns PARTS_M × PARTS_N blocks of 4 × 4 results. Tiles are loaded in blocks of 4 × 4; what lies outside of a matrix is 0.
// GATED 1: the columns of c' = a · b are [gate | up], c = silu(gate) ⊙ up has half as many; a thread's two parts along n lie in one half each.
// GATED 2: the same with rows. Neither adds to c nor cuts the sum.
#import matmul_tiled.shared.wgsl
const LANES_M = 16;
const LANES_N = 16;
const PARTS_M = 1;
const PARTS_N = 1;
const GATED = 0;

const DEPTH = 16u;
const ROWS = LANES_M * PARTS_M * 4u;
const COLUMNS = LANES_N * PARTS_N * 4u;
const THREADS = LANES_M * LANES_N;
// Rows and columns of c in a tile.
const OWN_ROWS = select(ROWS, ROWS / 2u, GATED == 2);
const OWN_COLUMNS = select(COLUMNS, COLUMNS / 2u, GATED == 1);

// By k, then by blocks of four rows (columns).
var<workgroup> left: array<vec4f, DEPTH * ROWS / 4u>;
var<workgroup> right: array<vec4f, DEPTH * COLUMNS / 4u>;

// A block that begins at `at`, a column for each k; so many rows (columns) and k lie in the matrix, the rest is 0.
fn block_a(at: u32, m_left: i32, k_left: i32) -> mat4x4f {
  let k_first = p.step_a == 1u;
  let line = select(p.step_a, p.row_a, k_first);
  let lines = select(k_left, m_left, k_first);
  let inside = vec4i(select(m_left, k_left, k_first)) * select(vec4i(), vec4i(1), vec4i(0, 1, 2, 3) < vec4i(lines));
  let block = mat4x4f(load_a(at, inside.x), load_a(at + line, inside.y), load_a(at + 2u * line, inside.z), load_a(at + 3u * line, inside.w));
  if (k_first) { return transpose(block); }
  return block;
}

fn block_b(at: u32, n_left: i32, k_left: i32) -> mat4x4f {
  let k_first = p.step_b == 1u;
  let line = select(p.step_b, p.column_b, k_first);
  let lines = select(k_left, n_left, k_first);
  let inside = vec4i(select(n_left, k_left, k_first)) * select(vec4i(), vec4i(1), vec4i(0, 1, 2, 3) < vec4i(lines));
  let block = mat4x4f(load_b(at, inside.x), load_b(at + line, inside.y), load_b(at + 2u * line, inside.z), load_b(at + 3u * line, inside.w));
  if (k_first) { return transpose(block); }
  return block;
}

// The row of a, or column of b, that is number i of a tile from `first` on, and where its half of `all` ends.
fn place(i: u32, first: u32, own: u32, all: u32) -> vec2u {
  return vec2u(first + i % own + i / own * all, (i / own + 1u) * all);
}

@compute @workgroup_size(LANES_N, LANES_M)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_id) lane: vec3u, @builtin(local_invocation_index) thread: u32) {
  // Rows and columns of c.
  let rows_c = select(p.m, p.m / 2u, GATED == 2);
  let columns_c = select(p.n, p.n / 2u, GATED == 1);
  let tiles_n = (columns_c + OWN_COLUMNS - 1u) / OWN_COLUMNS;
  let tiles_m = (rows_c + OWN_ROWS - 1u) / OWN_ROWS;
  let tile = group.x + group.y * groups.x;
  let result = tile / (tiles_n * tiles_m); // split · batch + batch
  if (result >= p.splits * p.batch) { return; }
  let m0 = tile / tiles_n % tiles_m * OWN_ROWS;
  let n0 = tile % tiles_n * OWN_COLUMNS;
  let steps = (p.k + DEPTH - 1u) / DEPTH;
  let range = (p.reduce * steps + p.splits - 1u) / p.splits;
  let first = result / p.batch * range;

  var sum: array<array<vec4f, PARTS_N>, PARTS_M * 4>;
  for (var step = first; step < min(first + range, p.reduce * steps); step++) {
    let pair = result % p.batch * p.reduce + step / steps;
    let k0 = step % steps * DEPTH;
    for (var i = thread; i < ROWS * DEPTH / 16u; i += THREADS) {
      let k = select(i / (ROWS / 4u), i % (DEPTH / 4u), p.step_a == 1u);
      let m = select(i % (ROWS / 4u), i / (DEPTH / 4u), p.step_a == 1u);
      let row = place(m * 4u, m0, OWN_ROWS, rows_c);
      let block = block_a(pair * p.stride_a + row.x * p.row_a + (k0 + k * 4u) * p.step_a, i32(row.y) - i32(row.x), i32(p.k) - i32(k0 + k * 4u));
      for (var q = 0u; q < 4u; q++) { left[(k * 4u + q) * (ROWS / 4u) + m] = block[q]; }
    }
    for (var i = thread; i < COLUMNS * DEPTH / 16u; i += THREADS) {
      let k = select(i / (COLUMNS / 4u), i % (DEPTH / 4u), p.step_b == 1u);
      let n = select(i % (COLUMNS / 4u), i / (DEPTH / 4u), p.step_b == 1u);
      let column = place(n * 4u, n0, OWN_COLUMNS, columns_c);
      let block = block_b(pair * p.stride_b + column.x * p.column_b + (k0 + k * 4u) * p.step_b, i32(column.y) - i32(column.x), i32(p.k) - i32(k0 + k * 4u));
      for (var q = 0u; q < 4u; q++) { right[(k * 4u + q) * (COLUMNS / 4u) + n] = block[q]; }
    }
    workgroupBarrier();
    for (var k = 0u; k < DEPTH; k++) {
      var columns: array<vec4f, PARTS_N>;
      for (var j = 0u; j < PARTS_N; j++) { columns[j] = right[k * (COLUMNS / 4u) + j * LANES_N + lane.x]; }
      for (var i = 0u; i < PARTS_M; i++) {
        let rows = left[k * (ROWS / 4u) + i * LANES_M + lane.y];
        for (var j = 0u; j < PARTS_N; j++) {
          sum[i * 4u][j] = fma(vec4f(rows.x), columns[j], sum[i * 4u][j]);
          sum[i * 4u + 1u][j] = fma(vec4f(rows.y), columns[j], sum[i * 4u + 1u][j]);
          sum[i * 4u + 2u][j] = fma(vec4f(rows.z), columns[j], sum[i * 4u + 2u][j]);
          sum[i * 4u + 3u][j] = fma(vec4f(rows.w), columns[j], sum[i * 4u + 3u][j]);
        }
      }
    }
    workgroupBarrier();
  }

  for (var i = 0u; i < OWN_ROWS / LANES_M; i++) {
    let m = m0 + (i / 4u * LANES_M + lane.y) * 4u + i % 4u;
    for (var j = 0u; j < OWN_COLUMNS / LANES_N; j++) {
      let n = n0 + (j / 4u * LANES_N + lane.x) * 4u + j % 4u;
      if (m < rows_c && n < columns_c) {
        let at = (result * rows_c + m) * columns_c + n;
        var value = sum[i][j / 4u][j % 4u];
        if (GATED == 1) { value = silu(value) * sum[i][PARTS_N / 2u + j / 4u][j % 4u]; }
        if (GATED == 2) { value = silu(value) * sum[PARTS_M * 2u + i][j / 4u][j % 4u]; }
        if (p.accumulate != 0u) { value += c[at]; }
        c[at] = value;
      }
    }
  }
}

fn silu(x: f32) -> f32 { return x / (1.0 + exp(-x)); }
