// o = softmax(q · kᵀ / √HEAD_DIM) · v, as attention.wgsl, for GPUs: 32 queries of a head a workgroup, 32 keys at a time,
// with a running maximum and sum of each query.
#import attention_tiled.shared.wgsl
@group(0) @binding(2) var<storage, read_write> o: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> lse: array<f32>;
@group(0) @binding(4) var<uniform> p: Uniforms;

const LOWEST = -3.4e38;

// Of each thread, for its queries.
var<workgroup> parts: array<vec4f, 64>;

fn gradient(at: u32) -> vec4f { return vec4f(); } // none here

fn store(rows: u32, row: u32, block: u32, value: vec4f) { o[(row * p.heads + head) * BLOCKS + block] = value; }

fn largest(x: vec4f) -> f32 { return max(max(x.x, x.y), max(x.z, x.w)); }

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) index: u32) {
  let tile = group.x + group.y * groups.x;
  if (tile >= p.groups) { return; }
  thread = index;
  head = tile / p.tiles % p.heads;
  batch = tile / p.tiles / p.heads;
  let query0 = tile % p.tiles * TILE;

  var sum: array<mat4x4f, PARTS>;
  var most = vec4f(LOWEST);
  var total: vec4f; // of the thread's keys
  for (var key0 = 0u; key0 < p.length; key0 += TILE) {
    var score = product(Q, query0, K, key0) * inverseSqrt(f32(HEAD_DIM));
    let there = vec4u(key0 + thread % 8u) + vec4u(0, 8, 16, 24) < vec4u(p.length);
    @diagnostic(off, trm.unroll) for (var i = 0u; i < 4u; i++) { score[i] = select(vec4f(LOWEST), score[i], there); }
    parts[thread] = vec4f(largest(score[0]), largest(score[1]), largest(score[2]), largest(score[3]));
    workgroupBarrier();
    var top = most;
    for (var x = 0u; x < 8u; x++) { top = max(top, parts[thread / 8u * 8u + x]); }
    let shrink = exp(most - top);
    most = top;
    @diagnostic(off, trm.unroll) for (var i = 0u; i < 4u; i++) { score[i] = exp(score[i] - top[i]); }
    total = total * shrink + vec4f(1.0) * score;
    @diagnostic(off, trm.unroll) for (var c = 0u; c < PARTS; c++) { @diagnostic(off, trm.unroll) for (var i = 0u; i < 4u; i++) { sum[c][i] *= shrink[i]; } }
    add_weighted(&sum, score, V, key0);
  }

  parts[thread] = total;
  workgroupBarrier();
  var all: vec4f;
  for (var x = 0u; x < 8u; x++) { all += parts[thread / 8u * 8u + x]; }
  @diagnostic(off, trm.unroll) for (var c = 0u; c < PARTS; c++) { @diagnostic(off, trm.unroll) for (var i = 0u; i < 4u; i++) { sum[c][i] /= all[i]; } }
  store_rows(&sum, V, query0);
  if (thread % 8u == 0u) {
    @diagnostic(off, trm.unroll) for (var i = 0u; i < 4u; i++) {
      let query = query0 + thread / 8u * 4u + i;
      if (query < p.length) { lse[(batch * p.heads + head) * p.length + query] = most[i] + log(all[i]); }
    }
  }
}
