// h ← net(h + injection), p.times times: whole applications of the network, of layers as src/trm/network.ts composes them, without a dispatch between.
// A workgroup owns one sequence, h[length, width]. In its area: the state, then the sum that becomes the next state, then chunks of what
// lies between. The area is workgroup memory where that holds it, else a part of `scratch`. A thread computes 4 × 4 results of a product at a time.
struct Parameters {
  batch: u32, times: u32, layers: u32, has_injection: u32, turns: u32,
  length: u32, width: u32, heads: u32, // no heads: the layers mix tokens
  inner: u32, mix_inner: u32,
  stride: u32, first: u32, second: u32, up: u32, down: u32, // weights of a layer
  pitch: u32, sum: u32, between: u32, area: u32, // the state's rows, where parts of the area begin, its size
  chunk: u32, mix_chunk: u32, queries: u32, // so many inner values and queries at a time
  lanes: u32, mix_lanes: u32, // threads that share a row of a norm
}

const IN_SCRATCH = false;
override THREADS: u32;
override LOCAL: u32;
override ATTENDS: bool;
override EPSILON: f32;

@group(0) @binding(0) var<storage, read_write> h: array<f32>;
@group(0) @binding(1) var<storage, read> injection: array<f32>;
@group(0) @binding(2) var<storage, read> weights: array<vec4f>;
@group(0) @binding(3) var<storage, read> singles: array<f32>; // the same, for rows that do not divide into fours
@group(0) @binding(4) var<storage, read> table: array<vec2f>;
@group(0) @binding(5) var<storage, read_write> scratch: array<f32>;
@group(0) @binding(6) var<uniform> p: Parameters;

var<workgroup> area: array<f32, LOCAL>;
var<workgroup> partial: array<f32, THREADS>;
var<private> thread: u32;
var<private> start: u32;

fn load(at: u32) -> f32 {
  if (IN_SCRATCH) { return scratch[start + at]; }
  return area[at];
}

fn store(at: u32, value: f32) {
  if (IN_SCRATCH) { scratch[start + at] = value; } else { area[at] = value; }
}

fn meet() {
  if (IN_SCRATCH) { storageBarrier(); }
  workgroupBarrier();
}

// Terms k … k + 3 of four rows that begin at `at`, a column each; 0 from `count` on.
fn terms(at: vec4u, step: u32, k: u32, count: u32) -> mat4x4f {
  return mat4x4f(term(at, step, k, count), term(at, step, k + 1u, count), term(at, step, k + 2u, count), term(at, step, k + 3u, count));
}

fn term(at: vec4u, step: u32, k: u32, count: u32) -> vec4f { return select(vec4f(), four(at + min(k, count - 1u) * step), k < count); }

fn four(at: vec4u) -> vec4f { return vec4f(load(at.x), load(at.y), load(at.z), load(at.w)); }

// Four neighbours of a row of weights, of which `left` belong to the sum.
fn weights4(i: u32, left: u32, aligned: bool) -> vec4f {
  if (aligned) { return weights[i / 4u]; }
  return select(vec4f(), vec4f(singles[i], singles[i + 1u], singles[i + 2u], singles[i + 3u]), vec4u(0, 1, 2, 3) < vec4u(left));
}

// Σ_k x[row, k] · w[column, k] of four rows in the area and four rows of weights; a column of the result for each of the latter.
fn product(rows: vec4u, step: u32, columns: vec4u, count: u32, aligned: bool) -> mat4x4f {
  var sum = mat4x4f();
  for (var k = 0u; k < count; k += 4u) {
    let i = columns + k;
    let left = count - k;
    sum += terms(rows, step, k, count) * mat4x4f(weights4(i.x, left, aligned), weights4(i.y, left, aligned), weights4(i.z, left, aligned), weights4(i.w, left, aligned));
  }
  return sum;
}

// The same with both in the area, and one column.
fn inner_product(rows: vec4u, step: u32, column: u32, column_step: u32, count: u32) -> vec4f {
  var sum = vec4f();
  for (var k = 0u; k < count; k++) { sum += four(rows + k * step) * load(column + k * column_step); }
  return sum;
}

// The rows of a task, `groups` apart, so that neighbouring threads have neighbours; and its columns. Some may lie beyond the last one.
fn rows_of(task: u32, groups: u32) -> vec4u { return vec4u(task % groups) + groups * vec4u(0, 1, 2, 3); }

