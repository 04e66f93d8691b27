// shares[row] = −log softmax(logits[row])[targets[row]] / counted; their sum is the mean over rows whose target counts.
// Targets count unless they are negative or IGNORED. A target beyond the classes gives the largest float32,
// as a kernel cannot fail.
// totals = (largest logit, Σ exp(logit − largest)) of each row, for the derivative.
#import rows.shared.wgsl
override IGNORED: i32;

// Not overrides, so that one pipeline serves every size.
struct Uniforms { rows: u32, classes: u32 }

@group(0) @binding(0) var<storage, read> logits: array<f32>;
@group(0) @binding(1) var<storage, read> targets: array<i32>;
@group(0) @binding(2) var<storage, read> counted: array<f32>;
@group(0) @binding(3) var<storage, read_write> totals: array<vec2f>;
@group(0) @binding(4) var<storage, read_write> shares: array<f32>;
@group(0) @binding(5) var<uniform> p: Uniforms;

@compute @workgroup_size(LANES * GROUPS)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) thread: u32
) {
  let row = (group.x + group.y * groups.x) * GROUPS + thread / LANES;
  let line = min(row, p.rows - 1u);
  let start = line * p.classes;
  var most = -3.4e38;
  for (var i = thread % LANES; i < p.classes; i += LANES) { most = max(most, logits[start + i]); }
  most = over_row(thread, most, true);
  var sum = 0.0;
  for (var i = thread % LANES; i < p.classes; i += LANES) { sum += exp(logits[start + i] - most); }
  sum = over_row(thread, sum, false);
  if (row >= p.rows || thread % LANES > 0u) { return; }
  totals[row] = vec2f(most, sum);
  let label = targets[row];
  var share = 0.0;
  if (label >= i32(p.classes)) {
    share = 3.4e38;
  } else if (label >= 0 && label != IGNORED) {
    share = (most - logits[start + u32(label)] + log(sum)) / counted[0];
  }
  shares[row] = share;
}
