// With σ = 1 / (1 + exp(−gate)):  d gate = dy · up · σ · (1 + gate · (1 − σ)),  d up = dy · gate · σ.
// One thread per element of dy; rows of x and dx are [gate | up], each INNER long.
override THREADS: u32;
override COUNT: u32;
override INNER: u32;

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> dy: array<f32>;
@group(0) @binding(2) var<storage, read_write> dx: array<f32>;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) thread: u32) {
  let i = (group.x + group.y * groups.x) * THREADS + thread;
  if (i >= COUNT) { return; }
  let at = i / INNER * INNER + i;
  let gate = x[at];
  let sigmoid = 1.0 / (1.0 + exp(-gate));
  dx[at] = dy[i] * x[at + INNER] * sigmoid * (1.0 + gate * (1.0 - sigmoid));
  dx[at + INNER] = dy[i] * gate * sigmoid;
}
