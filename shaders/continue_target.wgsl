// The target of q_continue, from the Q values of the next supervision step:
// sigmoid(next q_halt) if this step is the last one, else sigmoid(max(next q_halt, next q_continue)).
// One thread per slot.
override THREADS: u32;
override SLOTS: u32;
override MAX_STEPS: u32;

@group(0) @binding(0) var<storage, read> next_q: array<vec2f>;
@group(0) @binding(1) var<storage, read> steps: array<u32>; // that a slot did before this one
@group(0) @binding(2) var<storage, read_write> targets: array<f32>;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) thread: u32) {
  let slot = (group.x + group.y * groups.x) * THREADS + thread;
  if (slot >= SLOTS) { return; }
  let next = next_q[slot];
  let best = select(max(next.x, next.y), next.x, steps[slot] + 1u >= MAX_STEPS);
  let e = exp(-abs(best));
  targets[slot] = select(e, 1.0, best >= 0.0) / (1.0 + e);
}