fn columns_of(task: u32, groups: u32) -> vec4u { return vec4u(task / groups * 4u) + vec4u(0, 1, 2, 3); }

fn put(at: u32, rows: vec4u, end: u32, values: vec4f) {
  for (var i = 0u; i < 4u && rows[i] < end; i++) { store(at + rows[i], values[i]); }
}

fn add_to_sum(at: u32, rows: vec4u, row_step: u32, end: u32, values: vec4f) {
  for (var i = 0u; i < 4u; i++) {
    let place = p.sum + at + rows[i] * row_step;
    if (rows[i] < end) { store(place, load(place) + values[i]); }
  }
}

// How a part sees the state: as rows of so many features, each so far from the next one.
struct View { rows: u32, row_step: u32, features: u32, step: u32, inner: u32, chunk: u32, lanes: u32 }

fn view(across: bool) -> View {
  if (across) { return View(p.width, 1u, p.length, p.pitch, p.mix_inner, p.mix_chunk, p.mix_lanes); }
  return View(p.length, p.pitch, p.width, 1u, p.inner, p.chunk, p.lanes);
}

// sum += down(silu(gate) · up), [gate | up] = up(state), for each row of the view.
fn swiglu(v: View, up: u32, down: u32) {
  let groups = (v.rows + 3u) / 4u;
  for (var first = 0u; first < v.inner; first += v.chunk) {
    let count = min(v.chunk, v.inner - first);
    for (var task = thread; task < groups * ((count + 1u) / 2u); task += THREADS) {
      let row = rows_of(task, groups);
      let column = min(vec2u(task / groups * 2u) + vec2u(0, 1), vec2u(count - 1u));
      let both = product(min(row, vec4u(v.rows - 1u)) * v.row_step, v.step, up + (first + vec4u(column, column + v.inner)) * v.features, v.features, v.features % 4u == 0u);
      put(p.between + column.x * v.rows, row, v.rows, both[0] / (1.0 + exp(-both[0])) * both[2]);
      put(p.between + column.y * v.rows, row, v.rows, both[1] / (1.0 + exp(-both[1])) * both[3]);
    }
    meet();
    for (var task = thread; task < groups * ((v.features + 3u) / 4u); task += THREADS) {
      let row = rows_of(task, groups);
      let column = columns_of(task, groups);
      let part = product(p.between + min(row, vec4u(v.rows - 1u)), v.rows, down + min(column, vec4u(v.features - 1u)) * v.inner + first, count, v.inner % 4u == 0u && v.chunk % 4u == 0u);
      for (var j = 0u; j < min(4u, v.features - column.x); j++) { add_to_sum(column[j] * v.step, row, v.row_step, v.rows, part[j]); }
    }
    meet();
  }
}

