// As attention.wgsl, for lavapipe, where a load costs far more than arithmetic; the idea is that of matmul_textures.wgsl.
// One subgroup of 8 lanes is a workgroup and computes 16 queries of a head, 32 keys at a time: scores with four keys a lane,
// then o += weights · v with four columns a lane, the weights handed round by subgroupShuffle.
#import attention_textures.shared.wgsl
@group(0) @binding(2) var<storage, read_write> o: array<f32>;
@group(0) @binding(3) var<storage, read_write> lse: array<f32>;
@group(0) @binding(4) var<uniform> p: Uniforms;

const LOWEST = -3.4e38;

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
  // This lane's columns of v and o; lanes beyond the last repeat it.
  let column = min(lane * 4u, HEAD_DIM - 4u);

  var sum: array<vec4f, TILE>;
  var high: array<vec4f, TILE>; // columns from 32 on
  var most: array<f32, TILE>;
  var total: array<f32, TILE>; // of this lane's keys
  @diagnostic(off, trm.unroll) for (var i = 0u; i < TILE; i++) { most[i] = LOWEST; }

  for (var key0 = 0u; key0 < p.length; key0 += 32u) {
    let keys = vec4u(key0 + lane * 4u) + vec4u(0, 1, 2, 3);
    let there = min(keys, vec4u(p.length - 1u));
    let at_k = origin + width + there * row;
    var weight: array<vec4f, TILE>;
    var q_next: array<vec4f, GROUPS>;
    var k_next: mat4x4f;
    // Explicitly: lavapipe does not zero a variable that is declared in a loop again in the next round.
    @diagnostic(off, trm.unroll) for (var i = 0u; i < TILE; i++) { weight[i] = vec4f(); }
    for (var step = 0u; step < p.columns / 4u; step++) {
      var q: array<vec4f, GROUPS>;
      var k: mat4x4f;
      load_step(&q, &q_next, &k, &k_next, step, origin, query0, at_k, there, lane);
      add_products(&weight, &q, k);
    }
    @diagnostic(off, trm.unroll) for (var i = 0u; i < TILE; i++) {
      let score = select(vec4f(LOWEST), weight[i] * inverseSqrt(f32(HEAD_DIM)), keys < vec4u(p.length));
      let top = max(most[i], subgroupMax(max(max(score.x, score.y), max(score.z, score.w))));
      let shrink = exp(most[i] - top);
      let w = exp(score - top);
      most[i] = top;
      total[i] = total[i] * shrink + dot(w, vec4f(1.0));
      weight[i] = w;
      sum[i] *= shrink;
      if (HEAD_DIM > 32) { high[i] *= shrink; }
    }
    for (var l = 0u; l < 8u; l++) {
      var v: array<vec4f, 4>;
      var v_high: array<vec4f, 4>;
      @diagnostic(off, trm.unroll) for (var c = 0u; c < 4; c++) {
        let at_v = origin + 2u * width + min(key0 + l * 4u + c, p.length - 1u) * row;
        v[c] = load(at_v + column);
        if (HEAD_DIM > 32) { v_high[c] = load(at_v + min(32u + lane * 4u, HEAD_DIM - 4u)); }
      }
      add_weighted(&sum, &weight, l, &v);
      if (HEAD_DIM > 32) { add_weighted(&high, &weight, l, &v_high); }
    }
  }

  // Not unrolled, as its bound is no constant: stores that are written out take the compiler most of its time.
  for (var i = 0u; query0 + i < min(query0 + TILE, p.length); i++) {
    let all = subgroupAdd(total[i]);
    let at = (batch * p.length + query0 + i) * width + head * HEAD_DIM;
    if (lane * 4u < HEAD_DIM) { store(at + lane * 4u, sum[i] / all); }
    if (HEAD_DIM > 32 && 32u + lane * 4u < HEAD_DIM) { store(at + 32u + lane * 4u, high[i] / all); }
    if (lane == 0u) { lse[(batch * p.heads + head) * p.length + query0 + i] = most[i] + log(all); }
  }
}

fn store(at: u32, value: vec4f) {
  o[at] = value.x;
  o[at + 1u] = value.y;
  o[at + 2u] = value.z;
  o[at + 3u] = value.w;
}
