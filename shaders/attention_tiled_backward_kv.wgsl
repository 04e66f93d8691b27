// dv = Σ_query p · d_o,  dk = Σ_query ds · q, with p and ds as in attention_tiled_backward_q.wgsl.
// A workgroup owns 32 keys of a head and walks over 32 queries at a time.
#import attention_tiled_backward.shared.wgsl
@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) index: u32) {
  let tile = group.x + group.y * groups.x;
  if (tile >= u.groups) { return; }
  let key0 = begin(tile, index);
  let scale = inverseSqrt(f32(HEAD_DIM));

  var sum_k: array<mat4x4f, OWN_BLOCKS>;
  var sum_v: array<mat4x4f, OWN_BLOCKS>;
  for (var query0 = 0u; query0 < u.length; query0 += TILE) {
    var p = product(K, key0, Q, query0);
    var ds = product(V, key0, D_O, query0);
    let positions = vec4u(query0 + thread % 8u) + vec4u(0, 8, 16, 24);
    let queries = queries_at(positions);
    let query_lse = lse_of(queries);
    let query_delta = delta_of(queries);
    let inside = positions < vec4u(u.length);
    @diagnostic(off, trm.unroll) for (var i = 0u; i < 4u; i++) {
      p[i] = select(vec4f(), exp(p[i] * scale - query_lse), inside);
      ds[i] = p[i] * (ds[i] - query_delta) * scale;
    }
    add_weighted(&sum_v, p, D_O, query0);
    add_weighted(&sum_k, ds, Q, query0);
  }
  store_rows(&sum_k, K, key0);
  store_rows(&sum_v, V, key0);
}
