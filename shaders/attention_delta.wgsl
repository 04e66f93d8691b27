// δ[batch, head, l] = Σ_d d_o · o: the term that the derivative of softmax subtracts.
// o and d_o are (batch, LENGTH, HEADS, HEAD_DIM). One thread per (batch, l, head).
override THREADS: u32;
override COUNT: u32;
override LENGTH: u32;
override HEADS: u32;
override HEAD_DIM: u32;

@group(0) @binding(0) var<storage, read> o: array<f32>;
@group(0) @binding(1) var<storage, read> d_o: array<f32>;
@group(0) @binding(2) var<storage, read_write> delta: array<f32>;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) thread: u32) {
  let i = (group.x + group.y * groups.x) * THREADS + thread;
  if (i >= COUNT) { return; }
  var sum = 0.0;
  for (var d = 0u; d < HEAD_DIM; d++) { sum = fma(d_o[i * HEAD_DIM + d], o[i * HEAD_DIM + d], sum); }
  let position = i / HEADS;
  delta[(position / LENGTH * HEADS + i % HEADS) * LENGTH + position % LENGTH] = sum;
}
