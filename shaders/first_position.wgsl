// FORWARD: y[b, d] = x[b, 0, d].
// Else the derivative: dx[b, l, d] = dy[b, d] at l = 0 and 0 elsewhere, or += with ACCUMULATE.
// One thread per element of to_values.
override THREADS: u32;
override COUNT: u32;
override LENGTH: u32;
override WIDTH: u32;
override ACCUMULATE: bool;
override FORWARD: bool;

@group(0) @binding(0) var<storage, read> from_values: array<f32>;
@group(0) @binding(1) var<storage, read_write> to_values: array<f32>;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) thread: u32) {
  let i = (group.x + group.y * groups.x) * THREADS + thread;
  if (i >= COUNT) { return; }
  if (FORWARD) {
    to_values[i] = from_values[i / WIDTH * LENGTH * WIDTH + i % WIDTH];
    return;
  }
  let row = i / WIDTH;
  if (row % LENGTH == 0u) {
    to_values[i] = select(0.0, to_values[i], ACCUMULATE) + from_values[row / LENGTH * WIDTH + i % WIDTH];
  } else if (!ACCUMULATE) {
    to_values[i] = 0.0;
  }
}
