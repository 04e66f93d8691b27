// What happens to the slots after a supervision step:
//   steps += 1;  halted = steps ≥ MAX_STEPS
//   with TRAINING: halted |= q_halt > 0, or q_halt > q_continue with ABOVE_CONTINUE
// Exploration (only with TRAINING) keeps a random share EXPLORATION of the slots going, u uniform in [0, 1):
//   min_steps = (u < EXPLORATION) · randint(2 … MAX_STEPS);  halted &= steps ≥ min_steps
// metrics[0 … 4] += sums over the slots that halted and have labels: [count, accuracy, exact, q_halt correct, steps].
// metrics[5 … 7] += sums over all slots: [lm_loss, q_halt_loss, q_continue_loss].
// Random numbers are hashes of (seed, step, slot): they do not depend on how the slots are cut into micro-batches.
// One workgroup. Thread t takes slots t, t + THREADS, …; the threads' sums are added in a fixed order.
override THREADS: u32;
override SLOTS: u32;
override MAX_STEPS: u32;
override EXPLORATION: f32;
override TRAINING: bool;
override ABOVE_CONTINUE: bool;

@group(0) @binding(0) var<storage, read> q: array<vec2f>;
@group(0) @binding(1) var<storage, read> results: array<f32>;
@group(0) @binding(2) var<storage, read> clock: array<u32>; // seed, step
@group(0) @binding(3) var<storage, read> numbers: array<u32>; // each slot's number in the whole batch
@group(0) @binding(4) var<storage, read_write> steps: array<u32>;
@group(0) @binding(5) var<storage, read_write> halted: array<u32>;
@group(0) @binding(6) var<storage, read_write> metrics: array<f32>;

const METRICS = 8u;
var<workgroup> partial: array<f32, THREADS * METRICS>;

// PCG (RXS-M-XS) as a hash of 32 bits: M. Jarzynski and M. Olano, "Hash Functions for GPU Rendering", 2020.
fn hash(value: u32) -> u32 {
  let state = value * 747796405u + 2891336453u;
  let word = ((state >> ((state >> 28u) + 4u)) ^ state) * 277803737u;
  return (word >> 22u) ^ word;
}

@compute @workgroup_size(THREADS)
fn main(@builtin(local_invocation_index) thread: u32) {
  var sums = array<f32, METRICS>();
  for (var slot = thread; slot < SLOTS; slot += THREADS) {
    let step = steps[slot] + 1u;
    var halt = step >= MAX_STEPS;
    if (TRAINING && MAX_STEPS > 1u) {
      halt = halt || q[slot].x > select(0.0, q[slot].y, ABOVE_CONTINUE);
      let random = hash(numbers[slot] + hash(clock[1] + hash(clock[0])));
      let explores = f32(random >> 8u) * 0x1p-24 < EXPLORATION;
      let min_steps = 2u + hash(random) % max(MAX_STEPS - 1u, 1u); // a constant 0 would not compile, even unused
      halt = halt && (!explores || step >= min_steps);
    }
    steps[slot] = step;
    halted[slot] = select(0u, 1u, halt);
    let r = slot * 7u;
    if (halt && results[r + 2u] > 0.0) {
      sums[0] += 1.0;
      sums[1] += results[r + 3u];
      sums[2] += results[r + 4u];
      sums[3] += results[r + 5u];
      sums[4] += f32(step);
    }
    sums[5] += results[r];
    sums[6] += results[r + 1u];
    sums[7] += results[r + 6u];
  }
  @diagnostic(off, trm.unroll) for (var i = 0u; i < METRICS; i++) { partial[thread * METRICS + i] = sums[i]; }
  workgroupBarrier();
  if (thread >= METRICS) { return; }
  var total = 0.0;
  for (var t = 0u; t < THREADS; t++) { total += partial[t * METRICS + thread]; }
  metrics[thread] += total;
}
