// counted = the number of targets that are neither negative nor IGNORED, at least 1. One workgroup; exact below 2²⁴.
override THREADS: u32;
override IGNORED: i32;

// Not overrides, so that one pipeline serves every size.
struct Uniforms { count: u32 }

@group(0) @binding(0) var<storage, read> targets: array<i32>;
@group(0) @binding(1) var<storage, read_write> counted: array<f32>;
@group(0) @binding(2) var<uniform> u: Uniforms;

var<workgroup> partial: array<u32, THREADS>;

@compute @workgroup_size(THREADS)
fn main(@builtin(local_invocation_index) thread: u32) {
  var found = 0u;
  for (var i = thread; i < u.count; i += THREADS) {
    if (targets[i] >= 0 && targets[i] != IGNORED) { found++; }
  }
  partial[thread] = found;
  for (var half = THREADS / 2u; half > 0u; half /= 2u) {
    workgroupBarrier();
    if (thread < half) { partial[thread] += partial[thread + half]; }
  }
  if (thread == 0u) { counted[0] = f32(max(partial[0], 1u)); }
}
