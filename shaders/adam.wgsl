// One step of AdamATan2, or of AdamW with ATAN2 = false, and of the exponential moving average (EMA), over all parameters at once.
//   p *= 1 − lr · wd;   m = lerp(m, g, 1 − β1);   v = lerp(v, g², 1 − β2)
//   AdamATan2: p −= lr / (1 − β1ᵗ) · atan2(m, sqrt(v) / sqrt(1 − β2ᵗ))      (m is not corrected inside; atan2(0, 0) counts as 0)
//   AdamW:     p −= lr / (1 − β1ᵗ) · m / (sqrt(v) / sqrt(1 − β2ᵗ) + 1e-8)
//   average = lerp(p, average, EMA rate)
// schedule: [1 − lr · wd, lr / (1 − β1ᵗ), 1 / sqrt(1 − β2ᵗ), gradient factor, step, 1 to skip the step]. One thread per parameter.
// broken, of the first step that left something not finite: [step, 2 · lowest such parameter + (0: its gradient or that one's square, 1: its value), how many].
override THREADS: u32;
override COUNT: u32;
override BETA1: f32;
override BETA2: f32;
override EMA_RATE: f32;
override HAS_AVERAGE: bool;
override ATAN2: bool;

@group(0) @binding(0) var<storage, read> schedule: array<f32>;
@group(0) @binding(1) var<storage, read> gradients: array<f32>;
@group(0) @binding(2) var<storage, read_write> values: array<f32>;
@group(0) @binding(3) var<storage, read_write> m: array<f32>;
@group(0) @binding(4) var<storage, read_write> v: array<f32>;
@group(0) @binding(5) var<storage, read_write> average: array<f32>;
@group(0) @binding(6) var<storage, read_write> broken: array<atomic<u32>, 3>;

// By its bits: comparing a number with itself does not find NaN on every adapter.
fn finite(x: f32) -> bool { return (bitcast<u32>(x) & 0x7f800000u) != 0x7f800000u; }

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) thread: u32) {
  let i = (group.x + group.y * groups.x) * THREADS + thread;
  if (i >= COUNT || schedule[5] != 0.0) { return; }
  let g = gradients[i] * schedule[3];
  let mean = m[i] + (1.0 - BETA1) * (g - m[i]);
  let square = v[i] + (1.0 - BETA2) * (g * g - v[i]);
  m[i] = mean;
  v[i] = square;
  let root = sqrt(square) * schedule[2];
  var direction = 0.0;
  if (ATAN2) {
    if (mean != 0.0 || root != 0.0) { direction = atan2(mean, root); }
  } else {
    direction = mean / (root + 1e-8);
  }
  let value = values[i] * schedule[0] - schedule[1] * direction;
  values[i] = value;
  if (HAS_AVERAGE) { average[i] = average[i] * EMA_RATE + value * (1.0 - EMA_RATE); }
  let moved = finite(g) && finite(square);
  if (moved && finite(value)) { return; }
  let step = u32(schedule[4]);
  if (atomicMin(&broken[0], step) < step) { return; }
  atomicMin(&broken[1], 2u * i + select(0u, 1u, moved));
  atomicAdd(&broken[2], 1u);
}
