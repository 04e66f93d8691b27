// y = FACTOR · x if random ≥ RATE, else 0, with FACTOR = 1 / (1 − RATE); or += with ACCUMULATE.
// 0 ≤ random < 1 is a hash of (seed, counter, element, stream). Equal numbers give the same mask, which is not stored.
// One thread per element.
#import pcg4d.shared.wgsl
override THREADS: u32;
override RATE: f32;
override FACTOR: f32;
override ACCUMULATE: bool;

// Not overrides, so that one pipeline serves every size.
struct Uniforms { count: u32, stream: u32 }

@group(0) @binding(0) var<storage, read> clock: array<u32>; // seed, counter
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
@group(0) @binding(3) var<uniform> u: Uniforms;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) thread: u32) {
  let i = (group.x + group.y * groups.x) * THREADS + thread;
  if (i >= u.count) { return; }
  let random = f32(hash(vec4u(clock[0], clock[1], i, u.stream)).x >> 8u) * 0x1p-24;
  var value = select(0.0, FACTOR * x[i], random >= RATE);
  if (ACCUMULATE) { value += y[i]; }
  y[i] = value;
}
