// matmul.shared.wgsl with rows of c that are multiples of 4 long.
#import matmul.shared.wgsl
@group(0) @binding(2) var<storage, read_write> c: array<vec4f>;

// Four neighbours; `at` counts single results.
fn put(at: u32, value: vec4f, count: u32) {
  var sum = value;
  if (p.accumulate != 0u) { sum += c[at / 4u]; }
  c[at / 4u] = sum;
}
