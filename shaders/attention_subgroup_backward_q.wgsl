// p = exp(score − lse),  ds = p · (d_o · vᵀ − δ) / √HEAD_DIM,  dq = ds · k, as attention_backward_q.wgsl, in the manner of attention_subgroup.wgsl.
// One subgroup computes TILE queries of a head: a lane per key for p and ds, then a lane per column for dq. δ comes from attention_delta.wgsl.
// Only for adapters with dear loads: not in the package for browsers.
enable subgroups;

struct Parameters { length: u32, heads: u32, tiles: u32, groups: u32 }

const LANES = 8;
const TILE = 8;
const KEYS = 2;
const HEAD_DIM = 16;
const PARTS = 2; // ceil(HEAD_DIM / LANES)

@group(0) @binding(0) var<storage, read> qkv: array<f32>;
@group(0) @binding(1) var<storage, read> lse: array<f32>;
@group(0) @binding(2) var<storage, read> delta: array<f32>;
@group(0) @binding(3) var<storage, read> d_o: array<f32>;
@group(0) @binding(4) var<storage, read_write> d_qkv: array<f32>;
@group(0) @binding(5) var<uniform> p: Parameters;

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
  let root = inverseSqrt(f32(HEAD_DIM));

  var at_q: array<u32, TILE / LANES>;
  var at_o: array<u32, TILE / LANES>;
  var offset: array<f32, TILE / LANES>;
  var minus: array<f32, TILE / LANES>;
  for (var i = 0u; i < TILE / LANES; i++) {
    let query = min(query0 + i * LANES + lane, p.length - 1u);
    at_q[i] = origin + query * row;
    at_o[i] = (batch * p.length + query) * width + head * HEAD_DIM;
    offset[i] = lse[(batch * p.heads + head) * p.length + query];
    minus[i] = delta[(batch * p.heads + head) * p.length + query];
  }
  var sum: array<array<f32, PARTS>, TILE>;

  for (var key0 = 0u; key0 < p.length; key0 += LANES * KEYS) {
    var at_k: array<u32, KEYS>;
    for (var j = 0u; j < KEYS; j++) { at_k[j] = origin + width + min(key0 + j * LANES + lane, p.length - 1u) * row; }
    var score: array<array<f32, KEYS>, TILE>;
    var ds: array<array<f32, KEYS>, TILE>;
    // Explicitly: lavapipe does not zero a variable that is declared in a loop again in the next round.
    for (var i = 0u; i < TILE; i++) {
      for (var j = 0u; j < KEYS; j++) {
        score[i][j] = 0.0;
        ds[i][j] = 0.0;
      }
    }
    for (var d = 0u; d < HEAD_DIM; d++) {
      var q: array<f32, TILE / LANES>;
      var g: array<f32, TILE / LANES>;
      for (var i = 0u; i < TILE / LANES; i++) {
        q[i] = qkv[at_q[i] + d];
        g[i] = d_o[at_o[i] + d];
      }
      var k: array<f32, KEYS>;
      var v: array<f32, KEYS>;
      for (var j = 0u; j < KEYS; j++) {
        k[j] = qkv[at_k[j] + d];
        v[j] = qkv[at_k[j] + width + d];
      }
      for (var i = 0u; i < TILE; i++) {
        let query = subgroupShuffle(q[i / LANES], i % LANES);
        let gradient = subgroupShuffle(g[i / LANES], i % LANES);
        for (var j = 0u; j < KEYS; j++) {
          score[i][j] = fma(query, k[j], score[i][j]);
          ds[i][j] = fma(gradient, v[j], ds[i][j]);
        }
      }
    }
    for (var i = 0u; i < TILE; i++) {
      let high = subgroupShuffle(offset[i / LANES], i % LANES);
      let mean = subgroupShuffle(minus[i / LANES], i % LANES);
      for (var j = 0u; j < KEYS; j++) {
        let weight = exp(score[i][j] * root - high) * (ds[i][j] - mean) * root;
        ds[i][j] = select(0.0, weight, key0 + j * LANES + lane < p.length);
      }
    }
    for (var j = 0u; j < KEYS; j++) {
      for (var l = 0u; l < LANES; l++) {
        let from_k = origin + width + min(key0 + j * LANES + l, p.length - 1u) * row;
        var k: array<f32, PARTS>;
        for (var d = 0u; d < PARTS; d++) { k[d] = qkv[from_k + min(d * LANES + lane, HEAD_DIM - 1u)]; }
        for (var i = 0u; i < TILE; i++) {
          let value = subgroupShuffle(ds[i][j], l);
          for (var d = 0u; d < PARTS; d++) { sum[i][d] = fma(value, k[d], sum[i][d]); }
        }
      }
    }
  }

  for (var i = 0u; i < TILE; i++) {
    for (var d = 0u; d < PARTS; d++) {
      if (query0 + i < p.length && d * LANES + lane < HEAD_DIM) { d_qkv[origin + (query0 + i) * row + d * LANES + lane] = sum[i][d]; }
    }
  }
}
