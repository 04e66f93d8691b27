// As rmsnorm.wgsl, or with BACKWARD as rmsnorm_backward.wgsl, for GPUs: each value is read once and stays in registers.
// Tensors are (outer, width, inner) units of 8 elements, normed over width. LANES threads share a row of units: lane l has l, l + LANES, …,
// CHUNKS of them. Neighbouring threads read neighbouring units. ACROSS: each element of a unit has a norm of its own; else (inner is 1) a row has one.
struct Parameters { rows: u32, width: u32, inner: u32 }
const LANES = 32;
const CHUNKS = 2;
const ACROSS = false;
override BACKWARD: bool;
override HAS_RESIDUAL: bool;
override EPSILON: f32;

@group(0) @binding(0) var<storage, read> a: array<vec4f>; // x; or y
@group(0) @binding(1) var<storage, read> b: array<vec4f>; // the residual; or dy
@group(0) @binding(2) var<storage, read_write> c: array<vec4f>; // y; or ds
@group(0) @binding(3) var<storage, read_write> scale: array<f32>;
@group(0) @binding(4) var<uniform> p: Parameters;

const THREADS = 256u;
const GROUPS = THREADS / LANES;
const APART = select(1u, GROUPS, ACROSS);

var<workgroup> partial: array<mat2x4f, THREADS>;

fn times(x: mat2x4f, y: mat2x4f) -> mat2x4f { return mat2x4f(x[0] * y[0], x[1] * y[1]); }

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) thread: u32) {
  let lane = select(thread % LANES, thread / GROUPS, ACROSS);
  let row = (group.x + group.y * groups.x) * GROUPS + select(thread / LANES, thread % GROUPS, ACROSS);
  let last = min(row, p.rows - 1u); // threads beyond the last row read it
  let first = last / p.inner * p.width * p.inner + last % p.inner;

  var u: array<mat2x4f, CHUNKS>;
  var v: array<mat2x4f, CHUNKS>;
  @diagnostic(off, trm.unroll) for (var i = 0u; i < CHUNKS; i++) {
    let at = (first + min(i * LANES + lane, p.width - 1u) * p.inner) * 2u;
    u[i] = mat2x4f(a[at], a[at + 1u]);
    if (BACKWARD || HAS_RESIDUAL) { v[i] = mat2x4f(b[at], b[at + 1u]); }
    if (!BACKWARD) {
      u[i] += v[i];
      v[i] = u[i];
    }
  }
  var sum: mat2x4f;
  @diagnostic(off, trm.unroll) for (var i = 0u; i < CHUNKS; i++) {
    if (i * LANES + lane < p.width) { sum += times(u[i], v[i]); }
  }
  partial[thread] = sum;
  workgroupBarrier();
  for (var half = u32(LANES) / 2u; half > 0u; half /= 2u) {
    if (lane < half) { partial[thread] += partial[thread + half * APART]; }
    workgroupBarrier();
  }
  var mean = partial[thread - lane * APART] * (1.0 / f32(p.width));
  if (row >= p.rows) { return; }

  var factor: mat2x4f;
  if (!ACROSS) {
    let all = vec4f(dot(mean[0] + mean[1], vec4f(0.125)));
    mean = mat2x4f(all, all);
  }
  if (BACKWARD) {
    if (ACROSS) {
      let at = row * 8u;
      factor = mat2x4f(scale[at], scale[at + 1u], scale[at + 2u], scale[at + 3u], scale[at + 4u], scale[at + 5u], scale[at + 6u], scale[at + 7u]);
    } else { factor = mat2x4f(vec4f(scale[row]), vec4f(scale[row])); }
  } else {
    factor = mat2x4f(inverseSqrt(mean[0] + EPSILON), inverseSqrt(mean[1] + EPSILON));
    if (lane == 0u) {
      if (ACROSS) {
        @diagnostic(off, trm.unroll) for (var i = 0u; i < 8u; i++) { scale[row * 8u + i] = factor[i / 4u][i % 4u]; }
      } else { scale[row] = factor[0].x; }
    }
  }
  @diagnostic(off, trm.unroll) for (var i = 0u; i < CHUNKS; i++) {
    if (i * LANES + lane < p.width) {
      let at = (first + (i * LANES + lane) * p.inner) * 2u;
      var value = times(u[i], factor);
      if (BACKWARD) { value = times(factor, v[i] - times(u[i], mean)); }
      c[at] = value[0];
      c[at + 1u] = value[1];
    }
  }
}
