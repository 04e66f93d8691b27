// matmul_tiled.shared.wgsl for rows of c of even length.
#import matmul_tiled.shared.wgsl

@group(0) @binding(2) var<storage, read_write> c: array<vec2f>;

// Stores two neighbours from column n on, if they exist, of the row that begins at `start`.
fn put(start: u32, n: u32, value: vec2f) {
  if (n < u.n) {
    var sum = value;
    if (u.accumulate != 0u) { sum += c[(start + n) / 2u]; }
    c[(start + n) / 2u] = sum;
  }
}
