// What attention in tiles and its derivatives begin with, for GPUs: a workgroup of 64 threads owns 32 rows of a head and walks over 32 other rows at a time,
// in two kinds of products: own rows by other rows, then weights of these by rows again. Thread (x, y), 8 of each, has own rows 4 y … 4 y + 3.
// Which rows: Q, K, V of qkv, or D_O of the output's gradient. With ROPE q and k are turned as in rope.wgsl as they are loaded.
// blocks is BLOCKS, tile is TILE, for loops that compilers should not unroll. Loops that index registers are marked: these are unrolled.
struct Uniforms { length: u32, heads: u32, tiles: u32, groups: u32, blocks: u32, tile: u32 }

const HEAD_DIM = 64; // a multiple of 8 up to 32, of 32 up to 128
const ROPE = true;

const Q = 0u;
const K = 1u;
const V = 2u;
const D_O = 3u;
const TILE = 32u;
const BLOCKS = u32(HEAD_DIM) / 4u; // of four columns, in a row
const PARTS = 2; // HEAD_DIM / 32, rounded up: blocks that a thread owns, x, x + 8, …
const DEPTH = min(BLOCKS, 8u); // blocks of a row that a product of rows stages at a time
const STRIDE = DEPTH + 1u; // from row to row, so that reads spread over the banks of the memory
const ROWS = select(32u, 16u, HEAD_DIM > 64); // rows that the other product stages at a time

@group(0) @binding(0) var<storage, read> qkv: array<vec4f>;
@group(0) @binding(1) var<storage, read> table: array<vec4f>;

var<workgroup> staged: array<vec4f, 576>;
var<workgroup> weights: array<vec4f, 256>; // by other rows, then blocks of four own rows

var<private> batch: u32;
var<private> head: u32;
var<private> thread: u32;

// Four columns from d on, with those of the other half of the row, turned by the position; direction −1 turns back.
fn turn(value: vec4f, other: vec4f, position: u32, d: u32, direction: f32) -> vec4f {
  let half = u32(HEAD_DIM) / 2u;
  let at = (position * HEAD_DIM + 2u * (d % half)) / 4u;
  let a = table[at];
  let b = table[at + 1u];
  return value * vec4f(a.xz, b.xz) + other * vec4f(a.yw, b.yw) * select(-direction, direction, d >= half);
}

// A block of four columns of a row; 0 beyond the last row.
fn load(rows: u32, position: u32, block: u32) -> vec4f {
  if (position >= p.length) { return vec4f(); }
  let row = batch * p.length + position;
  if (rows == D_O) { return gradient((row * p.heads + head) * BLOCKS + block); }
  let at = ((row * 3u + rows) * p.heads + head) * BLOCKS;
  let value = qkv[at + block];
  if (!ROPE || rows == V) { return value; }
  return turn(value, qkv[at + (block + BLOCKS / 2u) % BLOCKS], position, block * 4u, 1.0);
}

fn stage(rows: u32, first: u32, block0: u32, at: u32) {
  for (var i = thread; i < TILE * min(p.blocks, DEPTH); i += 64u) { staged[at + i / DEPTH * STRIDE + i % DEPTH] = load(rows, first + i / DEPTH, block0 + i % DEPTH); }
}

// own · otherᵀ: for each of the thread's own rows the products with other rows x, x + 8, x + 16 and x + 24.
fn product(own: u32, own0: u32, other: u32, other0: u32) -> mat4x4f {
  let left = thread / 8u * 4u * STRIDE;
  let right = (TILE + thread % 8u) * STRIDE;
  var sum: mat4x4f;
  for (var block0 = 0u; block0 < p.blocks; block0 += DEPTH) {
    stage(own, own0, block0, 0u);
    stage(other, other0, block0, TILE * STRIDE);
    workgroupBarrier();
    for (var b = 0u; b < min(p.blocks, DEPTH); b++) {
      let others = mat4x4f(staged[right + b], staged[right + 8u * STRIDE + b], staged[right + 16u * STRIDE + b], staged[right + 24u * STRIDE + b]);
      sum[0] += staged[left + b] * others;
      sum[1] += staged[left + STRIDE + b] * others;
      sum[2] += staged[left + 2u * STRIDE + b] * others;
      sum[3] += staged[left + 3u * STRIDE + b] * others;
    }
    workgroupBarrier();
  }
  return sum;
}

// sum += what of each own row belongs to the other rows, laid out as by `product`, times these rows.
fn add_weighted(sum: ptr<function, array<mat4x4f, PARTS>>, what: mat4x4f, other: u32, other0: u32) {
  let columns = transpose(what);
  @diagnostic(off, trm.unroll) for (var c = 0u; c < 4u; c++) { weights[(thread % 8u + c * 8u) * 8u + thread / 8u] = columns[c]; }
  for (var row0 = 0u; row0 < p.tile; row0 += ROWS) {
    let first = other0 + row0;
    for (var i = thread; i < ROWS * p.blocks; i += 64u) { staged[i] = load(other, first + i / BLOCKS, i % BLOCKS); }
    workgroupBarrier();
    for (var r = 0u; r < min(ROWS, max(p.length, first) - first); r++) {
      let weight = weights[(row0 + r) * 8u + thread / 8u];
      @diagnostic(off, trm.unroll) for (var c = 0u; c < PARTS; c++) {
        let value = staged[r * BLOCKS + min(c * 8u + thread % 8u, BLOCKS - 1u)];
        (*sum)[c][0] = fma(vec4f(weight.x), value, (*sum)[c][0]);
        (*sum)[c][1] = fma(vec4f(weight.y), value, (*sum)[c][1]);
        (*sum)[c][2] = fma(vec4f(weight.z), value, (*sum)[c][2]);
        (*sum)[c][3] = fma(vec4f(weight.w), value, (*sum)[c][3]);
      }
    }
    workgroupBarrier();
  }
}

// Hands the own rows on to `store`, block by block; gradients of turned rows turned back.
fn store_rows(sum: ptr<function, array<mat4x4f, PARTS>>, rows: u32, own0: u32) {
  for (var row0 = 0u; row0 < p.tile; row0 += ROWS) {
    let own = thread / 8u * 4u;
    if (own >= row0 && own < row0 + ROWS) {
      @diagnostic(off, trm.unroll) for (var c = 0u; c < PARTS; c++) {
        let block = c * 8u + thread % 8u;
        if (block < BLOCKS) { @diagnostic(off, trm.unroll) for (var i = 0u; i < 4u; i++) { staged[(own - row0 + i) * BLOCKS + block] = (*sum)[c][i]; } }
      }
    }
    workgroupBarrier();
    for (var i = thread; i < ROWS * p.blocks; i += 64u) {
      let position = own0 + row0 + i / BLOCKS;
      let block = i % BLOCKS;
      if (position < p.length) {
        var value = staged[i];
        if (ROPE && rows < V) { value = turn(value, staged[i - block + (block + BLOCKS / 2u) % BLOCKS], position, block * 4u, -1.0); }
        store(rows, batch * p.length + position, block, value);
      }
    }
    workgroupBarrier();
  }
}
