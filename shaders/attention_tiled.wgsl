// o = softmax(q · kᵀ / √HEAD_DIM) · v as in attention.wgsl, for GPUs.
// A workgroup owns 32 queries of a head. It walks over 32 keys at a time with a running maximum m and a running sum l
// of each query.
#import attention_tiled.shared.wgsl
@group(0) @binding(2) var<storage, read_write> o: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> lse: array<f32>;
@group(0) @binding(4) var<uniform> u: Uniforms;

const LOWEST = -3.4e38;

// What each thread knows of its four queries.
var<workgroup> partial: array<vec4f, 64>;

fn gradient(at: u32) -> vec4f { return vec4f(); } // not needed here

fn store(operand: u32, row: u32, block: u32, value: vec4f) { o[(row * u.heads + head) * BLOCKS + block] = value; }

fn max_of(x: vec4f) -> f32 { return max(max(x.x, x.y), max(x.z, x.w)); }

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) index: u32) {
  let tile = group.x + group.y * groups.x;
  if (tile >= u.groups) { return; }
  thread = index;
  head = tile / u.tiles % u.heads;
  batch = tile / u.tiles / u.heads;
  let query0 = tile % u.tiles * TILE;

  var sum: array<mat4x4f, OWN_BLOCKS>; // Σ p · v
  var m = vec4f(LOWEST);
  var l: vec4f; // of the thread's keys
  for (var key0 = 0u; key0 < u.length; key0 += TILE) {
    var score = product(Q, query0, K, key0) * inverseSqrt(f32(HEAD_DIM));
    let inside = vec4u(key0 + thread % 8u) + vec4u(0, 8, 16, 24) < vec4u(u.length);
    @diagnostic(off, trm.unroll) for (var i = 0u; i < 4u; i++) { score[i] = select(vec4f(LOWEST), score[i], inside); }
    partial[thread] = vec4f(max_of(score[0]), max_of(score[1]), max_of(score[2]), max_of(score[3]));
    workgroupBarrier();
    var m_new = m;
    for (var x = 0u; x < 8u; x++) { m_new = max(m_new, partial[thread / 8u * 8u + x]); }
    let alpha = exp(m - m_new);
    m = m_new;
    @diagnostic(off, trm.unroll) for (var i = 0u; i < 4u; i++) { score[i] = exp(score[i] - m_new[i]); }
    l = l * alpha + vec4f(1.0) * score;
    @diagnostic(off, trm.unroll) for (var c = 0u; c < OWN_BLOCKS; c++) {
      @diagnostic(off, trm.unroll) for (var i = 0u; i < 4u; i++) { sum[c][i] *= alpha[i]; }
    }
    add_weighted(&sum, score, V, key0);
  }

  partial[thread] = l;
  workgroupBarrier();
  var row_l: vec4f;
  for (var x = 0u; x < 8u; x++) { row_l += partial[thread / 8u * 8u + x]; }
  @diagnostic(off, trm.unroll) for (var c = 0u; c < OWN_BLOCKS; c++) {
    @diagnostic(off, trm.unroll) for (var i = 0u; i < 4u; i++) { sum[c][i] /= row_l[i]; }
  }
  store_rows(&sum, V, query0);
  if (thread % 8u == 0u) {
    @diagnostic(off, trm.unroll) for (var i = 0u; i < 4u; i++) {
      let query = query0 + thread / 8u * 4u + i;
      if (query < u.length) { lse[(batch * u.heads + head) * u.length + query] = m[i] + log(row_l[i]); }
    }
  }
}
