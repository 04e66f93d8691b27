// matmul.shared.wgsl for rows of c of any length.
#import matmul.shared.wgsl
@group(0) @binding(2) var<storage, read_write> c: array<f32>;

// Stores the first `count` of four neighbours: those that lie in the row.
fn put(at: u32, value: vec4f, count: u32) {
  put_one(at, value.x);
  if (count > 1u) { put_one(at + 1u, value.y); }
  if (count > 2u) { put_one(at + 2u, value.z); }
  if (count > 3u) { put_one(at + 3u, value.w); }
}

fn put_one(at: u32, value: f32) {
  var sum = value;
  if (u.accumulate != 0u) { sum += c[at]; }
  c[at] = sum;
}

@compute @workgroup_size(THREADS) @subgroup_size(32)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) thread: u32, @builtin(subgroup_id) subgroup: u32,
        @builtin(subgroup_invocation_id) lane: u32) {
  product(group, groups, thread, subgroup, lane);
}
