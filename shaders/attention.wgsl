// o = softmax(q · kᵀ / √HEAD_DIM) · v for every batch row and head, without a mask; lse = log Σ exp(scores) is kept for the derivative.
// One thread per query, walking over the keys with a running maximum, so memory stays linear in LENGTH.
// qkv rows are [q heads | k heads | v heads]; o is (batch, LENGTH, HEADS · HEAD_DIM); lse is (batch, HEADS, LENGTH).
override THREADS: u32;
override QUERIES: u32;
override LENGTH: u32;
override HEADS: u32;

const HEAD_DIM = 16;

@group(0) @binding(0) var<storage, read> qkv: array<f32>;
@group(0) @binding(1) var<storage, read_write> o: array<f32>;
@group(0) @binding(2) var<storage, read_write> lse: array<f32>;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) thread: u32) {
  let index = (group.x + group.y * groups.x) * THREADS + thread;
  if (index >= QUERIES) { return; }
  let width = HEADS * HEAD_DIM;
  let batch = index / (HEADS * LENGTH);
  let head = index / LENGTH % HEADS;
  let query = index % LENGTH;
  let at = (batch * LENGTH + query) * 3u * width + head * HEAD_DIM;

  var q: array<f32, HEAD_DIM>;
  @diagnostic(off, trm.unroll) for (var d = 0u; d < HEAD_DIM; d++) { q[d] = qkv[at + d] * inverseSqrt(f32(HEAD_DIM)); }

  var sum: array<f32, HEAD_DIM>;
  var total = 0.0;
  var most = -3.4e38;
  for (var key = 0u; key < LENGTH; key++) {
    let k = (batch * LENGTH + key) * 3u * width + width + head * HEAD_DIM;
    var score = 0.0;
    @diagnostic(off, trm.unroll) for (var d = 0u; d < HEAD_DIM; d++) { score = fma(q[d], qkv[k + d], score); }
    let top = max(most, score);
    let shrink = exp(most - top);
    let weight = exp(score - top);
    most = top;
    total = total * shrink + weight;
    @diagnostic(off, trm.unroll) for (var d = 0u; d < HEAD_DIM; d++) { sum[d] = fma(weight, qkv[k + width + d], sum[d] * shrink); }
  }
  let out = (batch * LENGTH + query) * width + head * HEAD_DIM;
  @diagnostic(off, trm.unroll) for (var d = 0u; d < HEAD_DIM; d++) { o[out + d] = sum[d] / total; }
  lse[index] = most + log(total);
}
