// dv = Σ_query p · d_o,  dk = Σ_query ds · q, as attention_backward_kv.wgsl, in the manner of attention_subgroup.wgsl.
// One subgroup computes TILE keys of a head: a lane per query for p and ds, then a lane per column for dk and dv.
// Only for adapters with dear loads: not in the package for browsers.
enable subgroups;

struct Parameters { length: u32, heads: u32, tiles: u32, groups: u32 }

const LANES = 8;
const TILE = 8;
const KEYS = 2; // here: vectors of queries
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
  let key0 = tile % p.tiles * TILE;
  let head = tile / p.tiles % p.heads;
  let batch = tile / p.tiles / p.heads;
  let width = p.heads * HEAD_DIM;
  let row = 3u * width;
  let origin = batch * p.length * row + head * HEAD_DIM;
  let origin_o = batch * p.length * width + head * HEAD_DIM;
  let line = (batch * p.heads + head) * p.length;
  let root = inverseSqrt(f32(HEAD_DIM));

  var at_k: array<u32, TILE / LANES>;
  for (var i = 0u; i < TILE / LANES; i++) { at_k[i] = origin + width + min(key0 + i * LANES + lane, p.length - 1u) * row; }
  var sum_k: array<array<f32, PARTS>, TILE>;
  var sum_v: array<array<f32, PARTS>, TILE>;

  for (var query0 = 0u; query0 < p.length; query0 += LANES * KEYS) {
    var query: array<u32, KEYS>;
    for (var j = 0u; j < KEYS; j++) { query[j] = min(query0 + j * LANES + lane, p.length - 1u); }
    var weight: array<array<f32, KEYS>, TILE>;
    var ds: array<array<f32, KEYS>, TILE>;
    // Explicitly: lavapipe does not zero a variable that is declared in a loop again in the next round.
    for (var i = 0u; i < TILE; i++) {
      for (var j = 0u; j < KEYS; j++) {
        weight[i][j] = 0.0;
        ds[i][j] = 0.0;
      }
    }
    for (var d = 0u; d < HEAD_DIM; d++) {
      var k: array<f32, TILE / LANES>;
      var v: array<f32, TILE / LANES>;
      for (var i = 0u; i < TILE / LANES; i++) {
        k[i] = qkv[at_k[i] + d];
        v[i] = qkv[at_k[i] + width + d];
      }
      var q: array<f32, KEYS>;
      var g: array<f32, KEYS>;
      for (var j = 0u; j < KEYS; j++) {
        q[j] = qkv[origin + query[j] * row + d];
        g[j] = d_o[origin_o + query[j] * width + d];
      }
      for (var i = 0u; i < TILE; i++) {
        let key = subgroupShuffle(k[i / LANES], i % LANES);
        let value = subgroupShuffle(v[i / LANES], i % LANES);
        for (var j = 0u; j < KEYS; j++) {
          weight[i][j] = fma(key, q[j], weight[i][j]);
          ds[i][j] = fma(value, g[j], ds[i][j]);
        }
      }
    }
    for (var j = 0u; j < KEYS; j++) {
      let high = lse[line + query[j]];
      let mean = delta[line + query[j]];
      for (var i = 0u; i < TILE; i++) {
        weight[i][j] = select(0.0, exp(weight[i][j] * root - high), query0 + j * LANES + lane < p.length);
        ds[i][j] = weight[i][j] * (ds[i][j] - mean) * root;
      }
    }
    for (var j = 0u; j < KEYS; j++) {
      for (var l = 0u; l < LANES; l++) {
        let from_query = min(query0 + j * LANES + l, p.length - 1u);
        var q: array<f32, PARTS>;
        var g: array<f32, PARTS>;
        for (var d = 0u; d < PARTS; d++) {
          let column = min(d * LANES + lane, HEAD_DIM - 1u);
          q[d] = qkv[origin + from_query * row + column];
          g[d] = d_o[origin_o + from_query * width + column];
        }
        for (var i = 0u; i < TILE; i++) {
          let by_q = subgroupShuffle(ds[i][j], l);
          let by_o = subgroupShuffle(weight[i][j], l);
          for (var d = 0u; d < PARTS; d++) {
            sum_k[i][d] = fma(by_q, q[d], sum_k[i][d]);
            sum_v[i][d] = fma(by_o, g[d], sum_v[i][d]);
          }
        }
      }
    }
  }

  for (var i = 0u; i < TILE; i++) {
    for (var d = 0u; d < PARTS; d++) {
      if (key0 + i < p.length && d * LANES + lane < HEAD_DIM) {
        let at = origin + (key0 + i) * row + width + d * LANES + lane;
        d_qkv[at] = sum_k[i][d];
        d_qkv[at + width] = sum_v[i][d];
      }
    }
  }
}
