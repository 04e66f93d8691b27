// Dynamic loss scaling, after the gradients of a step (Micikevicius et al., "Mixed Precision Training", 2018).
// found[0] says that some gradient is infinite or NaN: both optimisers then skip the step and the scale is halved.
// After INTERVAL good steps in a row the scale doubles. These factors are those of PyTorch's GradScaler.
// state: [scale, good steps in a row, β1ᵗ, β2ᵗ, skipped steps], where t counts the steps that were not skipped.
// The host writes schedule as [1 − lr · wd, –, –, –, step, skip, lr]; this kernel completes it to that of adam.wgsl.
// It also sets the skip of puzzle_schedule, [–, –, skip], for sign_sgd.wgsl. One thread.
override BETA1: f32;
override BETA2: f32;
override INTERVAL: f32;

@group(0) @binding(0) var<storage, read_write> found: array<u32>;
@group(0) @binding(1) var<storage, read_write> state: array<f32>;
@group(0) @binding(2) var<storage, read_write> schedule: array<f32>;
@group(0) @binding(3) var<storage, read_write> puzzle_schedule: array<f32>;

@compute @workgroup_size(1)
fn main() {
  let skip = select(0.0, 1.0, found[0] != 0u);
  found[0] = 0u;
  schedule[5] = skip;
  puzzle_schedule[2] = skip;
  if (skip != 0.0) {
    state[0] = max(0.5 * state[0], 1.0);
    state[1] = 0.0;
    state[4] += 1.0;
    return;
  }
  state[2] *= BETA1;
  state[3] *= BETA2;
  schedule[1] = schedule[6] / (1.0 - state[2]);
  schedule[2] = inverseSqrt(1.0 - state[3]);
  schedule[3] = 1.0 / state[0];
  state[1] += 1.0;
  if (state[1] >= INTERVAL) {
    state[0] = min(2.0 * state[0], 16777216.0);
    state[1] = 0.0;
  }
}
