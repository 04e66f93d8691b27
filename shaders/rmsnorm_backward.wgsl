// ds = rstd · (dy − y · mean(y · dy)): the gradient of both x and residual.
// Layout and threads are those of rmsnorm.wgsl.
override LANES: u32;
override GROUPS: u32;
override ROWS: u32;
override STRIDE: u32;

// Not an override: compilers would unroll the loop over a short row, which takes them long.
struct Uniforms { width: u32 }

@group(0) @binding(0) var<storage, read> y: array<f32>;
@group(0) @binding(1) var<storage, read> rstd: array<f32>;
@group(0) @binding(2) var<storage, read> dy: array<f32>;
@group(0) @binding(3) var<storage, read_write> ds: array<f32>;
@group(0) @binding(4) var<uniform> u: Uniforms;

var<workgroup> partial: array<f32, LANES * GROUPS>;

@compute @workgroup_size(LANES * GROUPS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) thread: u32) {
  let lane = thread % LANES;
  let row = (group.x + group.y * groups.x) * GROUPS + thread / LANES;
  let start = min(row, ROWS - 1u) / STRIDE * u.width * STRIDE + row % STRIDE;

  var sum = 0.0;
  for (var i = lane; i < u.width; i += LANES) {
    let at = start + i * STRIDE;
    sum = fma(y[at], dy[at], sum);
  }
  if (LANES > 1u) {
    partial[thread] = sum;
    workgroupBarrier();
    for (var half = LANES / 2u; half > 0u; half /= 2u) {
      if (lane < half) { partial[thread] += partial[thread + half]; }
      workgroupBarrier();
    }
    sum = partial[thread - lane];
  }
  if (row >= ROWS) { return; }

  let mean = sum / f32(u.width);
  for (var i = lane; i < u.width; i += LANES) {
    let at = start + i * STRIDE;
    ds[at] = rstd[row] * (dy[at] - y[at] * mean);
  }
}
