// What attention by subgroup matrices and its derivatives share. Tensors are float16, sums are float32.
// Each of SUBGROUPS subgroups owns 16 rows of a head. The workgroup walks over BLOCK_TILES · 16 other rows at a time.
// Lane l handles row l / 2 of its subgroup: the first or the second half of its columns.
// One dispatch computes at most 64 columns of the results. Wider heads take several: each computes a PART.
// Needs subgroups of exactly 32 threads.
// A file that imports this one declares the uniforms `u` and `gradient`, which loads d_o.
enable f16;
enable subgroups;
enable subgroup_size_control;
enable chromium_experimental_subgroup_matrix;
#import words.shared.wgsl
alias Left = subgroup_matrix_left<f16, 16, 16>;
alias Right = subgroup_matrix_right<f16, 16, 16>;
alias Result = subgroup_matrix_result<f32, 16, 16>;

struct Uniforms { length: u32, heads: u32, tiles: u32, groups: u32 }

const HEAD_TILES = 4; // of 16 columns: 2, 4 or 8
const COLUMN_TILES = 4; // of the results: 2 or 4
const BLOCK_TILES = 4; // 1 … 4
const SHARE = 8; // vec4f of a lane in a row of BLOCK_TILES tiles, 2 in each
const COLUMN_SHARE = 8; // vec4f of a lane in a row of results
const SUBGROUPS = 7;
const PART = 0;
const ROPE = true;

const THREADS = SUBGROUPS * 32u;
const BLOCK = BLOCK_TILES * 16u;
const WORDS = u32(HEAD_TILES) * 2u; // of 8 elements, in a row of a head
const STRIDE = WORDS + 1u; // in words, from row to row: neighbouring rows lie in other banks
const ROW = 17u; // the same in the memory of a subgroup: 64 float32, or twice 64 float16
const APART = u32(HEAD_TILES - COLUMN_TILES) / 2u; // tiles between the two halves of the columns of the results
const LOWEST = -3.4e38;

const Q = 0u;
const K = 1u;
const V = 2u;
const D_O = 3u;

@group(0) @binding(0) var<storage, read> qkv: array<vec4u>;
@group(0) @binding(1) var<storage, read> table: array<vec4f>;

var<workgroup> others: array<array<vec4u, BLOCK * STRIDE>, 2>;
var<workgroup> own: array<array<vec4u, 272>, SUBGROUPS>;

var<private> batch: u32;
var<private> head: u32;
var<private> own0: u32; // the subgroup's first row

struct Pair { low: vec4u, high: vec4u }

fn begin(tile: u32, subgroup: u32) {
  head = tile / u.tiles % u.heads;
  batch = tile / u.tiles / u.heads;
  own0 = (tile % u.tiles * SUBGROUPS + subgroup) * 16u;
}

// Where a word of qkv lies; a word of o or d_o; lse and δ of a query.
fn qkv_at(operand: u32, position: u32, word: u32) -> u32 {
  return (((batch * u.length + position) * 3u + operand) * u.heads + head) * WORDS + word;
}
fn o_at(position: u32, word: u32) -> u32 { return ((batch * u.length + position) * u.heads + head) * WORDS + word; }
fn query_at(position: u32) -> u32 { return (batch * u.heads + head) * u.length + min(position, u.length - 1u); }

// Word `word` of each half of a row, rotated by its position as in rope.wgsl. direction −1 rotates back.
fn rotate(pair: Pair, position: u32, word: u32, direction: f32) -> Pair {
  let at = position * WORDS * 2u + word * 4u;
  let a = table[at];
  let b = table[at + 1u];
  let c = table[at + 2u];
  let d = table[at + 3u];
  let cosines = value_of(vec4f(a.xz, b.xz), vec4f(c.xz, d.xz));
  let sines = value_of(vec4f(a.yw, b.yw), vec4f(c.yw, d.yw)) * direction;
  let low = unpacked(pair.low);
  let high = unpacked(pair.high);
  return Pair(packed(times(low, cosines) - times(high, sines)), packed(times(high, cosines) + times(low, sines)));
}

// Word `word` of each half of a row; 0 beyond the last row. Without branches, so that several loads overlap.
fn load(operand: u32, position: u32, word: u32) -> Pair {
  let row = min(position, u.length - 1u);
  var pair: Pair;
  if (operand == D_O) {
    pair = Pair(gradient(o_at(row, word)), gradient(o_at(row, word + WORDS / 2u)));
  } else {
    pair = Pair(qkv[qkv_at(operand, row, word)], qkv[qkv_at(operand, row, word + WORDS / 2u)]);
    if (ROPE && operand != V) { pair = rotate(pair, row, word, 1.0); }
  }
  let is_inside = position < u.length;
  return Pair(select(vec4u(), pair.low, is_inside), select(vec4u(), pair.high, is_inside));
}

// Stages rows of both operands from row0 on; a thread loads two words of each at a time.
fn stage_others(first: u32, second: u32, row0: u32, thread: u32) {
  const COUNT = BLOCK * (WORDS / 2u);
  for (var i = thread; i < COUNT; i += 2u * THREADS) {
    var pairs: array<array<Pair, 2>, 2>;
    @diagnostic(off, trm.unroll) for (var j = 0u; j < 2u; j++) {
      @diagnostic(off, trm.unroll) for (var w = 0u; w < 2u; w++) {
        let unit = min(i + j * THREADS, COUNT - 1u);
        pairs[j][w] = load(select(first, second, w == 1u), row0 + unit / (WORDS / 2u), unit % (WORDS / 2u));
      }
    }
    @diagnostic(off, trm.unroll) for (var j = 0u; j < 2u; j++) {
      @diagnostic(off, trm.unroll) for (var w = 0u; w < 2u; w++) {
        let unit = i + j * THREADS;
        let at = unit / (WORDS / 2u) * STRIDE + unit % (WORDS / 2u);
        if (unit < COUNT) {
          others[w][at] = pairs[j][w].low;
          others[w][at + WORDS / 2u] = pairs[j][w].high;
        }
      }
    }
  }
}

fn stage_own(operand: u32, subgroup: u32, lane: u32) {
  for (var i = lane; i < 16u * (WORDS / 2u); i += 32u) {
    let row = i / (WORDS / 2u);
    let word = i % (WORDS / 2u);
    let pair = load(operand, own0 + row, word);
    own[subgroup][row * STRIDE + word] = pair.low;
    own[subgroup][row * STRIDE + word + WORDS / 2u] = pair.high;
  }
}

// Which vec4f of a row is number i of the lane's share. The two lanes of a row begin in different banks.
fn column_of(i: u32, share: u32, lane: u32) -> u32 {
  return lane % 2u * share + (i ^ select(0u, 4u, share == 8u && lane % 2u == 1u));
}

// Which of four columns belong to other rows that exist.
fn inside(row0: u32, column: u32) -> vec4<bool> {
  return vec4u(row0 + column * 4u) + vec4u(0, 1, 2, 3) < vec4u(u.length);
}

// Four elements of the lane's float32 row in the memory of its subgroup.
fn floats(subgroup: u32, lane: u32, column: u32) -> vec4f {
  return bitcast<vec4f>(own[subgroup][lane / 2u * ROW + column]);
}
