// matmul.shared.wgsl for rows of c whose length is a multiple of 8.
#import matmul.shared.wgsl
const PUT = 2;

@group(0) @binding(2) var<storage, read_write> c: array<mat2x4f>;

// Stores eight neighbours; `at` counts single results.
fn put(at: u32, value: mat2x4f, count: u32) {
  var sum = value;
  if (u.accumulate != 0u) { sum += c[at / 8u]; }
  c[at / 8u] = sum;
}
