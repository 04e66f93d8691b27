// What the norm in registers and its derivative begin with.
// Tensors are (outer, width, inner) words of 16 bytes (words_*.shared.wgsl), normed over width.
// LANES threads share a row of words. Lane l keeps CHUNKS words in registers: l, l + LANES, …
// Neighbouring threads read neighbouring words.
// ACROSS: each element of a word has a norm of its own. Otherwise (inner is 1) all elements of a row have one.
struct Parameters { rows: u32, width: u32, inner: u32 }
const LANES = 32;
const CHUNKS = 2;
const ACROSS = false;
const THREADS = 256u;
const GROUPS = THREADS / LANES;

var<workgroup> partial: array<Value, THREADS>;

struct Place { row: u32, lane: u32, first: u32 }

// Threads beyond the last row read the last one.
fn place(group: u32, thread: u32) -> Place {
  let row = group * GROUPS + select(thread / LANES, thread % GROUPS, ACROSS);
  let last = min(row, p.rows - 1u);
  return Place(row, select(thread % LANES, thread / GROUPS, ACROSS), last / p.inner * p.width * p.inner + last % p.inner);
}

// Whether the lane has this chunk: only the last one may be cut off.
fn has(chunk: u32, lane: u32) -> bool { return chunk + 1u < CHUNKS || chunk * LANES + lane < p.width; }

// Where the lane's word lies; where the lane has none, another word of the row.
fn word_at(at: Place, chunk: u32) -> u32 {
  return at.first + min(chunk * LANES + at.lane, p.width - 1u) * p.inner;
}

fn everywhere(x: f32) -> Value { return value_of(vec4f(x), vec4f(x)); }

// The mean over the row, for all of its threads, from what each of them summed.
fn mean_of(sum: Value, lane: u32, thread: u32) -> Value {
  const APART = select(1u, GROUPS, ACROSS);
  partial[thread] = sum;
  workgroupBarrier();
  for (var half = u32(LANES) / 2u; half > 0u; half /= 2u) {
    if (lane < half) { partial[thread] += partial[thread + half * APART]; }
    workgroupBarrier();
  }
  let all = partial[thread - lane * APART];
  if (ACROSS) { return all * (1.0 / f32(p.width)); }
  return everywhere(total(all) / f32(p.width * PER_WORD));
}
