// p = exp(score − lse),  ds = p · (d_o · vᵀ − δ) / √HEAD_DIM,  dq = ds · k, as attention_backward_q.wgsl, in the manner of attention_textures.wgsl.
// One subgroup computes 16 queries of a head: four keys a lane for p and ds, then four columns a lane for dq. δ comes from attention_delta.wgsl.
#import attention_textures_backward.shared.wgsl
@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(subgroup_invocation_id) lane: u32) {
  let tile = group.x + group.y * groups.x;
  if (tile >= p.groups) { return; }
  let query0 = tile % p.tiles * TILE;
  let head = tile / p.tiles % p.heads;
  let batch = tile / p.tiles / p.heads;
  let width = p.heads * HEAD_DIM;
  let row = 3u * width;
  let origin = batch * p.length * row + head * HEAD_DIM;
  let origin_o = batch * p.length * width + head * HEAD_DIM;
  let root = inverseSqrt(f32(HEAD_DIM));

  // Of each query, the same in all lanes.
  var most: array<f32, TILE>;
  var mean: array<f32, TILE>;
  // Loops over rows that load or store from buffers are not unrolled, as their bound is no constant: they would take the compiler most of its time.
  let rows = min(TILE, p.length - query0);
  for (var i = 0u; i < rows; i++) {
    let query = (batch * p.heads + head) * p.length + query0 + i;
    most[i] = lse[query];
    mean[i] = delta[query];
  }
  var sum: array<vec4f, TILE>;
  var high: array<vec4f, TILE>; // columns from 32 on

  for (var key0 = 0u; key0 < p.length; key0 += 32u) {
    let keys = vec4u(key0 + lane * 4u) + vec4u(0, 1, 2, 3);
    let there = min(keys, vec4u(p.length - 1u));
    let at_k = origin + width + there * row;
    var score: array<vec4f, TILE>;
    var ds: array<vec4f, TILE>;
    var q_next: array<vec4f, GROUPS>;
    var k_next: mat4x4f;
    // Explicitly: lavapipe does not zero a variable that is declared in a loop again in the next round.
    @diagnostic(off, trm.unroll) for (var i = 0u; i < TILE; i++) { score[i] = vec4f(); ds[i] = vec4f(); }
    for (var step = 0u; step < p.columns / 4u; step++) {
      var q: array<vec4f, GROUPS>;
      var k: mat4x4f;
      load_step(&q, &q_next, &k, &k_next, step, origin, query0, at_k, there, lane);
      let d = column_of(step);
      var g: array<vec4f, GROUPS>;
      @diagnostic(off, trm.unroll) for (var i = 0u; i < GROUPS; i++) { g[i] = load_o(origin_o + min(query0 + i * 8u + lane, p.length - 1u) * width + d); }
      let v = transpose(mat4x4f(load(at_k.x + width + d), load(at_k.y + width + d), load(at_k.z + width + d), load(at_k.w + width + d)));
      add_products(&score, &q, k);
      add_products(&ds, &g, v);
    }
    @diagnostic(off, trm.unroll) for (var i = 0u; i < TILE; i++) {
      score[i] = select(vec4f(), exp(score[i] * root - most[i]), keys < vec4u(p.length));
      ds[i] = score[i] * (ds[i] - mean[i]) * root;
    }
    for (var l = 0u; l < 8u; l++) {
      var k: array<vec4f, 4>;
      var k_high: array<vec4f, 4>;
      @diagnostic(off, trm.unroll) for (var c = 0u; c < 4; c++) {
        let key = min(key0 + l * 4u + c, p.length - 1u);
        let both = load_columns(origin + width + key * row, key, lane);
        k[c] = both[0];
        k_high[c] = both[1];
      }
      add_weighted(&sum, &ds, l, &k);
      if (HEAD_DIM > 32) { add_weighted(&high, &ds, l, &k_high); }
    }
  }

  for (var i = 0u; i < rows; i++) {
    let at = origin + (query0 + i) * row;
    let both = turn_back(sum[i], high[i], query0 + i, lane);
    if (lane * 4u < HEAD_DIM) { store(at + lane * 4u, both[0]); }
    if (HEAD_DIM > 32 && 32u + lane * 4u < HEAD_DIM) { store(at + 32u + lane * 4u, both[1]); }
  }
}
