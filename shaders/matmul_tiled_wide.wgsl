// matmul_tiled.shared.wgsl for rows of c of even length.
#import matmul_tiled.shared.wgsl

@group(0) @binding(2) var<storage, read_write> c: array<vec2f>;

// Stores two neighbours of a row from column n on, if they exist.
fn put(row: u32, n: u32, value: vec2f) {
  if (n < u.n) {
    var sum = value;
    if (u.accumulate != 0u) { sum += c[(row + n) / 2u]; }
    c[(row + n) / 2u] = sum;
  }
}
