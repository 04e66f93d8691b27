// d_logits = d_shares · (softmax(logits) − [class = target]) / counted in rows whose target counts, else 0.
// One thread per logit.
override THREADS: u32;
override CLASSES: u32;
override IGNORED: i32;

// Not an override, so that one pipeline serves every number of rows.
struct Uniforms { count: u32 }

@group(0) @binding(0) var<storage, read> logits: array<f32>;
@group(0) @binding(1) var<storage, read> targets: array<i32>;
@group(0) @binding(2) var<storage, read> counted: array<f32>;
@group(0) @binding(3) var<storage, read> totals: array<vec2f>;
@group(0) @binding(4) var<storage, read> d_shares: array<f32>;
@group(0) @binding(5) var<storage, read_write> d_logits: array<f32>;
@group(0) @binding(6) var<uniform> u: Uniforms;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) thread: u32) {
  let i = (group.x + group.y * groups.x) * THREADS + thread;
  if (i >= u.count) { return; }
  let row = i / CLASSES;
  let label = targets[row];
  var slope = 0.0;
  if (label >= 0 && label != IGNORED) {
    let is_label = select(0.0, 1.0, u32(label) == i % CLASSES);
    slope = d_shares[row] * (exp(logits[i] - totals[row].x) / totals[row].y - is_label) / counted[0];
  }
  d_logits[i] = slope;
}
