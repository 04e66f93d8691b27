// matmul.shared.wgsl for rows of c of any length.
#import matmul.shared.wgsl
const PUT = 1;

@group(0) @binding(2) var<storage, read_write> c: array<f32>;

// Stores the first `count` of four neighbours: those that lie in the row.
fn put(at: u32, value: mat2x4f, count: u32) {
  put_one(at, value[0].x);
  if (count > 1u) { put_one(at + 1u, value[0].y); }
  if (count > 2u) { put_one(at + 2u, value[0].z); }
  if (count > 3u) { put_one(at + 3u, value[0].w); }
}

fn put_one(at: u32, value: f32) {
  var sum = value;
  if (u.accumulate != 0u) { sum += c[at]; }
  c[at] = sum;
}
