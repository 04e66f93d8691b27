// SignSGD with weight decay for the rows of the table that a batch used:
// row = row · (1 − lr · wd) − lr · sign(Σ gradients of this id), where sign(0) = 0.
// schedule: [1 − lr · wd, lr, 1 to skip the step].
// One thread per (slot, column). The first slot of each id adds up all slots of that id, in order, and writes the row.
override THREADS: u32;
override SLOTS: u32;
override WIDTH: u32;

@group(0) @binding(0) var<storage, read> schedule: array<f32>;
@group(0) @binding(1) var<storage, read> ids: array<i32>;
@group(0) @binding(2) var<storage, read> gradients: array<f32>;
@group(0) @binding(3) var<storage, read_write> table: array<f32>;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) thread: u32) {
  let i = (group.x + group.y * groups.x) * THREADS + thread;
  if (i >= SLOTS * WIDTH || schedule[2] != 0.0) { return; }
  let slot = i / WIDTH;
  let column = i % WIDTH;
  let id = ids[slot];
  for (var other = 0u; other < slot; other++) {
    if (ids[other] == id) { return; }
  }
  var sum = 0.0;
  for (var other = slot; other < SLOTS; other++) {
    if (ids[other] == id) { sum += gradients[other * WIDTH + column]; }
  }
  let at = u32(id) * WIDTH + column;
  table[at] = table[at] * schedule[0] - schedule[1] * sign(sum);
}
