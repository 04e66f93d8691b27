// found[0] = 1 if any x is infinite or NaN; else it stays as it is. One thread per element.
// Reads the bits, because a compiler may assume in comparisons that every number is finite.
// All threads that write store the same value, so their order does not matter.
override THREADS: u32;
override COUNT: u32;

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> found: array<atomic<u32>>;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) thread: u32) {
  let i = (group.x + group.y * groups.x) * THREADS + thread;
  if (i < COUNT && (bitcast<u32>(x[i]) & 0x7f800000u) == 0x7f800000u) { atomicStore(&found[0], 1u); }
}
