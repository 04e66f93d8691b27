// One step of AdamATan2 (AdamW where ATAN2 is false) and of the exponential moving average (EMA) of all parameters.
//   p *= 1 − lr · wd;   m = lerp(m, g, 1 − β1);   v = lerp(v, g², 1 − β2)
//   AdamATan2: p −= lr / (1 − β1ᵗ) · atan2(m, sqrt(v) / sqrt(1 − β2ᵗ)), where atan2(0, 0) = 0
//   AdamW:     p −= lr / (1 − β1ᵗ) · m / (sqrt(v) / sqrt(1 − β2ᵗ) + 1e-8)
//   average = lerp(p, average, EMA_RATE)
// AdamATan2 corrects the bias of m by the factor in front, not inside of atan2.
// schedule: [1 − lr · wd, lr / (1 − β1ᵗ), 1 / sqrt(1 − β2ᵗ), gradient factor, step, 1 to skip the step].
// broken describes the first step with a result that is not finite: [step, 2 · i + kind, number of such parameters].
// i is the lowest such parameter. kind is 0 if its gradient (or the square) is not finite, 1 if only its value is not.
// One thread per parameter.
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

// Reads the bits: comparing a number with itself does not find NaN on every adapter.
fn is_finite(x: f32) -> bool { return (bitcast<u32>(x) & 0x7f800000u) != 0x7f800000u; }

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) thread: u32) {
  let i = (group.x + group.y * groups.x) * THREADS + thread;
  if (i >= COUNT || schedule[5] != 0.0) { return; }
  let g = gradients[i] * schedule[3];
  let m_new = m[i] + (1.0 - BETA1) * (g - m[i]);
  let v_new = v[i] + (1.0 - BETA2) * (g * g - v[i]);
  m[i] = m_new;
  v[i] = v_new;
  let sqrt_v = sqrt(v_new) * schedule[2];
  var direction = 0.0;
  if (ATAN2) {
    if (m_new != 0.0 || sqrt_v != 0.0) { direction = atan2(m_new, sqrt_v); }
  } else {
    direction = m_new / (sqrt_v + 1e-8);
  }
  let value = values[i] * schedule[0] - schedule[1] * direction;
  values[i] = value;
  if (HAS_AVERAGE) { average[i] = average[i] * EMA_RATE + value * (1.0 - EMA_RATE); }
  let gradient_is_finite = is_finite(g) && is_finite(v_new);
  if (gradient_is_finite && is_finite(value)) { return; }
  let step = u32(schedule[4]);
  if (atomicMin(&broken[0], step) < step) { return; }
  atomicMin(&broken[1], 2u * i + select(0u, 1u, gradient_is_finite));
  atomicAdd(&broken[2], 1u);
}
