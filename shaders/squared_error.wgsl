// y[i] = (a[i] − b[i])² / COUNT: the sum of y is the mean squared error.
// BACKWARD: y[i] = dy[i] · 2 · (a[i] − b[i]) / COUNT, the gradient of a. One thread per element.
override THREADS: u32;
override COUNT: u32;
override BACKWARD: bool;

@group(0) @binding(0) var<storage, read> a: array<f32>;
@group(0) @binding(1) var<storage, read> b: array<f32>;
@group(0) @binding(2) var<storage, read> dy: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) thread: u32) {
  let i = (group.x + group.y * groups.x) * THREADS + thread;
  if (i >= COUNT) { return; }
  let difference = a[i] - b[i];
  y[i] = select(difference, 2.0 * dy[i], BACKWARD) * difference / f32(COUNT);
}
