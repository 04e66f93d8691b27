// o = softmax(q · kᵀ / √HEAD_DIM) · v for every batch row and head, without a mask.
// lse = log Σ exp(scores) is kept for the derivative.
// qkv rows are [q heads | k heads | v heads]; o is (batch, LENGTH, HEADS · HEAD_DIM); lse is (batch, HEADS, LENGTH).
// One thread per query. It walks over the keys with a running maximum m and a running sum l: no score matrix is stored.
override THREADS: u32;
override QUERIES: u32;
override LENGTH: u32;
override HEADS: u32;

const HEAD_DIM = 16;

@group(0) @binding(0) var<storage, read> qkv: array<f32>;
@group(0) @binding(1) var<storage, read_write> o: array<f32>;
@group(0) @binding(2) var<storage, read_write> lse: array<f32>;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) thread: u32) {
  let index = (group.x + group.y * groups.x) * THREADS + thread;
  if (index >= QUERIES) { return; }
  let width = HEADS * HEAD_DIM;
  let batch = index / (HEADS * LENGTH);
  let head = index / LENGTH % HEADS;
  let query = index % LENGTH;
  let q_at = (batch * LENGTH + query) * 3u * width + head * HEAD_DIM;

  var q: array<f32, HEAD_DIM>;
  @diagnostic(off, trm.unroll) for (var d = 0u; d < HEAD_DIM; d++) {
    q[d] = qkv[q_at + d] * inverseSqrt(f32(HEAD_DIM));
  }

  var sum: array<f32, HEAD_DIM>; // Σ p · v
  var l = 0.0;
  var m = -3.4e38;
  for (var key = 0u; key < LENGTH; key++) {
    let k_at = (batch * LENGTH + key) * 3u * width + width + head * HEAD_DIM;
    var score = 0.0;
    @diagnostic(off, trm.unroll) for (var d = 0u; d < HEAD_DIM; d++) { score = fma(q[d], qkv[k_at + d], score); }
    let m_new = max(m, score);
    let alpha = exp(m - m_new);
    let p = exp(score - m_new);
    m = m_new;
    l = l * alpha + p;
    @diagnostic(off, trm.unroll) for (var d = 0u; d < HEAD_DIM; d++) {
      sum[d] = fma(p, qkv[k_at + width + d], sum[d] * alpha);
    }
  }
  let o_at = (batch * LENGTH + query) * width + head * HEAD_DIM;
  @diagnostic(off, trm.unroll) for (var d = 0u; d < HEAD_DIM; d++) { o[o_at + d] = sum[d] / l; }
  lse[index] = m + log(l);
}
