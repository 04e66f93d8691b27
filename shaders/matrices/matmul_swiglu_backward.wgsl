// matmul.shared.wgsl whose results are d, the gradient of silu(gate) ⊙ up. They are not stored: c holds [gate | up],
// which is overwritten by its gradient, after the formula of swiglu_backward.wgsl.
// Rows of d have a multiple of 8 elements. The product is neither split nor accumulated.
// OF_ROWS: the rows of gate come before those of up; else each row is [gate | up].
#import matmul.shared.wgsl
const PUT = 2;
const OF_ROWS = false;

@group(0) @binding(2) var<storage, read_write> c: array<mat2x4f>;
@group(0) @binding(3) var<uniform> u: Uniforms;

fn gate_gradient(d: vec4f, gate: vec4f, up: vec4f) -> vec4f {
  let sigmoid = 1.0 / (1.0 + exp(-gate));
  return d * up * sigmoid * (1.0 + gate * (1.0 - sigmoid));
}

fn put(place: Place, d: mat2x4f, second: mat2x4f) {
  let row = select(place.result * u.m + place.m, place.result * u.m * 2u + place.m, OF_ROWS);
  let at = row * select(u.n * 2u, u.n, OF_ROWS) + place.n;
  let at_up = at + select(u.n, u.m * u.n, OF_ROWS);
  let gate = c[at / 8u];
  let up = c[at_up / 8u];
  c[at / 8u] = mat2x4f(gate_gradient(d[0], gate[0], up[0]), gate_gradient(d[1], gate[1], up[1]));
  c[at_up / 8u] = mat2x4f(d[0] * silu(gate[0]), d[1] * silu(gate[1]));
}
