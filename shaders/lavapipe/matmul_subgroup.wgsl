// c[m, n] = Σ_k a(m, k) · b(k, n) as in matmul_vec4.wgsl, for lavapipe, where a load costs far more than arithmetic.
// A workgroup is one subgroup. Each of its LANES threads loads a different row of a; subgroupShuffle gives it to all.
// A step of k thus takes TILE_M / LANES + TILE_N loads for TILE_M · TILE_N multiply-adds, instead of TILE_M + TILE_N.
// Only for adapters whose subgroups all have LANES threads.
enable subgroups;

struct Uniforms {
  m: u32, n: u32, k: u32, batch: u32, reduce: u32,
  row_a: u32, step_a: u32, stride_a: u32,
  column_b: u32, step_b: u32, stride_b: u32,
  accumulate: u32,
}

const LANES = 8;
const TILE_M = 16;
const TILE_N = 4;

@group(0) @binding(0) var<storage, read> a: array<f32>;
@group(0) @binding(1) var<storage, read> b: array<f32>;
@group(0) @binding(2) var<storage, read_write> c: array<f32>;
@group(0) @binding(3) var<uniform> u: Uniforms;

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(subgroup_invocation_id) lane: u32) {
  let tiles_n = (u.n + LANES * TILE_N - 1u) / (LANES * TILE_N);
  let tiles_m = (u.m + TILE_M - 1u) / TILE_M;
  let tile = group.x + group.y * groups.x;
  let batch = tile / (tiles_n * tiles_m);
  if (batch >= u.batch) { return; }
  let m0 = (tile / tiles_n) % tiles_m * TILE_M;
  let n0 = tile % tiles_n * LANES * TILE_N + lane;

  var at_a: array<u32, TILE_M / LANES>;
  for (var q = 0u; q < TILE_M / LANES; q++) {
    at_a[q] = batch * u.reduce * u.stride_a + min(m0 + q * LANES + lane, u.m - 1u) * u.row_a;
  }
  var at_b: array<u32, TILE_N>;
  for (var j = 0u; j < TILE_N; j++) {
    at_b[j] = batch * u.reduce * u.stride_b + min(n0 + j * LANES, u.n - 1u) * u.column_b;
  }

  var sum: array<array<f32, TILE_N>, TILE_M>;
  for (var r = 0u; r < u.reduce; r++) {
    var from_a = r * u.stride_a;
    var from_b = r * u.stride_b;
    for (var k = 0u; k < u.k; k++) {
      var left: array<f32, TILE_M / LANES>;
      for (var q = 0u; q < TILE_M / LANES; q++) { left[q] = a[at_a[q] + from_a]; }
      var right: array<f32, TILE_N>;
      for (var j = 0u; j < TILE_N; j++) { right[j] = b[at_b[j] + from_b]; }
      for (var i = 0u; i < TILE_M; i++) {
        let row = subgroupShuffle(left[i / LANES], i % LANES);
        for (var j = 0u; j < TILE_N; j++) { sum[i][j] = fma(row, right[j], sum[i][j]); }
      }
      from_a += u.step_a;
      from_b += u.step_b;
    }
  }

  // Not unrolled, because the bounds are not constant: unrolled stores would take most of the time of compilation.
  for (var i = 0u; m0 + i < min(m0 + TILE_M, u.m); i++) {
    for (var j = 0u; n0 + j * LANES < min(n0 + LANES * TILE_N, u.n); j++) {
      let at = (batch * u.m + m0 + i) * u.n + n0 + j * LANES;
      var v = sum[i][j];
      if (u.accumulate != 0u) { v += c[at]; }
      c[at] = v;
    }
  }
}
