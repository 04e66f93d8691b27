// y = silu(gate) · up, silu(g) = g / (1 + exp(−g)); a row of x is [gate | up], each INNER long.
// One thread per element of y.
override THREADS: u32;
override COUNT: u32;
override INNER: u32;

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) thread: u32) {
  let i = (group.x + group.y * groups.x) * THREADS + thread;
  if (i >= COUNT) { return; }
  let at = i / INNER * INNER + i;
  let gate = x[at];
  y[i] = gate / (1.0 + exp(-gate)) * x[at + INNER];
}
