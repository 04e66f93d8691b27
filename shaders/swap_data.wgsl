// Slots that halted take their row of the new batch (inputs, labels, puzzle id) and count their steps from 0.
// The other slots keep their data. Rows of `offered` are [inputs | labels | puzzle id]. One thread per cell.
override THREADS: u32;
override COUNT: u32;
override CELLS: u32;

@group(0) @binding(0) var<storage, read> halted: array<u32>;
@group(0) @binding(1) var<storage, read> offered: array<i32>;
@group(0) @binding(2) var<storage, read_write> inputs: array<i32>;
@group(0) @binding(3) var<storage, read_write> labels: array<i32>;
@group(0) @binding(4) var<storage, read_write> puzzle_ids: array<i32>;
@group(0) @binding(5) var<storage, read_write> steps: array<u32>;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) thread: u32) {
  let i = (group.x + group.y * groups.x) * THREADS + thread;
  if (i >= COUNT) { return; }
  let slot = i / CELLS;
  let cell = i % CELLS;
  if (halted[slot] == 0u) { return; }
  let row = slot * (2u * CELLS + 1u);
  inputs[i] = offered[row + cell];
  labels[i] = offered[row + CELLS + cell];
  if (cell == 0u) {
    puzzle_ids[slot] = offered[row + 2u * CELLS];
    steps[slot] = 0u;
  }
}
