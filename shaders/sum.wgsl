// y[row] = FACTOR · Σ x over a row; the last row may be shorter, as x has `count` elements.
#import rows.shared.wgsl
override FACTOR: f32;

// Not overrides, so that one pipeline serves every size.
struct Uniforms { rows: u32, width: u32, count: u32 }

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@group(0) @binding(2) var<uniform> u: Uniforms;

@compute @workgroup_size(LANES * GROUPS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) thread: u32) {
  let row = (group.x + group.y * groups.x) * GROUPS + thread / LANES;
  let start = min(row, u.rows - 1u) * u.width;
  let end = min(u.count, start + u.width);
  var sum = 0.0;
  for (var i = start + thread % LANES; i < end; i += LANES) { sum += x[i]; }
  sum = over_row(thread, sum, false);
  if (row < u.rows && thread % LANES == 0u) { y[row] = FACTOR * sum; }
}
