// What tiled attention and its derivatives share, for GPUs.
// A workgroup of 64 threads owns 32 rows of one head and walks over the other rows, 32 at a time (TILE).
// For each such block it computes two kinds of products: own rows · other rowsᵀ (`product`), then the weights that
// result from these · rows of the block (`add_weighted`).
// The threads form a square of 8 × 8. Thread (x, y) has the own rows 4 y … 4 y + 3.
// An operand is Q, K or V of qkv, or D_O, the gradient of o. With ROPE, q and k are rotated on load, as in rope.wgsl.
// u.blocks and u.tile repeat BLOCKS and TILE as run-time values, so that compilers do not unroll the loops over them.
// Loops that index registers are marked and do get unrolled (src/kernels/unroll.ts).
// A file that imports this one declares the uniforms `u`, `gradient` (loads d_o) and `store`.
struct Uniforms { length: u32, heads: u32, tiles: u32, groups: u32, blocks: u32, tile: u32 }

const HEAD_DIM = 64; // a multiple of 8 up to 32, of 32 up to 128
const ROPE = true;

const Q = 0u;
const K = 1u;
const V = 2u;
const D_O = 3u;
const TILE = 32u;
const BLOCKS = u32(HEAD_DIM) / 4u; // of four columns each, in a row
const OWN_BLOCKS = 2; // of a thread: x, x + 8, …; HEAD_DIM / 32, rounded up
const DEPTH = min(BLOCKS, 8u); // blocks of a row that `product` stages at a time
const STRIDE = DEPTH + 1u; // from row to row, so that reads spread over the memory banks
const ROWS = select(32u, 16u, HEAD_DIM > 64); // rows that `add_weighted` stages at a time

@group(0) @binding(0) var<storage, read> qkv: array<vec4f>;
@group(0) @binding(1) var<storage, read> table: array<vec4f>;

var<workgroup> staged: array<vec4f, 576>;
var<workgroup> weights: array<vec4f, 256>; // (TILE other rows, blocks of four own rows)

var<private> batch: u32;
var<private> head: u32;
var<private> thread: u32;

// Rotates four columns from d on by the position. `other` has the same columns of the other half of the row.
// direction −1 rotates back.
fn rotate(value: vec4f, other: vec4f, position: u32, d: u32, direction: f32) -> vec4f {
  let half = u32(HEAD_DIM) / 2u;
  let at = (position * HEAD_DIM + 2u * (d % half)) / 4u;
  let a = table[at];
  let b = table[at + 1u];
  return value * vec4f(a.xz, b.xz) + other * vec4f(a.yw, b.yw) * select(-direction, direction, d >= half);
}

// A block of four columns of an operand's row; 0 beyond the last row.
fn load(operand: u32, position: u32, block: u32) -> vec4f {
  if (position >= u.length) { return vec4f(); }
  let row = batch * u.length + position;
  if (operand == D_O) { return gradient((row * u.heads + head) * BLOCKS + block); }
  let at = ((row * 3u + operand) * u.heads + head) * BLOCKS;
  let value = qkv[at + block];
  if (!ROPE || operand == V) { return value; }
  return rotate(value, qkv[at + (block + BLOCKS / 2u) % BLOCKS], position, block * 4u, 1.0);
}

// Loads DEPTH blocks, from block0 on, of TILE rows from row0 on to staged[at …].
fn stage(operand: u32, row0: u32, block0: u32, at: u32) {
  for (var i = thread; i < TILE * min(u.blocks, DEPTH); i += 64u) {
    staged[at + i / DEPTH * STRIDE + i % DEPTH] = load(operand, row0 + i / DEPTH, block0 + i % DEPTH);
  }
}

// own · otherᵀ: column i has the products of own row i of the thread with the other rows x, x + 8, x + 16, x + 24.
fn product(own: u32, own0: u32, other: u32, other0: u32) -> mat4x4f {
  let own_at = thread / 8u * 4u * STRIDE;
  let other_at = (TILE + thread % 8u) * STRIDE;
  var sum: mat4x4f;
  for (var block0 = 0u; block0 < u.blocks; block0 += DEPTH) {
    stage(own, own0, block0, 0u);
    stage(other, other0, block0, TILE * STRIDE);
    workgroupBarrier();
    for (var b = 0u; b < min(u.blocks, DEPTH); b++) {
      let others = mat4x4f(
        staged[other_at + b],
        staged[other_at + 8u * STRIDE + b],
        staged[other_at + 16u * STRIDE + b],
        staged[other_at + 24u * STRIDE + b]
      );
      sum[0] += staged[own_at + b] * others;
      sum[1] += staged[own_at + STRIDE + b] * others;
      sum[2] += staged[own_at + 2u * STRIDE + b] * others;
      sum[3] += staged[own_at + 3u * STRIDE + b] * others;
    }
    workgroupBarrier();
  }
  return sum;
}

// sum += weights · other rows. own_weights: the weights of the thread's own rows, laid out as by `product`.
fn add_weighted(sum: ptr<function, array<mat4x4f, OWN_BLOCKS>>, own_weights: mat4x4f, other: u32, other0: u32) {
  let columns = transpose(own_weights);
  @diagnostic(off, trm.unroll) for (var c = 0u; c < 4u; c++) {
    weights[(thread % 8u + c * 8u) * 8u + thread / 8u] = columns[c];
  }
  for (var row0 = 0u; row0 < u.tile; row0 += ROWS) {
    let first_row = other0 + row0;
    for (var i = thread; i < ROWS * u.blocks; i += 64u) { staged[i] = load(other, first_row + i / BLOCKS, i % BLOCKS); }
    workgroupBarrier();
    for (var r = 0u; r < min(ROWS, max(u.length, first_row) - first_row); r++) {
      let weight = weights[(row0 + r) * 8u + thread / 8u];
      @diagnostic(off, trm.unroll) for (var c = 0u; c < OWN_BLOCKS; c++) {
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

// Passes the own rows to `store`, block by block. Gradients of rotated rows are rotated back.
fn store_rows(sum: ptr<function, array<mat4x4f, OWN_BLOCKS>>, operand: u32, own0: u32) {
  for (var row0 = 0u; row0 < u.tile; row0 += ROWS) {
    let own = thread / 8u * 4u;
    if (own >= row0 && own < row0 + ROWS) {
      @diagnostic(off, trm.unroll) for (var c = 0u; c < OWN_BLOCKS; c++) {
        let block = c * 8u + thread % 8u;
        if (block < BLOCKS) {
          @diagnostic(off, trm.unroll) for (var i = 0u; i < 4u; i++) {
            staged[(own - row0 + i) * BLOCKS + block] = (*sum)[c][i];
          }
        }
      }
    }
    workgroupBarrier();
    for (var i = thread; i < ROWS * u.blocks; i += 64u) {
      let position = own0 + row0 + i / BLOCKS;
      let block = i % BLOCKS;
      if (position < u.length) {
        var value = staged[i];
        if (ROPE && operand < V) {
          value = rotate(value, staged[i - block + (block + BLOCKS / 2u) % BLOCKS], position, block * 4u, -1.0);
        }
        store(operand, batch * u.length + position, block, value);
      }
    }
    workgroupBarrier();
  }
}
