// dv = Σ_query p · d_o,  dk = Σ_query ds · q, with p and ds as in attention_backward_q.wgsl, which runs before.
// Layouts are those of attention.wgsl. One thread per key. It walks over the queries in order.
override THREADS: u32;
override KEYS: u32;
override LENGTH: u32;
override HEADS: u32;

const HEAD_DIM = 16;

@group(0) @binding(0) var<storage, read> qkv: array<f32>;
@group(0) @binding(1) var<storage, read> lse: array<f32>;
@group(0) @binding(2) var<storage, read> d_o: array<f32>;
@group(0) @binding(3) var<storage, read> delta: array<f32>;
@group(0) @binding(4) var<storage, read_write> d_qkv: array<f32>;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) thread: u32) {
  let index = (group.x + group.y * groups.x) * THREADS + thread;
  if (index >= KEYS) { return; }
  let width = HEADS * HEAD_DIM;
  let batch = index / (HEADS * LENGTH);
  let head = index / LENGTH % HEADS;
  let key = index % LENGTH;
  let k_at = (batch * LENGTH + key) * 3u * width + width + head * HEAD_DIM;
  let scale = inverseSqrt(f32(HEAD_DIM));

  var k: array<f32, HEAD_DIM>;
  var v: array<f32, HEAD_DIM>;
  @diagnostic(off, trm.unroll) for (var d = 0u; d < HEAD_DIM; d++) {
    k[d] = qkv[k_at + d] * scale;
    v[d] = qkv[k_at + width + d];
  }
  var dk: array<f32, HEAD_DIM>;
  var dv: array<f32, HEAD_DIM>;
  for (var query = 0u; query < LENGTH; query++) {
    let row = batch * LENGTH + query;
    let q_at = row * 3u * width + head * HEAD_DIM;
    let o_at = row * width + head * HEAD_DIM;
    let lse_at = (batch * HEADS + head) * LENGTH + query;
    var score = -lse[lse_at];
    var dp = -delta[lse_at];
    @diagnostic(off, trm.unroll) for (var d = 0u; d < HEAD_DIM; d++) {
      score = fma(qkv[q_at + d], k[d], score);
      dp = fma(d_o[o_at + d], v[d], dp);
    }
    let p = exp(score);
    let ds = p * dp * scale;
    @diagnostic(off, trm.unroll) for (var d = 0u; d < HEAD_DIM; d++) {
      dk[d] = fma(ds, qkv[q_at + d], dk[d]);
      dv[d] = fma(p, d_o[o_at + d], dv[d]);
    }
  }
  @diagnostic(off, trm.unroll) for (var d = 0u; d < HEAD_DIM; d++) {
    d_qkv[k_at + d] = dk[d];
    d_qkv[k_at + width + d] = dv[d];
  }
}
