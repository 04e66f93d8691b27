// c[m, n] = Σ_k a(m, k) · b(k, n) for each of u.batch pairs. With u.reduce > 1 a result sums that many pairs.
// a(m, k) = a[m · row_a + k · step_a],  b(k, n) = b[n · column_b + k · step_b]: any operand may be transposed.
// A thread computes ROWS rows × 4 neighbouring columns: 32 products for 12 loads, and the loads take the time.
// Written out, every index of an array is constant; else some compilers leave arrays in memory.
const ROWS = 8;

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

@compute @workgroup_size(4)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_id) lane: vec3u) {
  let tiles_n = (u.n + 15u) / 16u;
  let tiles_m = (u.m + ROWS - 1u) / ROWS;
  let tile = group.x + group.y * groups.x;
  let batch = tile / tiles_n / tiles_m;
  if (batch >= u.batch) { return; }
  let m0 = tile / tiles_n % tiles_m * ROWS;
  let n0 = tile % tiles_n * 16u + lane.x * 4u;
  let columns = min(n0 + vec4u(0, 1, 2, 3), vec4u(u.n - 1u)) * u.column_b;

  var sum: array<vec4f, ROWS>;
  for (var r = 0u; r < u.reduce; r++) {
    let pair = batch * u.reduce + r;
    var at_b = pair * u.stride_b + columns;
    var at_a: array<u32, ROWS>;
    @diagnostic(off, trm.unroll) for (var i = 0u; i < ROWS; i++) {
      at_a[i] = pair * u.stride_a + min(m0 + i, u.m - 1u) * u.row_a;
    }
    for (var k = 0u; k < u.k; k++) {
      let right = vec4f(b[at_b.x], b[at_b.y], b[at_b.z], b[at_b.w]);
      @diagnostic(off, trm.unroll) for (var i = 0u; i < ROWS; i++) {
        sum[i] = fma(vec4f(a[at_a[i]]), right, sum[i]);
        at_a[i] += u.step_a;
      }
      at_b += u.step_b;
    }
  }
  @diagnostic(off, trm.unroll) for (var i = 0u; i < ROWS; i++) {
    @diagnostic(off, trm.unroll) for (var j = 0u; j < 4u; j++) {
      if (m0 + i < u.m && n0 + j < u.n) {
        let at = (batch * u.m + m0 + i) * u.n + n0 + j;
        if (u.accumulate != 0u) { c[at] += sum[i][j]; } else { c[at] = sum[i][j]; }
      }
    }
  }
}
