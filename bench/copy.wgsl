// y = x, in units of vec4. A thread copies PER_THREAD of them, THREADS apart.
// Measures how fast the kernels of an adapter can move memory.
override THREADS: u32;
override PER_THREAD: u32;
override COUNT: u32;

@group(0) @binding(0) var<storage, read> x: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> y: array<vec4f>;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) thread: u32) {
  let first = (group.x + group.y * groups.x) * THREADS * PER_THREAD + thread;
  for (var i = first; i < min(COUNT, first + THREADS * PER_THREAD); i += THREADS) { y[i] = x[i]; }
}
