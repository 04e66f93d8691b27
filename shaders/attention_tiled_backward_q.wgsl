// p = exp(score − lse),  ds = p · (d_o · vᵀ − δ) / √HEAD_DIM,  dq = ds · k. δ comes from attention_delta.wgsl.
// A workgroup owns 32 queries of a head and walks over 32 keys at a time.
#import attention_tiled_backward.shared.wgsl
@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) index: u32) {
  let tile = group.x + group.y * groups.x;
  if (tile >= u.groups) { return; }
  let query0 = begin(tile, index);
  let scale = inverseSqrt(f32(HEAD_DIM));
  let queries = queries_at(vec4u(query0 + thread / 8u * 4u) + vec4u(0, 1, 2, 3));
  let query_lse = lse_of(queries);
  let query_delta = delta_of(queries);

  var sum: array<mat4x4f, OWN_BLOCKS>;
  for (var key0 = 0u; key0 < u.length; key0 += TILE) {
    let score = product(Q, query0, K, key0);
    var ds = product(D_O, query0, V, key0);
    let inside = vec4u(key0 + thread % 8u) + vec4u(0, 8, 16, 24) < vec4u(u.length);
    @diagnostic(off, trm.unroll) for (var i = 0u; i < 4u; i++) {
      ds[i] = select(vec4f(), exp(score[i] * scale - query_lse[i]) * (ds[i] - query_delta[i]) * scale, inside);
    }
    add_weighted(&sum, ds, K, key0);
  }
  store_rows(&sum, Q, query0);
}
