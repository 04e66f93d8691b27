// dx = FACTOR · y · (dy − Σ y · dy) over rows: the gradient of x from that of y = softmax(FACTOR · x).
// Hidden values have y = 0, so they get 0.
#import rows.shared.wgsl
override FACTOR: f32;

// Not overrides, so that one pipeline serves every size.
struct Uniforms { rows: u32, width: u32 }

@group(0) @binding(0) var<storage, read> y: array<f32>;
@group(0) @binding(1) var<storage, read> dy: array<f32>;
@group(0) @binding(2) var<storage, read_write> dx: array<f32>;
@group(0) @binding(3) var<uniform> u: Uniforms;

@compute @workgroup_size(LANES * GROUPS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) thread: u32) {
  let row = (group.x + group.y * groups.x) * GROUPS + thread / LANES;
  let start = min(row, u.rows - 1u) * u.width;
  var dot = 0.0;
  for (var i = thread % LANES; i < u.width; i += LANES) { dot = fma(y[start + i], dy[start + i], dot); }
  dot = over_row(thread, dot, false);
  if (row >= u.rows) { return; }
  for (var i = thread % LANES; i < u.width; i += LANES) {
    dx[start + i] = FACTOR * y[start + i] * (dy[start + i] - dot);
  }
}
