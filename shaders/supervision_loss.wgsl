// Loss of one supervision step, its gradients, the predictions and the results of each slot.
//   p = s(logit) / Σ s;  stablemax: s(x) = x + 1 for x ≥ 0, else 1 / (1 − x + 1e-30);  softmax: s(x) = exp(x − max)
//   lm_loss = Σ −log p[label] / max(count, 1) over the labelled cells, count of them
//   q_halt_loss = BCE(q_halt, exact);  q_continue_loss = BCE(q_continue, target) with TRAINS_CONTINUE, else 0
//   loss = lm_loss + 0.5 · (q_halt_loss + q_continue_loss); the gradients are those of loss · SCALE
// logits and d_logits are (slots, PREFIX + CELLS, VOCABULARY); d_logits of the prefix is 0.
// results of a slot: [lm_loss, q_halt_loss, count, share of correct cells, exact, q_halt correct, q_continue_loss].
// One workgroup per slot; its threads share the cells.
override THREADS: u32;
override SLOTS: u32;
override CELLS: u32;
override PREFIX: u32;
override STABLEMAX: bool;
override TRAINS_CONTINUE: bool;
override SCALE: f32;

// Not overrides: compilers would unroll loops over few tokens or threads, which takes them long.
struct Uniforms { vocabulary: u32, threads: u32 }

@group(0) @binding(0) var<storage, read> logits: array<f32>;
@group(0) @binding(1) var<storage, read> q: array<vec2f>;
@group(0) @binding(2) var<storage, read> labels: array<i32>;
@group(0) @binding(3) var<storage, read> targets: array<f32>; // of q_continue
@group(0) @binding(4) var<storage, read_write> d_logits: array<f32>;
@group(0) @binding(5) var<storage, read_write> d_q: array<vec2f>;
@group(0) @binding(6) var<storage, read_write> predictions: array<i32>;
@group(0) @binding(7) var<storage, read_write> results: array<f32>;
@group(0) @binding(8) var<uniform> u: Uniforms;

var<workgroup> partial: array<vec2f, THREADS>;

fn sum_over_threads(thread: u32, value: vec2f) -> vec2f {
  partial[thread] = value;
  workgroupBarrier();
  for (var half = u.threads / 2u; half > 0u; half /= 2u) {
    if (thread < half) { partial[thread] += partial[thread + half]; }
    workgroupBarrier();
  }
  let total = partial[0];
  workgroupBarrier();
  return total;
}

fn s(x: f32, max_logit: f32) -> f32 {
  if (!STABLEMAX) { return exp(x - max_logit); }
  return select(1.0 / (1.0 - x + 1e-30), x + 1.0, x >= 0.0);
}

// The derivative ds / dx.
fn slope(x: f32, max_logit: f32) -> f32 {
  if (!STABLEMAX) { return exp(x - max_logit); }
  let r = 1.0 / (1.0 - x + 1e-30);
  return select(r * r, 1.0, x >= 0.0);
}

// Binary cross-entropy of a logit, and its derivative.
fn bce(logit: f32, expected: f32) -> vec2f {
  let e = exp(-abs(logit));
  return vec2f(max(logit, 0.0) - logit * expected + log(1.0 + e), select(e, 1.0, logit >= 0.0) / (1.0 + e) - expected);
}

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) thread: u32) {
  let slot = group.x + group.y * groups.x;
  if (slot >= SLOTS) { return; }

  var labelled = 0.0;
  for (var cell = thread; cell < CELLS; cell += THREADS) {
    labelled += select(0.0, 1.0, labels[slot * CELLS + cell] >= 0);
  }
  let count = sum_over_threads(thread, vec2f(labelled, 0.0)).x;
  let share = 1.0 / max(count, 1.0);

  for (var i = thread; i < PREFIX * u.vocabulary; i += THREADS) {
    d_logits[slot * (PREFIX + CELLS) * u.vocabulary + i] = 0.0;
  }
  var loss = 0.0;
  var correct = 0.0;
  for (var cell = thread; cell < CELLS; cell += THREADS) {
    let at = (slot * (PREFIX + CELLS) + PREFIX + cell) * u.vocabulary;
    var best = 0u;
    var max_logit = logits[at];
    for (var v = 1u; v < u.vocabulary; v++) {
      if (logits[at + v] > max_logit) {
        max_logit = logits[at + v];
        best = v;
      }
    }
    predictions[slot * CELLS + cell] = i32(best);
    let label = labels[slot * CELLS + cell];
    if (label < 0) {
      for (var v = 0u; v < u.vocabulary; v++) { d_logits[at + v] = 0.0; }
      continue;
    }
    var sum = 0.0;
    for (var v = 0u; v < u.vocabulary; v++) { sum += s(logits[at + v], max_logit); }
    let chosen = s(logits[at + u32(label)], max_logit);
    if (STABLEMAX) { loss -= log(chosen / sum); } else { loss -= logits[at + u32(label)] - max_logit - log(sum); }
    correct += select(0.0, 1.0, i32(best) == label);
    for (var v = 0u; v < u.vocabulary; v++) {
      // d/dx −log(s(label) / Σ s) = s'(x) · (1 / Σ s − [v is the label] / s(label)).
      // With softmax s(label) may underflow to 0, but s' = s cancels it.
      let is_label = select(0.0, 1.0, v == u32(label));
      let slope_at_v = slope(logits[at + v], max_logit);
      if (STABLEMAX) {
        d_logits[at + v] = slope_at_v * (1.0 / sum - is_label / chosen) * share * SCALE;
      } else {
        d_logits[at + v] = (slope_at_v / sum - is_label) * share * SCALE;
      }
    }
  }
  let sums = sum_over_threads(thread, vec2f(loss, correct));
  let lm_loss = sums.x * share;
  let all_correct = sums.y;
  if (thread != 0u) { return; }

  let exact = select(0.0, 1.0, all_correct == count);
  let halt = bce(q[slot].x, exact);
  var next = vec2f();
  if (TRAINS_CONTINUE) { next = bce(q[slot].y, targets[slot]); }
  let r = slot * 7u;
  results[r] = lm_loss;
  results[r + 1u] = halt.x;
  results[r + 2u] = count;
  results[r + 3u] = all_correct * share;
  results[r + 4u] = exact;
  results[r + 5u] = select(0.0, 1.0, (q[slot].x >= 0.0) == (exact == 1.0));
  results[r + 6u] = next.x;
  d_q[slot] = 0.5 * SCALE * vec2f(halt.y, next.y);
}
