// c[m, n] = Σ_k a(m, k) · b(k, n) as matmul_vec4.wgsl, for lavapipe, where a load costs far more than arithmetic: one subgroup is a workgroup.
// Each of its LANES threads loads another row of a; subgroupShuffle hands every row to all of them. So a step of k takes
// TILE_M / LANES + TILE_N loads for TILE_M · TILE_N multiply-adds, instead of TILE_M + TILE_N.
// The workgroup must be exactly one subgroup: only for adapters whose subgroups all have LANES threads.
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
@group(0) @binding(3) var<uniform> p: Uniforms;

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(subgroup_invocation_id) lane: u32) {
  let tiles_n = (p.n + LANES * TILE_N - 1u) / (LANES * TILE_N);
  let tiles_m = (p.m + TILE_M - 1u) / TILE_M;
  let tile = group.x + group.y * groups.x;
  let batch = tile / (tiles_n * tiles_m);
  if (batch >= p.batch) { return; }
  let m0 = (tile / tiles_n) % tiles_m * TILE_M;
  let n0 = tile % tiles_n * LANES * TILE_N + lane;

  var at_a: array<u32, TILE_M / LANES>;
  for (var q = 0u; q < TILE_M / LANES; q++) { at_a[q] = batch * p.reduce * p.stride_a + min(m0 + q * LANES + lane, p.m - 1u) * p.row_a; }
  var at_b: array<u32, TILE_N>;
  for (var j = 0u; j < TILE_N; j++) { at_b[j] = batch * p.reduce * p.stride_b + min(n0 + j * LANES, p.n - 1u) * p.column_b; }

  var sum: array<array<f32, TILE_N>, TILE_M>;
  for (var r = 0u; r < p.reduce; r++) {
    var from_a = r * p.stride_a;
    var from_b = r * p.stride_b;
    for (var k = 0u; k < p.k; k++) {
      var left: array<f32, TILE_M / LANES>;
      for (var q = 0u; q < TILE_M / LANES; q++) { left[q] = a[at_a[q] + from_a]; }
      var right: array<f32, TILE_N>;
      for (var j = 0u; j < TILE_N; j++) { right[j] = b[at_b[j] + from_b]; }
      for (var i = 0u; i < TILE_M; i++) {
        let row = subgroupShuffle(left[i / LANES], i % LANES);
        for (var j = 0u; j < TILE_N; j++) { sum[i][j] = fma(row, right[j], sum[i][j]); }
      }
      from_a += p.step_a;
      from_b += p.step_b;
    }
  }

  // Rolled, as its bounds are no constants: stores that are written out take the compiler most of its time.
  for (var i = 0u; m0 + i < min(m0 + TILE_M, p.m); i++) {
    for (var j = 0u; n0 + j * LANES < min(n0 + LANES * TILE_N, p.n); j++) {
      let at = (batch * p.m + m0 + i) * p.n + n0 + j * LANES;
      var v = sum[i][j];
      if (p.accumulate != 0u) { v += c[at]; }
      c[at] = v;
    }
  }
}
