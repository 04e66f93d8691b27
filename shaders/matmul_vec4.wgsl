// c[m, n] = Σ_k a(m, k) · b(k, n) for each of u.batch pairs. With u.reduce > 1 a result sums that many pairs.
// a(m, k) = a[m · row_a + k · step_a],  b(k, n) = b[n · column_b + k · step_b]: any operand may be transposed.
// A thread computes 4 rows × 4 neighbouring columns, in four vec4f. No arrays: some compilers leave them in memory.
struct Uniforms {
  m: u32, n: u32, k: u32, batch: u32, reduce: u32,
  row_a: u32, step_a: u32, stride_a: u32,
  column_b: u32, step_b: u32, stride_b: u32,
  accumulate: u32,
}

@group(0) @binding(0) var<storage, read> a: array<f32>;
@group(0) @binding(1) var<storage, read> b: array<f32>;
@group(0) @binding(2) var<storage, read_write> c: array<f32>;
@group(0) @binding(3) var<uniform> u: Uniforms;

fn store_row(batch: u32, m: u32, n0: u32, sum: vec4f) {
  if (m >= u.m) { return; }
  let at = (batch * u.m + m) * u.n + n0;
  store(at, n0, sum.x);
  store(at + 1u, n0 + 1u, sum.y);
  store(at + 2u, n0 + 2u, sum.z);
  store(at + 3u, n0 + 3u, sum.w);
}

fn store(at: u32, n: u32, sum: f32) {
  if (n >= u.n) { return; }
  if (u.accumulate != 0u) { c[at] += sum; } else { c[at] = sum; }
}

@compute @workgroup_size(4, 4)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_id) lane: vec3u) {
  let tiles_n = (u.n + 15u) / 16u;
  let tiles_m = (u.m + 15u) / 16u;
  let tile = group.x + group.y * groups.x;
  let batch = tile / (tiles_n * tiles_m);
  if (batch >= u.batch) { return; }
  let m0 = ((tile / tiles_n) % tiles_m * 4u + lane.y) * 4u;
  let n0 = (tile % tiles_n * 4u + lane.x) * 4u;
  let rows = min(vec4u(m0) + vec4u(0, 1, 2, 3), vec4u(u.m - 1u)) * u.row_a + batch * u.reduce * u.stride_a;
  let columns = min(vec4u(n0) + vec4u(0, 1, 2, 3), vec4u(u.n - 1u)) * u.column_b + batch * u.reduce * u.stride_b;

  var sum0 = vec4f();
  var sum1 = vec4f();
  var sum2 = vec4f();
  var sum3 = vec4f();
  for (var r = 0u; r < u.reduce; r++) {
    var at_a = rows + r * u.stride_a;
    var at_b = columns + r * u.stride_b;
    for (var k = 0u; k < u.k; k++) {
      let right = vec4f(b[at_b.x], b[at_b.y], b[at_b.z], b[at_b.w]);
      sum0 = fma(vec4f(a[at_a.x]), right, sum0);
      sum1 = fma(vec4f(a[at_a.y]), right, sum1);
      sum2 = fma(vec4f(a[at_a.z]), right, sum2);
      sum3 = fma(vec4f(a[at_a.w]), right, sum3);
      at_a += u.step_a;
      at_b += u.step_b;
    }
  }
  store_row(batch, m0, n0, sum0);
  store_row(batch, m0 + 1u, n0, sum1);
  store_row(batch, m0 + 2u, n0, sum2);
  store_row(batch, m0 + 3u, n0, sum3);
}
