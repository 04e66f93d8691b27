// dv = Σ_query p · d_o,  dk = Σ_query ds · q: attention_backward_kv.wgsl in the manner of attention_textures.wgsl.
// A subgroup computes 16 keys of a head: p and ds with four queries a lane, then dk and dv with four columns a lane.
#import attention_textures_backward.shared.wgsl
@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(subgroup_invocation_id) lane: u32) {
  let tile = group.x + group.y * groups.x;
  if (tile >= u.groups) { return; }
  let key0 = tile % u.tiles * TILE;
  let head = tile / u.tiles % u.heads;
  let batch = tile / u.tiles / u.heads;
  let width = u.heads * HEAD_DIM;
  let row = 3u * width;
  let origin = batch * u.length * row + head * HEAD_DIM;
  let origin_o = batch * u.length * width + head * HEAD_DIM;
  let stats_at = (batch * u.heads + head) * u.length;
  let scale = inverseSqrt(f32(HEAD_DIM));
  let column = min(lane * 4u, HEAD_DIM - 4u);

  var sum_k: array<vec4f, TILE>;
  var sum_v: array<vec4f, TILE>;
  var high_k: array<vec4f, TILE>; // columns from 32 on
  var high_v: array<vec4f, TILE>;

  for (var query0 = 0u; query0 < u.length; query0 += 32u) {
    let queries = vec4u(query0 + lane * 4u) + vec4u(0, 1, 2, 3);
    let clamped = min(queries, vec4u(u.length - 1u));
    let at_q = origin + clamped * row;
    let at_o = origin_o + clamped * width;
    var p: array<vec4f, TILE>;
    var ds: array<vec4f, TILE>;
    var k_next: array<vec4f, GROUPS>;
    var q_next: mat4x4f;
    // Set to zero here, because lavapipe zeroes a variable that is declared in a loop only in the first round.
    @diagnostic(off, trm.unroll) for (var i = 0u; i < TILE; i++) { p[i] = vec4f(); ds[i] = vec4f(); }
    for (var step = 0u; step < u.columns / 4u; step++) {
      var k: array<vec4f, GROUPS>;
      var q: mat4x4f;
      load_step(&k, &k_next, &q, &q_next, step, origin + width, key0, at_q, clamped, lane);
      let d = column_of(step);
      var v: array<vec4f, GROUPS>;
      @diagnostic(off, trm.unroll) for (var i = 0u; i < GROUPS; i++) {
        v[i] = load(origin + 2u * width + min(key0 + i * 8u + lane, u.length - 1u) * row + d);
      }
      let d_o_rows = transpose(mat4x4f(load_o(at_o.x + d), load_o(at_o.y + d), load_o(at_o.z + d), load_o(at_o.w + d)));
      add_products(&p, &k, q);
      add_products(&ds, &v, d_o_rows);
    }
    let query_lse = vec4f(
      lse[stats_at + clamped.x],
      lse[stats_at + clamped.y],
      lse[stats_at + clamped.z],
      lse[stats_at + clamped.w]
    );
    let query_delta = vec4f(
      delta[stats_at + clamped.x],
      delta[stats_at + clamped.y],
      delta[stats_at + clamped.z],
      delta[stats_at + clamped.w]
    );
    @diagnostic(off, trm.unroll) for (var i = 0u; i < TILE; i++) {
      p[i] = select(vec4f(), exp(p[i] * scale - query_lse), queries < vec4u(u.length));
      ds[i] = p[i] * (ds[i] - query_delta) * scale;
    }
    for (var source = 0u; source < 8u; source++) {
      var q: array<vec4f, 4>;
      var d_o_rows: array<vec4f, 4>;
      var q_high: array<vec4f, 4>;
      var d_o_high: array<vec4f, 4>;
      @diagnostic(off, trm.unroll) for (var c = 0u; c < 4; c++) {
        let query = min(query0 + source * 4u + c, u.length - 1u);
        let both = load_columns(origin + query * row, query, lane);
        q[c] = both[0];
        q_high[c] = both[1];
        d_o_rows[c] = load_o(origin_o + query * width + column);
        if (HEAD_DIM > 32) { d_o_high[c] = load_o(origin_o + query * width + min(32u + lane * 4u, HEAD_DIM - 4u)); }
      }
      add_weighted(&sum_k, &ds, source, &q);
      add_weighted(&sum_v, &p, source, &d_o_rows);
      if (HEAD_DIM > 32) {
        add_weighted(&high_k, &ds, source, &q_high);
        add_weighted(&high_v, &p, source, &d_o_high);
      }
    }
  }

  // Not unrolled, because its bound is not constant: unrolled stores would take most of the time of compilation.
  for (var i = 0u; key0 + i < min(key0 + TILE, u.length); i++) {
    let at = origin + (key0 + i) * row + width;
    let both = rotate_back(sum_k[i], high_k[i], key0 + i, lane);
    if (lane * 4u < HEAD_DIM) {
      store(at + lane * 4u, both[0]);
      store(at + width + lane * 4u, sum_v[i]);
    }
    if (HEAD_DIM > 32 && 32u + lane * 4u < HEAD_DIM) {
      store(at + 32u + lane * 4u, both[1]);
      store(at + width + 32u + lane * 4u, high_v[i]);
    }
  }
}
