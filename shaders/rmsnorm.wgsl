// y = s / sqrt(mean(s²) + EPSILON), s = x + residual; the mean runs over the normed axis.
// rstd = 1 / sqrt(mean(s²) + EPSILON) is kept for the derivative.
// Tensors are (outer, WIDTH, STRIDE), normed over WIDTH. LANES threads share a row, GROUPS rows share a workgroup.
override LANES: u32;
override GROUPS: u32;
override ROWS: u32;
override WIDTH: u32;
override STRIDE: u32;
override EPSILON: f32;
override HAS_RESIDUAL: bool;

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> residual: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
@group(0) @binding(3) var<storage, read_write> rstd: array<f32>;

var<workgroup> partial: array<f32, LANES * GROUPS>;

@compute @workgroup_size(LANES * GROUPS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) thread: u32) {
  let lane = thread % LANES;
  let row = (group.x + group.y * groups.x) * GROUPS + thread / LANES;
  let start = min(row, ROWS - 1u) / STRIDE * WIDTH * STRIDE + row % STRIDE;

  var squares = 0.0;
  for (var i = lane; i < WIDTH; i += LANES) {
    let at = start + i * STRIDE;
    var s = x[at];
    if (HAS_RESIDUAL) { s += residual[at]; }
    squares = fma(s, s, squares);
  }
  if (LANES > 1u) {
    partial[thread] = squares;
    workgroupBarrier();
    for (var half = LANES / 2u; half > 0u; half /= 2u) {
      if (lane < half) { partial[thread] += partial[thread + half]; }
      workgroupBarrier();
    }
    squares = partial[thread - lane];
  }
  if (row >= ROWS) { return; }

  let row_rstd = inverseSqrt(squares / f32(WIDTH) + EPSILON);
  if (lane == 0u) { rstd[row] = row_rstd; }
  for (var i = lane; i < WIDTH; i += LANES) {
    let at = start + i * STRIDE;
    var s = x[at];
    if (HAS_RESIDUAL) { s += residual[at]; }
    y[at] = s * row_rstd;
  }
}
