// matmul.shared.wgsl with a gate. It also stores c' = [gate | up], which the derivative needs.
// Rows of c have a multiple of 8 elements. The product is neither split nor accumulated.
#import matmul.shared.wgsl
const PUT = 2;

@group(0) @binding(2) var<storage, read_write> c: array<mat2x4f>;
@group(0) @binding(3) var<storage, read_write> both: array<mat2x4f>;
@group(0) @binding(4) var<uniform> u: Uniforms;

fn put(place: Place, first: mat2x4f, second: mat2x4f) {
  c[((place.result * c_rows() + place.m) * c_columns() + place.n) / 8u] = activated(first, second);
  // c' has the rows of gate before those of up, or, in each row, gate before up.
  let at = (place.result * u.m + place.m) * u.n + place.n;
  let apart = select(u.n / 2u, u.m / 2u * u.n, GATED == 2);
  both[at / 8u] = first;
  both[(at + apart) / 8u] = second;
}
