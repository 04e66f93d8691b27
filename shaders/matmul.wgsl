// c[m, n] = Σ_k a(m, k) · b(k, n), for each of p.batch pairs of matrices; with p.reduce > 1 each result sums that many pairs.
// A thread owns TILE_M rows × TILE_N columns in registers; its columns lie LANES_N apart, so neighbouring threads read neighbouring columns.
// a(m, k) = a[m · row_a + k · step_a], b(k, n) = b[n · column_b + k · step_b]: any operand may be transposed.
// Runs everywhere; not in the package for browsers, where matmul_vec4.wgsl and kernels for GPUs do what is left for it.
struct Parameters {
  m: u32, n: u32, k: u32, batch: u32, reduce: u32,
  row_a: u32, step_a: u32, stride_a: u32,
  column_b: u32, step_b: u32, stride_b: u32,
  accumulate: u32,
}

override LANES_N: u32;
override LANES_M: u32;

const TILE_M = 8;
const TILE_N = 4;

@group(0) @binding(0) var<storage, read> a: array<f32>;
@group(0) @binding(1) var<storage, read> b: array<f32>;
@group(0) @binding(2) var<storage, read_write> c: array<f32>;
@group(0) @binding(3) var<uniform> p: Parameters;

@compute @workgroup_size(LANES_N, LANES_M)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_id) lane: vec3u) {
  let tiles_n = (p.n + LANES_N * TILE_N - 1u) / (LANES_N * TILE_N);
  let tiles_m = (p.m + LANES_M * TILE_M - 1u) / (LANES_M * TILE_M);
  let tile = group.x + group.y * groups.x;
  let batch = tile / (tiles_n * tiles_m);
  if (batch >= p.batch) { return; }
  let m0 = ((tile / tiles_n) % tiles_m * LANES_M + lane.y) * TILE_M;
  let n0 = tile % tiles_n * LANES_N * TILE_N + lane.x;

  var at_a: array<u32, TILE_M>;
  for (var i = 0u; i < TILE_M; i++) { at_a[i] = batch * p.reduce * p.stride_a + min(m0 + i, p.m - 1u) * p.row_a; }
  var at_b: array<u32, TILE_N>;
  for (var j = 0u; j < TILE_N; j++) { at_b[j] = batch * p.reduce * p.stride_b + min(n0 + j * LANES_N, p.n - 1u) * p.column_b; }

  var sum: array<array<f32, TILE_N>, TILE_M>;
  for (var r = 0u; r < p.reduce; r++) {
    var from_a = r * p.stride_a;
    var from_b = r * p.stride_b;
    for (var k = 0u; k < p.k; k++) {
      var right: array<f32, TILE_N>;
      for (var j = 0u; j < TILE_N; j++) { right[j] = b[at_b[j] + from_b]; }
      for (var i = 0u; i < TILE_M; i++) {
        let left = a[at_a[i] + from_a];
        for (var j = 0u; j < TILE_N; j++) { sum[i][j] = fma(left, right[j], sum[i][j]); }
      }
      from_a += p.step_a;
      from_b += p.step_b;
    }
  }

  for (var i = 0u; i < TILE_M; i++) {
    for (var j = 0u; j < TILE_N; j++) {
      let m = m0 + i;
      let n = n0 + j * LANES_N;
      if (m < p.m && n < p.n) {
        let at = (batch * p.m + m) * p.n + n;
        if (p.accumulate != 0u) { sum[i][j] += c[at]; }
        c[at] = sum[i][j];
      }
    }
  }
}
