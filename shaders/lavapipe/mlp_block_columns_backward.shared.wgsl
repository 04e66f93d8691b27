// What the derivatives of mlp_block_columns.wgsl share: the gradient of the input of down, for four inner rows.
#import mlp_block_columns.shared.wgsl
@group(0) @binding(0) var s: texture_storage_2d<rgba32float, read>;
@group(0) @binding(1) var ds: texture_storage_2d<rgba32float, read>;

// d += downᵀ · d_rows, only rows first … first + 7.
fn add_through_down(
  d: ptr<function, array<vec4f, 4>>,
  d_rows: ptr<function, array<vec4f, LENGTH>>,
  first: u32,
  j: u32,
  lane: u32
) {
  let w = load_down(first, j, lane);
  @diagnostic(off, trm.unroll) for (var r = 0u; r < 8; r++) {
    if (first + r < LENGTH) {
      let v = d_rows[first + r];
      d[0] += subgroupShuffle(w.x, r) * v;
      d[1] += subgroupShuffle(w.y, r) * v;
      d[2] += subgroupShuffle(w.z, r) * v;
      d[3] += subgroupShuffle(w.w, r) * v;
    }
  }
}

// d = downᵀ · d_rows.
fn through_down(d: ptr<function, array<vec4f, 4>>, d_rows: ptr<function, array<vec4f, LENGTH>>, j: u32, lane: u32) {
  @diagnostic(off, trm.unroll) for (var r = 0u; r < 4; r++) { d[r] = vec4f(); }
  add_through_down(d, d_rows, 0u, j, lane);
  if (LENGTH > 8u) { add_through_down(d, d_rows, 8u, j, lane); }
  if (LENGTH > 16u) { add_through_down(d, d_rows, 16u, j, lane); }
}
