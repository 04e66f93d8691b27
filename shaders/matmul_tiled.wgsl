// matmul_tiled.shared.wgsl for any length of rows of c.
#import matmul_tiled.shared.wgsl

@group(0) @binding(2) var<storage, read_write> c: array<f32>;

// Stores two neighbours from column n on, if they exist, of the row that begins at `start`.
fn put(start: u32, n: u32, value: vec2f) {
  @diagnostic(off, trm.unroll) for (var e = 0u; e < 2u; e++) {
    if (n + e < u.n) {
      var sum = value[e];
      if (u.accumulate != 0u) { sum += c[start + n + e]; }
      c[start + n + e] = sum;
    }
  }
}
