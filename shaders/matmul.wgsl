// c[m, n] = Σ_k a(m, k) · b(k, n), for each of BATCH pairs of matrices; with REDUCE > 1 each result sums that many pairs.
// A thread owns TILE_M rows × TILE_N columns in registers; its columns lie LANES_N apart, so neighbouring threads read neighbouring columns.
// a(m, k) = a[m·K + k], or a[k·M + m] with TRANSPOSE_A; b(k, n) = b[k·N + n], or b[n·K + k] with TRANSPOSE_B.
override LANES_N: u32;
override LANES_M: u32;
override M: u32;
override N: u32;
override K: u32;
override BATCH: u32;
override REDUCE: u32;
override STRIDE_A: u32;
override STRIDE_B: u32;
override TRANSPOSE_A: bool;
override TRANSPOSE_B: bool;
override ACCUMULATE: bool;

const TILE_M = 8;
const TILE_N = 4;

@group(0) @binding(0) var<storage, read> a: array<f32>;
@group(0) @binding(1) var<storage, read> b: array<f32>;
@group(0) @binding(2) var<storage, read_write> c: array<f32>;

@compute @workgroup_size(LANES_N, LANES_M)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_id) lane: vec3u) {
  let tiles_n = (N + LANES_N * TILE_N - 1u) / (LANES_N * TILE_N);
  let tiles_m = (M + LANES_M * TILE_M - 1u) / (LANES_M * TILE_M);
  let tile = group.x + group.y * groups.x;
  let batch = tile / (tiles_n * tiles_m);
  if (batch >= BATCH) { return; }
  let m0 = ((tile / tiles_n) % tiles_m * LANES_M + lane.y) * TILE_M;
  let n0 = tile % tiles_n * LANES_N * TILE_N + lane.x;

  let step_a = select(1u, M, TRANSPOSE_A);
  let step_b = select(N, 1u, TRANSPOSE_B);
  var at_a: array<u32, TILE_M>;
  for (var i = 0u; i < TILE_M; i++) { at_a[i] = batch * REDUCE * STRIDE_A + min(m0 + i, M - 1u) * select(K, 1u, TRANSPOSE_A); }
  var at_b: array<u32, TILE_N>;
  for (var j = 0u; j < TILE_N; j++) { at_b[j] = batch * REDUCE * STRIDE_B + min(n0 + j * LANES_N, N - 1u) * select(1u, K, TRANSPOSE_B); }

  var sum: array<array<f32, TILE_N>, TILE_M>;
  for (var r = 0u; r < REDUCE; r++) {
    var ka = r * STRIDE_A;
    var kb = r * STRIDE_B;
    for (var k = 0u; k < K; k++) {
      var right: array<f32, TILE_N>;
      for (var j = 0u; j < TILE_N; j++) { right[j] = b[at_b[j] + kb]; }
      for (var i = 0u; i < TILE_M; i++) {
        let left = a[at_a[i] + ka];
        for (var j = 0u; j < TILE_N; j++) { sum[i][j] = fma(left, right[j], sum[i][j]); }
      }
      ka += step_a;
      kb += step_b;
    }
  }

  for (var i = 0u; i < TILE_M; i++) {
    for (var j = 0u; j < TILE_N; j++) {
      let m = m0 + i;
      let n = n0 + j * LANES_N;
      if (m < M && n < N) {
        let at = (batch * M + m) * N + n;
        c[at] = select(sum[i][j], sum[i][j] + c[at], ACCUMULATE);
      }
    }
  }
}
