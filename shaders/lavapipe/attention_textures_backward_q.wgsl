// p = exp(score − lse),  ds = p · (d_o · vᵀ − δ) / √HEAD_DIM,  dq = ds · k. δ comes from attention_delta.wgsl.
// This is attention_backward_q.wgsl in the manner of attention_textures.wgsl.
// A subgroup computes 16 queries of a head: p and ds with four keys a lane, then dq with four columns a lane.
#import attention_textures_backward.shared.wgsl
@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(subgroup_invocation_id) lane: u32) {
  let tile = group.x + group.y * groups.x;
  if (tile >= u.groups) { return; }
  let query0 = tile % u.tiles * TILE;
  let head = tile / u.tiles % u.heads;
  let batch = tile / u.tiles / u.heads;
  let width = u.heads * HEAD_DIM;
  let row = 3u * width;
  let origin = batch * u.length * row + head * HEAD_DIM;
  let origin_o = batch * u.length * width + head * HEAD_DIM;
  let scale = inverseSqrt(f32(HEAD_DIM));

  // Of each query; all lanes have the same values.
  var query_lse: array<f32, TILE>;
  var query_delta: array<f32, TILE>;
  // Loops over rows with loads from buffers, or stores to them, are not unrolled, because their bound is not constant.
  // Unrolled they would take most of the time of compilation.
  let rows = min(TILE, u.length - query0);
  for (var i = 0u; i < rows; i++) {
    let query = (batch * u.heads + head) * u.length + query0 + i;
    query_lse[i] = lse[query];
    query_delta[i] = delta[query];
  }
  var sum: array<vec4f, TILE>;
  var sum_high: array<vec4f, TILE>; // columns from 32 on

  for (var key0 = 0u; key0 < u.length; key0 += 32u) {
    let keys = vec4u(key0 + lane * 4u) + vec4u(0, 1, 2, 3);
    let clamped = min(keys, vec4u(u.length - 1u));
    let at_k = origin + width + clamped * row;
    var score: array<vec4f, TILE>;
    var ds: array<vec4f, TILE>;
    var q_next: array<vec4f, GROUPS>;
    var k_next: mat4x4f;
    // Set to zero here, because lavapipe zeroes a variable that is declared in a loop only in the first round.
    @diagnostic(off, trm.unroll) for (var i = 0u; i < TILE; i++) { score[i] = vec4f(); ds[i] = vec4f(); }
    for (var step = 0u; step < u.columns / 4u; step++) {
      var q: array<vec4f, GROUPS>;
      var k: mat4x4f;
      load_step(&q, &q_next, &k, &k_next, step, origin, query0, at_k, clamped, lane);
      let d = column_of(step);
      var d_o_rows: array<vec4f, GROUPS>;
      @diagnostic(off, trm.unroll) for (var i = 0u; i < GROUPS; i++) {
        d_o_rows[i] = load_o(origin_o + min(query0 + i * 8u + lane, u.length - 1u) * width + d);
      }
      let v = transpose(mat4x4f(
        load(at_k.x + width + d),
        load(at_k.y + width + d),
        load(at_k.z + width + d),
        load(at_k.w + width + d)
      ));
      add_products(&score, &q, k);
      add_products(&ds, &d_o_rows, v);
    }
    @diagnostic(off, trm.unroll) for (var i = 0u; i < TILE; i++) {
      score[i] = select(vec4f(), exp(score[i] * scale - query_lse[i]), keys < vec4u(u.length));
      ds[i] = score[i] * (ds[i] - query_delta[i]) * scale;
    }
    for (var source = 0u; source < 8u; source++) {
      var k: array<vec4f, 4>;
      var k_high: array<vec4f, 4>;
      @diagnostic(off, trm.unroll) for (var c = 0u; c < 4; c++) {
        let key = min(key0 + source * 4u + c, u.length - 1u);
        let both = load_columns(origin + width + key * row, key, lane);
        k[c] = both[0];
        k_high[c] = both[1];
      }
      add_weighted(&sum, &ds, source, &k);
      if (HEAD_DIM > 32) { add_weighted(&sum_high, &ds, source, &k_high); }
    }
  }

  for (var i = 0u; i < rows; i++) {
    let at = origin + (query0 + i) * row;
    let both = rotate_back(sum[i], sum_high[i], query0 + i, lane);
    if (lane * 4u < HEAD_DIM) { store(at + lane * 4u, both[0]); }
    if (HEAD_DIM > 32 && 32u + lane * 4u < HEAD_DIM) { store(at + 32u + lane * 4u, both[1]); }
  }
}
