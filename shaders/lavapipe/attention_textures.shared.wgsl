// What attention by textures and its derivatives share: sizes, q, k and v in a texture, loads of four values at a time.
// With ROPE, q and k are rotated on load: x₁ and x₂ are the halves of a head, as in rope.wgsl.
// HEAD_DIM is then 8, 16, 32 or 64.
// A subgroup of 8 lanes owns TILE rows of a head. A file that imports this one declares the uniforms `u`.
enable subgroups;

struct Uniforms { length: u32, heads: u32, tiles: u32, groups: u32, columns: u32 }

const TEXELS_PER_ROW = 1024;
const TILE = 16;
const GROUPS = 2; // of eight rows each: TILE / 8
const HEAD_DIM = 32; // a multiple of 4, at most 64
const ROPE = true;
const HALF = u32(HEAD_DIM) / 2u;

@group(0) @binding(0) var qkv: texture_storage_2d<rgba32float, read>;
@group(0) @binding(1) var table: texture_storage_2d<rgba32float, read>;

fn load(at: u32) -> vec4f { return textureLoad(qkv, vec2u(at / 4u % TEXELS_PER_ROW, at / 4u / TEXELS_PER_ROW)); }

// Cosines and sines of the pairs d … d + 3 at a position.
fn angles(position: u32, d: u32) -> mat2x4f {
  let at = (position * HEAD_DIM + 2u * d) / 4u;
  let a = textureLoad(table, vec2u(at % TEXELS_PER_ROW, at / TEXELS_PER_ROW));
  let b = textureLoad(table, vec2u((at + 1u) % TEXELS_PER_ROW, (at + 1u) / TEXELS_PER_ROW));
  return mat2x4f(vec4f(a.xz, b.xz), vec4f(a.yw, b.yw));
}

// The first of the four columns of a step. With ROPE the steps alternate between the first half and the second.
fn column_of(step: u32) -> u32 {
  if (ROPE) { return step / 2u * 4u + step % 2u * HALF; }
  return step * 4u;
}

// Columns d … d + 3 of the row that begins at `at`. With ROPE also those of the second half, all rotated.
fn load_row(at: u32, position: u32, d: u32) -> mat2x4f {
  let low = load(at + d);
  if (!ROPE) { return mat2x4f(low, vec4f()); }
  let high = load(at + HALF + d);
  let cos_sin = angles(position, d);
  return mat2x4f(low * cos_sin[0] - high * cos_sin[1], high * cos_sin[0] + low * cos_sin[1]);
}

// The same for four rows, transposed: a column of the result has one column of all four rows.
fn load_rows(at: vec4u, positions: vec4u, d: u32) -> array<mat4x4f, 2> {
  let rows = array(
    load_row(at.x, positions.x, d),
    load_row(at.y, positions.y, d),
    load_row(at.z, positions.z, d),
    load_row(at.w, positions.w, d)
  );
  return array(
    transpose(mat4x4f(rows[0][0], rows[1][0], rows[2][0], rows[3][0])),
    transpose(mat4x4f(rows[0][1], rows[1][1], rows[2][1], rows[3][1]))
  );
}

// Loads the four columns of a step, of two operands: `rows` gets the TILE own rows from `first` on, a row a lane;
// `others` gets the four rows at `positions`, which begin at `at`. The head's own rows begin at `origin`.
// With ROPE every second step takes second halves. They were rotated with the first halves and wait in `next` and
// `next_others`.
fn load_step(
  rows: ptr<function, array<vec4f, GROUPS>>,
  next: ptr<function, array<vec4f, GROUPS>>,
  others: ptr<function, mat4x4f>,
  next_others: ptr<function, mat4x4f>,
  step: u32,
  origin: u32,
  first: u32,
  at: vec4u,
  positions: vec4u,
  lane: u32
) {
  if (ROPE && step % 2u == 1u) {
    @diagnostic(off, trm.unroll) for (var i = 0u; i < GROUPS; i++) { rows[i] = next[i]; }
    *others = *next_others;
  } else {
    let d = step * select(4u, 2u, ROPE);
    @diagnostic(off, trm.unroll) for (var i = 0u; i < GROUPS; i++) {
      let row = min(first + i * 8u + lane, u.length - 1u);
      let both = load_row(origin + row * 3u * u.heads * HEAD_DIM, row, d);
      rows[i] = both[0];
      next[i] = both[1];
    }
    let both = load_rows(at, positions, d);
    *others = both[0];
    *next_others = both[1];
  }
}

// Rotates a row of which each lane has the four columns from lane · 4 on. direction −1 rotates back.
fn rotate_lanes(x: vec4f, position: u32, lane: u32, direction: f32) -> vec4f {
  let cos_sin = angles(position, lane * 4u % HALF);
  return x * cos_sin[0] +
    subgroupShuffleXor(x, HALF / 4u) * cos_sin[1] * select(-direction, direction, lane * 4u >= HALF);
}

// The lane's four columns of the row that begins at `at`, and its four columns from 32 on.
fn load_columns(at: u32, position: u32, lane: u32) -> mat2x4f {
  if (ROPE && HEAD_DIM > 32) { return load_row(at, position, lane * 4u); }
  let low = load(at + min(lane * 4u, HEAD_DIM - 4u));
  if (ROPE) { return mat2x4f(rotate_lanes(low, position, lane, 1.0), vec4f()); }
  if (HEAD_DIM > 32) { return mat2x4f(low, load(at + min(32u + lane * 4u, HEAD_DIM - 4u))); }
  return mat2x4f(low, vec4f());
}

// sums[i] += row i of x · y. Lane l has rows l and l + 8 of x.
fn add_products(sums: ptr<function, array<vec4f, TILE>>, x: ptr<function, array<vec4f, GROUPS>>, y: mat4x4f) {
  @diagnostic(off, trm.unroll) for (var i = 0u; i < TILE; i++) {
    var sum = sums[i];
    @diagnostic(off, trm.unroll) for (var c = 0u; c < 4; c++) { sum += subgroupShuffle(x[i / 8u][c], i % 8u) * y[c]; }
    sums[i] = sum;
  }
}

// sums[i] += the four weights that lane `source` has for row i · y.
fn add_weighted(
  sums: ptr<function, array<vec4f, TILE>>,
  weights: ptr<function, array<vec4f, TILE>>,
  source: u32,
  y: ptr<function, array<vec4f, 4>>
) {
  @diagnostic(off, trm.unroll) for (var i = 0u; i < TILE; i++) {
    var sum = sums[i];
    @diagnostic(off, trm.unroll) for (var c = 0u; c < 4; c++) { sum += subgroupShuffle(weights[i][c], source) * y[c]; }
    sums[i] = sum;
  }
}
