// y[i] = table[ids[i]]: rows of a table. One thread per element of y.
// Ids beyond the table read its last row; the host refuses such ids before.
override THREADS: u32;
override COUNT: u32;
override WIDTH: u32;
override ROWS: u32;

@group(0) @binding(0) var<storage, read> table: array<f32>;
@group(0) @binding(1) var<storage, read> ids: array<i32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) thread: u32) {
  let i = (group.x + group.y * groups.x) * THREADS + thread;
  if (i >= COUNT) { return; }
  y[i] = table[min(u32(ids[i / WIDTH]), ROWS - 1u) * WIDTH + i % WIDTH];
}
