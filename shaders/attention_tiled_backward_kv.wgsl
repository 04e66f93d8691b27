// dv = Σ_query p · d_o,  dk = Σ_query ds · q, with p and ds as in attention_tiled_backward_q.wgsl, for 32 keys of a head a workgroup.
#import attention_tiled_backward.shared.wgsl
@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) index: u32) {
  let tile = group.x + group.y * groups.x;
  if (tile >= p.groups) { return; }
  let key0 = begin(tile, index);
  let root = inverseSqrt(f32(HEAD_DIM));

  var sum_k: array<mat4x4f, PARTS>;
  var sum_v: array<mat4x4f, PARTS>;
  for (var query0 = 0u; query0 < p.length; query0 += TILE) {
    var weight = product(K, key0, Q, query0);
    var ds = product(V, key0, D_O, query0);
    let others = vec4u(query0 + thread % 8u) + vec4u(0, 8, 16, 24);
    let queries = queries_at(others);
    let most = lse_of(queries);
    let mean = delta_of(queries);
    let there = others < vec4u(p.length);
    @diagnostic(off, trm.unroll) for (var i = 0u; i < 4u; i++) {
      weight[i] = select(vec4f(), exp(weight[i] * root - most), there);
      ds[i] = weight[i] * (ds[i] - mean) * root;
    }
    add_weighted(&sum_v, weight, D_O, query0);
    add_weighted(&sum_k, ds, Q, query0);
  }
  store_rows(&sum_k, K, key0);
  store_rows(&sum_v, V, key0);
}
