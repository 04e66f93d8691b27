// matmul.shared.wgsl for rows of c whose length is a multiple of 4.
#import matmul.shared.wgsl
@group(0) @binding(2) var<storage, read_write> c: array<vec4f>;

// Stores four neighbours; `at` counts single results.
fn put(at: u32, value: vec4f, count: u32) {
  var sum = value;
  if (u.accumulate != 0u) { sum += c[at / 4u]; }
  c[at / 4u] = sum;
}

@compute @workgroup_size(THREADS) @subgroup_size(32)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) thread: u32, @builtin(subgroup_id) subgroup: u32,
        @builtin(subgroup_invocation_id) lane: u32) {
  product(group, groups, thread, subgroup, lane);
}
