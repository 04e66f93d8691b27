// ds = rstd · (dy − y · mean(y · dy)), the gradient of both x and residual.
// Layout and threads as in rmsnorm.wgsl.
override LANES: u32;
override GROUPS: u32;
override ROWS: u32;
override STRIDE: u32;

// Not an override: short rows would be written out, which is slow to compile.
struct Uniforms { width: u32 }

@group(0) @binding(0) var<storage, read> y: array<f32>;
@group(0) @binding(1) var<storage, read> rstd: array<f32>;
@group(0) @binding(2) var<storage, read> dy: array<f32>;
@group(0) @binding(3) var<storage, read_write> ds: array<f32>;
@group(0) @binding(4) var<uniform> p: Uniforms;

var<workgroup> partial: array<f32, LANES * GROUPS>;

@compute @workgroup_size(LANES * GROUPS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) thread: u32) {
  let lane = thread % LANES;
  let row = (group.x + group.y * groups.x) * GROUPS + thread / LANES;
  let start = min(row, ROWS - 1u) / STRIDE * p.width * STRIDE + row % STRIDE;

  var dot = 0.0;
  for (var i = lane; i < p.width; i += LANES) {
    let at = start + i * STRIDE;
    dot = fma(y[at], dy[at], dot);
  }
  if (LANES > 1u) {
    partial[thread] = dot;
    workgroupBarrier();
    for (var half = LANES / 2u; half > 0u; half /= 2u) {
      if (lane < half) { partial[thread] += partial[thread + half]; }
      workgroupBarrier();
    }
    dot = partial[thread - lane];
  }
  if (row >= ROWS) { return; }

  let mean = dot / f32(p.width);
  for (var i = lane; i < p.width; i += LANES) {
    let at = start + i * STRIDE;
    ds[at] = rstd[row] * (dy[at] - y[at] * mean);
  }
}
