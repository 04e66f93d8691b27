// As attention.wgsl, for adapters where a load costs far more than arithmetic; the idea is that of matmul_subgroup.wgsl.
// One subgroup of LANES threads is a workgroup and computes TILE queries of a head: scores with a lane per key, KEYS · LANES keys at a time,
// then o += weights · v with a lane per column, the weights handed round by subgroupShuffle.
// Only for adapters with dear loads: not in the package for browsers.
enable subgroups;

struct Parameters { length: u32, heads: u32, tiles: u32, groups: u32 }

const LANES = 8;
const TILE = 16;
const KEYS = 2;
const HEAD_DIM = 16;
const PARTS = 2; // ceil(HEAD_DIM / LANES)

@group(0) @binding(0) var<storage, read> qkv: array<f32>;
@group(0) @binding(1) var<storage, read_write> o: array<f32>;
@group(0) @binding(2) var<storage, read_write> lse: array<f32>;
@group(0) @binding(3) var<uniform> p: Parameters;

const LOWEST = -3.4e38;

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(subgroup_invocation_id) lane: u32) {
  let tile = group.x + group.y * groups.x;
  if (tile >= p.groups) { return; }
  let query0 = tile % p.tiles * TILE;
  let head = tile / p.tiles % p.heads;
  let batch = tile / p.tiles / p.heads;
  let width = p.heads * HEAD_DIM;
  let row = 3u * width;
  let origin = batch * p.length * row + head * HEAD_DIM;

  var at_q: array<u32, TILE / LANES>;
  for (var i = 0u; i < TILE / LANES; i++) { at_q[i] = origin + min(query0 + i * LANES + lane, p.length - 1u) * row; }
  var sum: array<array<f32, PARTS>, TILE>;
  var most: array<f32, TILE>;
  var total: array<f32, TILE>; // of this lane's keys
  for (var i = 0u; i < TILE; i++) { most[i] = LOWEST; }

  for (var key0 = 0u; key0 < p.length; key0 += LANES * KEYS) {
    var at_k: array<u32, KEYS>;
    for (var j = 0u; j < KEYS; j++) { at_k[j] = origin + width + min(key0 + j * LANES + lane, p.length - 1u) * row; }
    var weight: array<array<f32, KEYS>, TILE>;
    // Explicitly: lavapipe does not zero a variable that is declared in a loop again in the next round.
    for (var i = 0u; i < TILE; i++) {
      for (var j = 0u; j < KEYS; j++) {
        weight[i][j] = 0.0;
      }
    }
    for (var d = 0u; d < HEAD_DIM; d++) {
      var q: array<f32, TILE / LANES>;
      for (var i = 0u; i < TILE / LANES; i++) { q[i] = qkv[at_q[i] + d]; }
      var k: array<f32, KEYS>;
      for (var j = 0u; j < KEYS; j++) { k[j] = qkv[at_k[j] + d]; }
      for (var i = 0u; i < TILE; i++) {
        let value = subgroupShuffle(q[i / LANES], i % LANES);
        for (var j = 0u; j < KEYS; j++) { weight[i][j] = fma(value, k[j], weight[i][j]); }
      }
    }
    for (var i = 0u; i < TILE; i++) {
      var top = most[i];
      for (var j = 0u; j < KEYS; j++) {
        weight[i][j] = select(LOWEST, weight[i][j] * inverseSqrt(f32(HEAD_DIM)), key0 + j * LANES + lane < p.length);
        top = max(top, weight[i][j]);
      }
      top = subgroupMax(top);
      let shrink = exp(most[i] - top);
      most[i] = top;
      total[i] *= shrink;
      for (var j = 0u; j < KEYS; j++) {
        weight[i][j] = exp(weight[i][j] - top);
        total[i] += weight[i][j];
      }
      for (var d = 0u; d < PARTS; d++) { sum[i][d] *= shrink; }
    }
    for (var j = 0u; j < KEYS; j++) {
      for (var l = 0u; l < LANES; l++) {
        let at_v = origin + 2u * width + min(key0 + j * LANES + l, p.length - 1u) * row;
        var v: array<f32, PARTS>;
        for (var d = 0u; d < PARTS; d++) { v[d] = qkv[at_v + min(d * LANES + lane, HEAD_DIM - 1u)]; }
        for (var i = 0u; i < TILE; i++) {
          let value = subgroupShuffle(weight[i][j], l);
          for (var d = 0u; d < PARTS; d++) { sum[i][d] = fma(value, v[d], sum[i][d]); }
        }
      }
    }
  }

  for (var i = 0u; i < TILE; i++) {
    let all = subgroupAdd(total[i]);
    let query = query0 + i;
    if (query < p.length) {
      for (var d = 0u; d < PARTS; d++) {
        if (d * LANES + lane < HEAD_DIM) { o[(batch * p.length + query) * width + head * HEAD_DIM + d * LANES + lane] = sum[i][d] / all; }
      }
      if (lane == 0u) { lse[(batch * p.heads + head) * p.length + query] = most[i] + log(all); }
    }
  }
}
