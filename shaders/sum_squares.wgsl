// sums[p] = Σ x² over the elements p · THREADS + t + k · PARTS · THREADS, t < THREADS, k = 0, 1, …
// One workgroup per part p. It adds the sums of its threads t in a fixed order, by halves.
override THREADS: u32;
override COUNT: u32;
override PARTS: u32;

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> sums: array<f32>;

var<workgroup> partial: array<f32, THREADS>;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) thread: u32) {
  var sum = 0.0;
  for (var i = group.x * THREADS + thread; i < COUNT; i += PARTS * THREADS) { sum += x[i] * x[i]; }
  partial[thread] = sum;
  workgroupBarrier();
  for (var half = THREADS / 2u; half > 0u; half /= 2u) {
    if (thread < half) { partial[thread] += partial[thread + half]; }
    workgroupBarrier();
  }
  if (thread == 0u) { sums[group.x] = partial[0]; }
}
