// dv = Σ_query p · d_o,  dk = Σ_query ds · q, as attention_backward_kv.wgsl, in the manner of attention_textures.wgsl.
// One subgroup computes 16 keys of a head: four queries a lane for p and ds, then four columns a lane for dk and dv.
#import attention_textures_backward.shared.wgsl
@compute @workgroup_size(8)
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
  let column = min(lane * 4u, HEAD_DIM - 4u);

  var sum_k: array<vec4f, TILE>;
  var sum_v: array<vec4f, TILE>;
  var high_k: array<vec4f, TILE>; // columns from 32 on
  var high_v: array<vec4f, TILE>;

  for (var query0 = 0u; query0 < p.length; query0 += 32u) {
    let queries = vec4u(query0 + lane * 4u) + vec4u(0, 1, 2, 3);
    let there = min(queries, vec4u(p.length - 1u));
    let at_q = origin + there * row;
    let at_o = origin_o + there * width;
    var weight: array<vec4f, TILE>;
    var ds: array<vec4f, TILE>;
    var k_next: array<vec4f, GROUPS>;
    var q_next: mat4x4f;
    // Explicitly: lavapipe does not zero a variable that is declared in a loop again in the next round.
    @diagnostic(off, trm.unroll) for (var i = 0u; i < TILE; i++) { weight[i] = vec4f(); ds[i] = vec4f(); }
    for (var step = 0u; step < p.columns / 4u; step++) {
      var k: array<vec4f, GROUPS>;
      var q: mat4x4f;
      load_step(&k, &k_next, &q, &q_next, step, origin + width, key0, at_q, there, lane);
      let d = column_of(step);
      var v: array<vec4f, GROUPS>;
      @diagnostic(off, trm.unroll) for (var i = 0u; i < GROUPS; i++) { v[i] = load(origin + 2u * width + min(key0 + i * 8u + lane, p.length - 1u) * row + d); }
      let g = transpose(mat4x4f(load_o(at_o.x + d), load_o(at_o.y + d), load_o(at_o.z + d), load_o(at_o.w + d)));
      add_products(&weight, &k, q);
      add_products(&ds, &v, g);
    }
    let high = vec4f(lse[line + there.x], lse[line + there.y], lse[line + there.z], lse[line + there.w]);
    let mean = vec4f(delta[line + there.x], delta[line + there.y], delta[line + there.z], delta[line + there.w]);
    @diagnostic(off, trm.unroll) for (var i = 0u; i < TILE; i++) {
      weight[i] = select(vec4f(), exp(weight[i] * root - high), queries < vec4u(p.length));
      ds[i] = weight[i] * (ds[i] - mean) * root;
    }
    for (var l = 0u; l < 8u; l++) {
      var q: array<vec4f, 4>;
      var g: array<vec4f, 4>;
      var q_high: array<vec4f, 4>;
      var g_high: array<vec4f, 4>;
      @diagnostic(off, trm.unroll) for (var c = 0u; c < 4; c++) {
        let query = min(query0 + l * 4u + c, p.length - 1u);
        let both = load_columns(origin + query * row, query, lane);
        q[c] = both[0];
        q_high[c] = both[1];
        g[c] = load_o(origin_o + query * width + column);
        if (HEAD_DIM > 32) { g_high[c] = load_o(origin_o + query * width + min(32u + lane * 4u, HEAD_DIM - 4u)); }
      }
      add_weighted(&sum_k, &ds, l, &q);
      add_weighted(&sum_v, &weight, l, &g);
      if (HEAD_DIM > 32) {
        add_weighted(&high_k, &ds, l, &q_high);
        add_weighted(&high_v, &weight, l, &g_high);
      }
    }
  }

  // Not unrolled, as its bound is no constant: stores that are written out take the compiler most of its time.
  for (var i = 0u; key0 + i < min(key0 + TILE, p.length); i++) {
    let at = origin + (key0 + i) * row + width;
    let both = turn_back(sum_k[i], high_k[i], key0 + i, lane);
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
