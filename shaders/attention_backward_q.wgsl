// With p = exp(score − lse), δ = Σ_d do · o:  ds = p · (do · vᵀ − δ) / √HEAD_DIM,  dq = ds · k.
// One thread per query; it also leaves δ, shape (batch, HEADS, LENGTH), for attention_backward_kv. Layouts as in attention.wgsl.
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
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) thread: u32) {
  let index = (group.x + group.y * groups.x) * THREADS + thread;
  if (index >= QUERIES) { return; }
  let width = HEADS * HEAD_DIM;
  let batch = index / (HEADS * LENGTH);
  let head = index / LENGTH % HEADS;
  let query = index % LENGTH;
  let at = (batch * LENGTH + query) * 3u * width + head * HEAD_DIM;
  let out = (batch * LENGTH + query) * width + head * HEAD_DIM;
  let root = inverseSqrt(f32(HEAD_DIM));

  var q: array<f32, HEAD_DIM>;
  var g: array<f32, HEAD_DIM>;
  var dot = 0.0;
  @diagnostic(off, trm.unroll) for (var d = 0u; d < HEAD_DIM; d++) {
    q[d] = qkv[at + d] * root;
    g[d] = d_o[out + d];
    dot = fma(g[d], o[out + d], dot);
  }
  delta[index] = dot;
  let offset = lse[index];

  var dq: array<f32, HEAD_DIM>;
  for (var key = 0u; key < LENGTH; key++) {
    let k = (batch * LENGTH + key) * 3u * width + width + head * HEAD_DIM;
    var score = -offset;
    var dp = -dot;
    @diagnostic(off, trm.unroll) for (var d = 0u; d < HEAD_DIM; d++) {
      score = fma(q[d], qkv[k + d], score);
      dp = fma(g[d], qkv[k + width + d], dp);
    }
    let ds = exp(score) * dp * root;
    @diagnostic(off, trm.unroll) for (var d = 0u; d < HEAD_DIM; d++) { dq[d] = fma(ds, qkv[k + d], dq[d]); }
  }
  @diagnostic(off, trm.unroll) for (var d = 0u; d < HEAD_DIM; d++) { d_qkv[at + d] = dq[d]; }
}
