// attention.wgsl for lavapipe, where a load costs far more than arithmetic. The idea is that of matmul_textures.wgsl.
// A workgroup is one subgroup of 8 lanes. It computes 16 queries of a head and walks over 32 keys at a time.
// First the scores, with four keys a lane; then o += p · v with four columns a lane. subgroupShuffle distributes p.
#import attention_textures.shared.wgsl
@group(0) @binding(2) var<storage, read_write> o: array<f32>;
@group(0) @binding(3) var<storage, read_write> lse: array<f32>;
@group(0) @binding(4) var<uniform> u: Uniforms;

const LOWEST = -3.4e38;

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
  // This lane's first column of v and o. Lanes beyond the last column repeat it.
  let column = min(lane * 4u, HEAD_DIM - 4u);

  var sum: array<vec4f, TILE>;
  var sum_high: array<vec4f, TILE>; // columns from 32 on
  var m: array<f32, TILE>;
  var l: array<f32, TILE>; // of this lane's keys
  @diagnostic(off, trm.unroll) for (var i = 0u; i < TILE; i++) { m[i] = LOWEST; }

  for (var key0 = 0u; key0 < u.length; key0 += 32u) {
    let keys = vec4u(key0 + lane * 4u) + vec4u(0, 1, 2, 3);
    let clamped = min(keys, vec4u(u.length - 1u));
    let at_k = origin + width + clamped * row;
    var p: array<vec4f, TILE>;
    var q_next: array<vec4f, GROUPS>;
    var k_next: mat4x4f;
    // Set to zero here, because lavapipe zeroes a variable that is declared in a loop only in the first round.
    @diagnostic(off, trm.unroll) for (var i = 0u; i < TILE; i++) { p[i] = vec4f(); }
    for (var step = 0u; step < u.columns / 4u; step++) {
      var q: array<vec4f, GROUPS>;
      var k: mat4x4f;
      load_step(&q, &q_next, &k, &k_next, step, origin, query0, at_k, clamped, lane);
      add_products(&p, &q, k);
    }
    @diagnostic(off, trm.unroll) for (var i = 0u; i < TILE; i++) {
      let score = select(vec4f(LOWEST), p[i] * inverseSqrt(f32(HEAD_DIM)), keys < vec4u(u.length));
      let m_new = max(m[i], subgroupMax(max(max(score.x, score.y), max(score.z, score.w))));
      let alpha = exp(m[i] - m_new);
      let p_row = exp(score - m_new);
      m[i] = m_new;
      l[i] = l[i] * alpha + dot(p_row, vec4f(1.0));
      p[i] = p_row;
      sum[i] *= alpha;
      if (HEAD_DIM > 32) { sum_high[i] *= alpha; }
    }
    for (var source = 0u; source < 8u; source++) {
      var v: array<vec4f, 4>;
      var v_high: array<vec4f, 4>;
      @diagnostic(off, trm.unroll) for (var c = 0u; c < 4; c++) {
        let at_v = origin + 2u * width + min(key0 + source * 4u + c, u.length - 1u) * row;
        v[c] = load(at_v + column);
        if (HEAD_DIM > 32) { v_high[c] = load(at_v + min(32u + lane * 4u, HEAD_DIM - 4u)); }
      }
      add_weighted(&sum, &p, source, &v);
      if (HEAD_DIM > 32) { add_weighted(&sum_high, &p, source, &v_high); }
    }
  }

  // Not unrolled, because its bound is not constant: unrolled stores would take most of the time of compilation.
  for (var i = 0u; query0 + i < min(query0 + TILE, u.length); i++) {
    let row_l = subgroupAdd(l[i]);
    let at = (batch * u.length + query0 + i) * width + head * HEAD_DIM;
    if (lane * 4u < HEAD_DIM) { store(at + lane * 4u, sum[i] / row_l); }
    if (HEAD_DIM > 32 && 32u + lane * 4u < HEAD_DIM) { store(at + 32u + lane * 4u, sum_high[i] / row_l); }
    if (lane == 0u) { lse[(batch * u.heads + head) * u.length + query0 + i] = m[i] + log(row_l); }
  }
}

fn store(at: u32, value: vec4f) {
  o[at] = value.x;
  o[at + 1u] = value.y;
  o[at + 2u] = value.z;
  o[at + 3u] = value.w;
}
