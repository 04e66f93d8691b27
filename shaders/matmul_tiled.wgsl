// As matmul.wgsl, for GPUs, with matmul_tile_loads.wgsl in front: a workgroup keeps tiles of a and b in workgroup memory, DEPTH of k at a time;
// a thread owns PARTS_M × PARTS_N blocks of 4 × 4 results. Tiles are loaded in blocks of 4 × 4; what lies outside of a matrix is 0.
const LANES_M = 16;
const LANES_N = 16;
const PARTS_M = 1;
const PARTS_N = 1;

const DEPTH = 16u;
const ROWS = LANES_M * PARTS_M * 4u;
const COLUMNS = LANES_N * PARTS_N * 4u;
const THREADS = LANES_M * LANES_N;

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

@compute @workgroup_size(LANES_N, LANES_M)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_id) lane: vec3u, @builtin(local_invocation_index) thread: u32) {
  let tiles_n = (p.n + COLUMNS - 1u) / COLUMNS;
  let tiles_m = (p.m + ROWS - 1u) / ROWS;
  let tile = group.x + group.y * groups.x;
  let result = tile / (tiles_n * tiles_m); // split · batch + batch
  if (result >= p.splits * p.batch) { return; }
  let m0 = tile / tiles_n % tiles_m * ROWS;
  let n0 = tile % tiles_n * COLUMNS;
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
      let block = block_a(pair * p.stride_a + (m0 + m * 4u) * p.row_a + (k0 + k * 4u) * p.step_a, i32(p.m) - i32(m0 + m * 4u), i32(p.k) - i32(k0 + k * 4u));
      for (var q = 0u; q < 4u; q++) { left[(k * 4u + q) * (ROWS / 4u) + m] = block[q]; }
    }
    for (var i = thread; i < COLUMNS * DEPTH / 16u; i += THREADS) {
      let k = select(i / (COLUMNS / 4u), i % (DEPTH / 4u), p.step_b == 1u);
      let n = select(i % (COLUMNS / 4u), i / (DEPTH / 4u), p.step_b == 1u);
      let block = block_b(pair * p.stride_b + (n0 + n * 4u) * p.column_b + (k0 + k * 4u) * p.step_b, i32(p.n) - i32(n0 + n * 4u), i32(p.k) - i32(k0 + k * 4u));
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

  for (var i = 0u; i < PARTS_M * 4u; i++) {
    let m = m0 + (i / 4u * LANES_M + lane.y) * 4u + i % 4u;
    for (var j = 0u; j < PARTS_N * 4u; j++) {
      let n = n0 + (j / 4u * LANES_N + lane.x) * 4u + j % 4u;
      if (m < p.m && n < p.n) {
        let at = (result * p.m + m) * p.n + n;
        var value = sum[i][j / 4u][j % 4u];
        if (p.accumulate != 0u) { value += c[at]; }
        c[at] = value;
      }
    }
  }
}
