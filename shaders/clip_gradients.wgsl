// Clipping by global norm: norm = factor · sqrt(Σ sums), factor *= min(1, CLIP_NORM / (norm + 1e-6)), where factor = schedule[3] (see adam.wgsl).
// One thread: there are few sums.
override PARTS: u32;
override CLIP_NORM: f32;

@group(0) @binding(0) var<storage, read> sums: array<f32>;
@group(0) @binding(1) var<storage, read_write> schedule: array<f32>;

@compute @workgroup_size(1)
fn main() {
  var sum = 0.0;
  for (var p = 0u; p < PARTS; p++) { sum += sums[p]; }
  schedule[3] *= min(1.0, CLIP_NORM / (schedule[3] * sqrt(sum) + 1e-6));
}
