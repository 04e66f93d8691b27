// dx[i] = FACTOR · dy[i / WIDTH], or += with ACCUMULATE: every element of a row gets the gradient of its sum.
// One thread per element.
override THREADS: u32;
override WIDTH: u32;
override FACTOR: f32;
override ACCUMULATE: bool;

// Not an override, so that one pipeline serves every number of rows.
struct Uniforms { count: u32 }

@group(0) @binding(0) var<storage, read> dy: array<f32>;
@group(0) @binding(1) var<storage, read_write> dx: array<f32>;
@group(0) @binding(2) var<uniform> u: Uniforms;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) thread: u32) {
  let i = (group.x + group.y * groups.x) * THREADS + thread;
  if (i >= u.count) { return; }
  dx[i] = select(0.0, dx[i], ACCUMULATE) + FACTOR * dy[i / WIDTH];
}
