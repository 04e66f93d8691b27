// Clips the gradients by their global norm. With factor = schedule[3] (see adam.wgsl):
// norm = factor · sqrt(Σ sums),  factor *= min(1, CLIP_NORM / (norm + 1e-6)).
// One thread, because there are few sums.
override PARTS: u32;
override CLIP_NORM: f32;

@group(0) @binding(0) var<storage, read> sums: array<f32>;
@group(0) @binding(1) var<storage, read_write> schedule: array<f32>;

@compute @workgroup_size(1)
fn main() {
  var sum = 0.0;
  for (var part = 0u; part < PARTS; part++) { sum += sums[part]; }
  schedule[3] *= min(1.0, CLIP_NORM / (schedule[3] * sqrt(sum) + 1e-6));
}
