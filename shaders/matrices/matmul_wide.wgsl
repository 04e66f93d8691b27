// matmul.shared.wgsl for rows of c whose length is a multiple of 8.
#import matmul.shared.wgsl
const PUT = 2;

@group(0) @binding(2) var<storage, read_write> c: array<mat2x4f>;
@group(0) @binding(3) var<uniform> u: Uniforms;

// Stores eight neighbours.
fn put(place: Place, first: mat2x4f, second: mat2x4f) {
  let at = ((place.result * c_rows() + place.m) * c_columns() + place.n) / 8u;
  var sum = activated(first, second);
  if (u.accumulate != 0u) { sum += c[at]; }
  c[at] = sum;
}
