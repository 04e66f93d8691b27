// With p = exp(score − lse) and δ = Σ_d d_o · o:  ds = p · (d_o · vᵀ − δ) / √HEAD_DIM,  dq = ds · k.
// δ, shape (batch, HEADS, LENGTH), is stored for attention_backward_kv.wgsl. Layouts are those of attention.wgsl.
// One thread per query. It walks over the keys in order.
override THREADS: u32;
override QUERIES: u32;
override LENGTH: u32;
override HEADS: u32;

const HEAD_DIM = 16;

@group(0) @binding(0) var<storage, read> qkv: array<f32>;
@group(0) @binding(1) var<storage, read> o: array<f32>;
@group(0) @binding(2) var<storage, read> lse: array<f32>;
@group(0) @binding(3) var<storage, read> d_o: array<f32>;
@group(0) @binding(4) var<storage, read_write> d_qkv: array<f32>;
@group(0) @binding(5) var<storage, read_write> delta: array<f32>;

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
  let o_at = (batch * LENGTH + query) * width + head * HEAD_DIM;
  let scale = inverseSqrt(f32(HEAD_DIM));

  var q: array<f32, HEAD_DIM>;
  var d_o_row: array<f32, HEAD_DIM>;
  var row_delta = 0.0;
  @diagnostic(off, trm.unroll) for (var d = 0u; d < HEAD_DIM; d++) {
    q[d] = qkv[q_at + d] * scale;
    d_o_row[d] = d_o[o_at + d];
    row_delta = fma(d_o_row[d], o[o_at + d], row_delta);
  }
  delta[index] = row_delta;
  let row_lse = lse[index];

  var dq: array<f32, HEAD_DIM>;
  for (var key = 0u; key < LENGTH; key++) {
    let k_at = (batch * LENGTH + key) * 3u * width + width + head * HEAD_DIM;
    var score = -row_lse;
    var dp = -row_delta;
    @diagnostic(off, trm.unroll) for (var d = 0u; d < HEAD_DIM; d++) {
      score = fma(q[d], qkv[k_at + d], score);
      dp = fma(d_o_row[d], qkv[k_at + width + d], dp);
    }
    let ds = exp(score) * dp * scale;
    @diagnostic(off, trm.unroll) for (var d = 0u; d < HEAD_DIM; d++) { dq[d] = fma(ds, qkv[k_at + d], dq[d]); }
  }
  @diagnostic(off, trm.unroll) for (var d = 0u; d < HEAD_DIM; d++) { d_qkv[q_at + d] = dq[d]; }
}
