// y[i] = FACTOR · Σ_row x[row · WIDTH + i], or += with ACCUMULATE. One thread per column. It adds the rows in order.
override THREADS: u32;
override ROWS: u32;
override WIDTH: u32;
override FACTOR: f32;
override ACCUMULATE: bool;

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) thread: u32) {
  let i = (group.x + group.y * groups.x) * THREADS + thread;
  if (i >= WIDTH) { return; }
  var sum = 0.0;
  for (var row = 0u; row < ROWS; row++) { sum += x[row * WIDTH + i]; }
  y[i] = select(0.0, y[i], ACCUMULATE) + FACTOR * sum;
}
