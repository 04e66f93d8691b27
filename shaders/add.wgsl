// y = a + b, or y += a + b with ACCUMULATE. Without b (HAS_B = false): y = a, or y += a.
// b repeats every COUNT_B values. Counts are in units of Value.
// A thread computes PER_THREAD values, THREADS apart.
override THREADS: u32;
override PER_THREAD: u32;
override COUNT: u32;
override COUNT_B: u32;
override HAS_B: bool;
override ACCUMULATE: bool;

alias Value = f32;

@group(0) @binding(0) var<storage, read> a: array<Value>;
@group(0) @binding(1) var<storage, read> b: array<Value>;
@group(0) @binding(2) var<storage, read_write> y: array<Value>;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) thread: u32) {
  let first = (group.x + group.y * groups.x) * THREADS * PER_THREAD + thread;
  for (var i = first; i < min(COUNT, first + THREADS * PER_THREAD); i += THREADS) {
    var sum = a[i];
    if (HAS_B) { sum += b[i % COUNT_B]; }
    if (ACCUMULATE) { sum += y[i]; }
    y[i] = sum;
  }
}
