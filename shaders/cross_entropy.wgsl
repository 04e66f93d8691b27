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
@group(0) @binding(5) var<uniform> u: Uniforms;

@compute @workgroup_size(LANES * GROUPS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) thread: u32) {
  let row = (group.x + group.y * groups.x) * GROUPS + thread / LANES;
  let line = min(row, u.rows - 1u);
  let start = line * u.classes;
  var m = -3.4e38;
  for (var i = thread % LANES; i < u.classes; i += LANES) { m = max(m, logits[start + i]); }
  m = over_row(thread, m, true);
  var l = 0.0;
  for (var i = thread % LANES; i < u.classes; i += LANES) { l += exp(logits[start + i] - m); }
  l = over_row(thread, l, false);
  if (row >= u.rows || thread % LANES > 0u) { return; }
  totals[row] = vec2f(m, l);
  let label = targets[row];
  var share = 0.0;
  if (label >= i32(u.classes)) {
    share = 3.4e38;
  } else if (label >= 0 && label != IGNORED) {
    share = (m - logits[start + u32(label)] + log(l)) / counted[0];
  }
  shares[row] = share;
}
