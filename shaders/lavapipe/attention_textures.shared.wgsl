// What attention by textures and its derivatives begin with: sizes, q, k and v in a texture, loads of four values, as they are or turned by their position.
// With ROPE the halves x₁, x₂ of q and k are turned as in rope.wgsl; HEAD_DIM is then 8, 16, 32 or 64.
enable subgroups;

struct Uniforms { length: u32, heads: u32, tiles: u32, groups: u32, columns: u32 }

const TEXELS_PER_ROW = 1024;
const TILE = 16;
const GROUPS = 2; // of eight rows
const HEAD_DIM = 32; // a multiple of 4, at most 64
const ROPE = true;
const HALF = u32(HEAD_DIM) / 2u;

@group(0) @binding(0) var qkv: texture_storage_2d<rgba32float, read>;
@group(0) @binding(1) var table: texture_storage_2d<rgba32float, read>;

fn load(at: u32) -> vec4f { return textureLoad(qkv, vec2u(at / 4u % TEXELS_PER_ROW, at / 4u / TEXELS_PER_ROW)); }

// Cosines and sines of the pairs d … d + 3 at this position.
fn angles(position: u32, d: u32) -> mat2x4f {
  let at = (position * HEAD_DIM + 2u * d) / 4u;
  let a = textureLoad(table, vec2u(at % TEXELS_PER_ROW, at / TEXELS_PER_ROW));
  let b = textureLoad(table, vec2u((at + 1u) % TEXELS_PER_ROW, (at + 1u) / TEXELS_PER_ROW));
  return mat2x4f(vec4f(a.xz, b.xz), vec4f(a.yw, b.yw));
}

// The columns of a step: with ROPE blocks of the first half and of the second in turn.
fn column_of(step: u32) -> u32 {
  if (ROPE) { return step / 2u * 4u + step % 2u * HALF; }
  return step * 4u;
}

// Columns d … d + 3 of a row that begins at `at`; with ROPE those of both halves, turned.
fn load_row(at: u32, position: u32, d: u32) -> mat2x4f {
  let low = load(at + d);
  if (!ROPE) { return mat2x4f(low, vec4f()); }
  let high = load(at + HALF + d);
  let turn = angles(position, d);
  return mat2x4f(low * turn[0] - high * turn[1], high * turn[0] + low * turn[1]);
}

// The same of four rows; a column of the result is one column of all rows.
fn load_rows(at: vec4u, positions: vec4u, d: u32) -> array<mat4x4f, 2> {
  let rows = array(load_row(at.x, positions.x, d), load_row(at.y, positions.y, d), load_row(at.z, positions.z, d), load_row(at.w, positions.w, d));
  return array(transpose(mat4x4f(rows[0][0], rows[1][0], rows[2][0], rows[3][0])), transpose(mat4x4f(rows[0][1], rows[1][1], rows[2][1], rows[3][1])));
}

// Four columns of a step: of the TILE rows from `first` on, eight rows at a time, of a head's rows that begin at `origin`, and of the four rows `there` that begin at `at`.
// With ROPE every other step has the second halves, which were turned with the first ones and wait in `next`, `next_there`.
fn load_step(rows: ptr<function, array<vec4f, GROUPS>>, next: ptr<function, array<vec4f, GROUPS>>, rows_there: ptr<function, mat4x4f>, next_there: ptr<function, mat4x4f>, step: u32, origin: u32, first: u32, at: vec4u, there: vec4u, lane: u32) {
  if (ROPE && step % 2u == 1u) {
    @diagnostic(off, trm.unroll) for (var i = 0u; i < GROUPS; i++) { rows[i] = next[i]; }
    *rows_there = *next_there;
  } else {
    let d = step * select(4u, 2u, ROPE);
    @diagnostic(off, trm.unroll) for (var i = 0u; i < GROUPS; i++) {
      let row = min(first + i * 8u + lane, p.length - 1u);
      let both = load_row(origin + row * 3u * p.heads * HEAD_DIM, row, d);
      rows[i] = both[0];
      next[i] = both[1];
    }
    let both = load_rows(at, there, d);
    *rows_there = both[0];
    *next_there = both[1];
  }
}

// Each lane has four columns from lane · 4 on; direction −1 turns back.
fn turn_lanes(x: vec4f, position: u32, lane: u32, direction: f32) -> vec4f {
  let turn = angles(position, lane * 4u % HALF);
  return x * turn[0] + subgroupShuffleXor(x, HALF / 4u) * turn[1] * select(-direction, direction, lane * 4u >= HALF);
}

// The lane's columns from `column` on, and those from 32 on, of the row that begins at `at`.
fn load_columns(at: u32, position: u32, lane: u32) -> mat2x4f {
  if (ROPE && HEAD_DIM > 32) { return load_row(at, position, lane * 4u); }
  let low = load(at + min(lane * 4u, HEAD_DIM - 4u));
  if (ROPE) { return mat2x4f(turn_lanes(low, position, lane, 1.0), vec4f()); }
  if (HEAD_DIM > 32) { return mat2x4f(low, load(at + min(32u + lane * 4u, HEAD_DIM - 4u))); }
  return mat2x4f(low, vec4f());
}

// sums of row i += row i of x, of which the lanes have eight rows each time, · y.
fn add_products(sums: ptr<function, array<vec4f, TILE>>, x: ptr<function, array<vec4f, GROUPS>>, y: mat4x4f) {
  @diagnostic(off, trm.unroll) for (var i = 0u; i < TILE; i++) {
    var sum = sums[i];
    @diagnostic(off, trm.unroll) for (var c = 0u; c < 4; c++) { sum += subgroupShuffle(x[i / 8u][c], i % 8u) * y[c]; }
    sums[i] = sum;
  }
}

// sums of row i += the four weights that lane l has of row i · y.
fn add_weighted(sums: ptr<function, array<vec4f, TILE>>, weights: ptr<function, array<vec4f, TILE>>, l: u32, y: ptr<function, array<vec4f, 4>>) {
  @diagnostic(off, trm.unroll) for (var i = 0u; i < TILE; i++) {
    var sum = sums[i];
    @diagnostic(off, trm.unroll) for (var c = 0u; c < 4; c++) { sum += subgroupShuffle(weights[i][c], l) * y[c]; }
    sums[i] = sum;
  }
}
