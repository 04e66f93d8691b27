// rmsnorm.wgsl and, with BACKWARD, rmsnorm_backward.wgsl, for GPUs: each value is read once and stays in registers.
// Tensors are (outer, width, stride) words of eight elements, normed over width.
// LANES threads share a row of words. Lane l has CHUNKS of them: l, l + LANES, …
// Neighbouring threads read neighbouring words.
// With ACROSS each element of a word has a norm of its own. Else stride is 1 and all elements of a row share one norm.
const LANES = 32;
const CHUNKS = 2;
const ACROSS = false;
const BACKWARD = false;
const GROUPS = 256u / LANES;
const APART = select(1u, GROUPS, ACROSS); // distance in threads from one lane of a row to the next
override EPSILON: f32;
override HAS_RESIDUAL: bool;

struct Uniforms { rows: u32, width: u32, stride: u32 }

@group(0) @binding(0) var<storage, read> x: array<mat2x4f>; // y with BACKWARD
@group(0) @binding(1) var<storage, read> residual: array<mat2x4f>; // dy with BACKWARD
@group(0) @binding(2) var<storage, read_write> y: array<mat2x4f>; // ds with BACKWARD
@group(0) @binding(3) var<storage, read_write> rstd: array<f32>;
@group(0) @binding(4) var<uniform> u: Uniforms;

var<workgroup> partial: array<mat2x4f, 256>;

fn times(a: mat2x4f, b: mat2x4f) -> mat2x4f { return mat2x4f(a[0] * b[0], a[1] * b[1]); }

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) thread: u32) {
  let lane = thread / APART % LANES;
  let row = (group.x + group.y * groups.x) * GROUPS + select(thread / LANES, thread % GROUPS, ACROSS);
  // Threads beyond the last row, or beyond the end of a row, read the last one.
  let clamped = min(row, u.rows - 1u);
  let first = clamped / u.stride * u.width * u.stride + clamped % u.stride;
  var a: array<mat2x4f, CHUNKS>;
  var b: array<mat2x4f, CHUNKS>;
  var sum: mat2x4f;
  @diagnostic(off, trm.unroll) for (var c = 0u; c < CHUNKS; c++) {
    let at = first + min(c * LANES + lane, u.width - 1u) * u.stride;
    a[c] = x[at];
    if (HAS_RESIDUAL) { b[c] = residual[at]; }
  }
  @diagnostic(off, trm.unroll) for (var c = 0u; c < CHUNKS; c++) {
    if (!BACKWARD) {
      a[c] += b[c];
      b[c] = a[c];
    }
    // Only the last chunk may be incomplete.
    if (c + 1u < CHUNKS || c * LANES + lane < u.width) { sum += times(a[c], b[c]); }
  }

  partial[thread] = sum;
  workgroupBarrier();
  for (var half = u32(LANES) / 2u; half > 0u; half /= 2u) {
    if (lane < half) { partial[thread] += partial[thread + half * APART]; }
    workgroupBarrier();
  }
  var mean = partial[thread - lane * APART] * (1.0 / f32(u.width));
  if (!ACROSS) {
    let all = vec4f(dot(mean[0] + mean[1], vec4f(0.125)));
    mean = mat2x4f(all, all);
  }
  if (row >= u.rows) { return; }

  var row_rstd: mat2x4f;
  let at = row * select(1u, 8u, ACROSS);
  if (!BACKWARD) { row_rstd = mat2x4f(inverseSqrt(mean[0] + EPSILON), inverseSqrt(mean[1] + EPSILON)); }
  @diagnostic(off, trm.unroll) for (var i = 0u; i < 8u; i++) {
    if (BACKWARD) { row_rstd[i / 4u][i % 4u] = rstd[at + select(0u, i, ACROSS)]; }
    else if (lane == 0u && (ACROSS || i == 0u)) { rstd[at + i] = row_rstd[i / 4u][i % 4u]; }
  }
  @diagnostic(off, trm.unroll) for (var c = 0u; c < CHUNKS; c++) {
    if (BACKWARD) { a[c] = b[c] - times(a[c], mean); }
    if (c + 1u < CHUNKS || c * LANES + lane < u.width) {
      y[first + (c * LANES + lane) * u.stride] = times(a[c], row_rstd);
    }
  }
}
