// y = a + b, or y += a + b with ACCUMULATE, or without b (COUNT_B = 0) y = a, y += a.
// One thread per element; b repeats every COUNT_B elements.
override THREADS: u32;
override COUNT: u32;
override COUNT_B: u32;
override ACCUMULATE: bool;

@group(0) @binding(0) var<storage, read> a: array<f32>;
@group(0) @binding(1) var<storage, read> b: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) thread: u32) {
  let i = (group.x + group.y * groups.x) * THREADS + thread;
  if (i >= COUNT) { return; }
  var sum = a[i];
  if (COUNT_B > 0u) { sum += b[i % max(COUNT_B, 1u)]; }
  if (ACCUMULATE) { sum += y[i]; }
  y[i] = sum;
}