// sum += output(attention(qkv(state))), head by head; q, k and v of a head are stored by columns, then the scores of `queries` of them.
fn attend(qkv: u32, output: u32) {
  let size = p.width / p.heads;
  let groups = (p.length + 3u) / 4u;
  let scores = p.between + 3u * size * p.length;
  for (var head = 0u; head < p.heads; head++) {
    let tiles = groups * ((size + 3u) / 4u);
    for (var task = thread; task < 3u * tiles; task += THREADS) {
      let row = rows_of(task, groups);
      let column = min(columns_of(task % tiles, groups), vec4u(size - 1u));
      let of_all = task / tiles * p.width + head * size + column;
      let part = product(min(row, vec4u(p.length - 1u)) * p.pitch, 1u, qkv + of_all * p.width, p.width, p.width % 4u == 0u);
      for (var j = 0u; j < min(4u, size - column.x); j++) { put(p.between + (task / tiles * size + column[j]) * p.length, row, p.length, part[j]); }
    }
    meet();
    if (p.turns != 0u) {
      for (var i = thread; i < p.length * size; i += THREADS) {
        let pair = i / p.length;
        let at = p.between + (pair / (size / 2u) * size + pair % (size / 2u)) * p.length + i % p.length;
        let turn = table[i % p.length * (size / 2u) + pair % (size / 2u)];
        let a = load(at);
        let b = load(at + size / 2u * p.length);
        store(at, a * turn.x - b * turn.y);
        store(at + size / 2u * p.length, b * turn.x + a * turn.y);
      }
      meet();
    }
    for (var first = 0u; first < p.length; first += p.queries) {
      let queries = min(p.queries, p.length - first);
      let query_groups = (queries + 3u) / 4u;
      for (var task = thread; task < query_groups * p.length; task += THREADS) {
        let row = rows_of(task, query_groups);
        let key = task / query_groups;
        let part = inner_product(p.between + first + min(row, vec4u(queries - 1u)), p.length, p.between + size * p.length + key, p.length, size);
        put(scores + key * p.queries, row, queries, part * inverseSqrt(f32(size)));
      }
      meet();
      for (var query = thread; query < queries; query += THREADS) {
        let at = scores + query;
        var most = load(at);
        for (var key = 1u; key < p.length; key++) { most = max(most, load(at + key * p.queries)); }
        var total = 0.0;
        for (var key = 0u; key < p.length; key++) {
          let share = exp(load(at + key * p.queries) - most);
          store(at + key * p.queries, share);
          total += share;
        }
        store(at + p.length * p.queries, 1.0 / total);
      }
      meet();
      // What was seen takes the place of these queries.
      for (var task = thread; task < query_groups * size; task += THREADS) {
        let row = rows_of(task, query_groups);
        let column = task / query_groups;
        let i = scores + min(row, vec4u(queries - 1u));
        let seen = inner_product(i, p.queries, p.between + (2u * size + column) * p.length, 1u, p.length);
        put(p.between + column * p.length + first, row, queries, seen * four(i + p.length * p.queries));
      }
      meet();
    }
    for (var task = thread; task < groups * ((p.width + 3u) / 4u); task += THREADS) {
      let row = rows_of(task, groups);
      let column = columns_of(task, groups);
      let part = product(p.between + min(row, vec4u(p.length - 1u)), p.length, output + min(column, vec4u(p.width - 1u)) * p.width + head * size, size, p.width % 4u == 0u && size % 4u == 0u);
      for (var j = 0u; j < min(4u, p.width - column.x); j++) { add_to_sum(column[j], row, p.pitch, p.length, part[j]); }
    }
    meet();
  }
}

// state = sum / sqrt(mean(sum²) + EPSILON) for each row of the view; the next sum begins with it.
fn norm(v: View) {
  let lane = thread % v.lanes;
  for (var first = 0u; first < v.rows; first += THREADS / v.lanes) {
    let row = first + thread / v.lanes;
    let at = min(row, v.rows - 1u) * v.row_step;
    var squares = 0.0;
    for (var i = lane; i < v.features; i += v.lanes) {
      let value = load(p.sum + at + i * v.step);
      squares = fma(value, value, squares);
    }
    partial[thread] = squares;
    workgroupBarrier();
    squares = 0.0;
    for (var i = 0u; i < v.lanes; i++) { squares += partial[thread - lane + i]; }
    let factor = inverseSqrt(squares / f32(v.features) + EPSILON);
    if (row < v.rows) {
      for (var i = lane; i < v.features; i += v.lanes) {
        let value = load(p.sum + at + i * v.step) * factor;
        store(at + i * v.step, value);
        store(p.sum + at + i * v.step, value);
      }
    }
    meet();
  }
}

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  let sequence = group.x + group.y * groups.x;
  if (sequence >= p.batch) { return; }
  thread = lane;
  start = sequence * p.area;
  let origin = sequence * p.length * p.width;
  for (var i = thread; i < p.length * p.width; i += THREADS) { store(i / p.width * p.pitch + i % p.width, h[origin + i]); }
  for (var step = 0u; step < p.times; step++) {
    for (var i = thread; i < p.length * p.width; i += THREADS) {
      let at = i / p.width * p.pitch + i % p.width;
      var value = load(at);
      if (p.has_injection != 0u) { value += injection[origin + i]; }
      store(at, value);
      store(p.sum + at, value);
    }
    meet();
    // A layer has two parts: over the positions, then over the values of each.
    for (var part = 0u; part < 2u * p.layers; part++) {
      let base = part / 2u * p.stride;
      let across = part % 2u == 0u;
      if (ATTENDS && across) {
        attend(base + p.first, base + p.second);
      } else {
        swiglu(view(across), base + select(p.up, p.first, across), base + select(p.down, p.second, across));
      }
      norm(view(across && !ATTENDS));
    }
  }
  for (var i = thread; i < p.length * p.width; i += THREADS) { h[origin + i] = load(i / p.width * p.pitch + i % p.width); }
}
