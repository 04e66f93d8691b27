// matmul.shared.wgsl for rows of c of any length.
#import matmul.shared.wgsl
const PUT = 1;

@group(0) @binding(2) var<storage, read_write> c: array<f32>;
@group(0) @binding(3) var<uniform> u: Uniforms;

// Stores those of four neighbours that lie in the row.
fn put(place: Place, first: mat2x4f, second: mat2x4f) {
  let at = (place.result * c_rows() + place.m) * c_columns() + place.n;
  let value = activated(first, second)[0];
  let count = c_columns() - place.n;
  put_one(at, value.x);
  if (count > 1u) { put_one(at + 1u, value.y); }
  if (count > 2u) { put_one(at + 2u, value.z); }
  if (count > 3u) { put_one(at + 3u, value.w); }
}

fn put_one(at: u32, value: f32) {
  var sum = value;
  if (u.accumulate != 0u) { sum += c[at]; }
  c[at] = sum;
}
