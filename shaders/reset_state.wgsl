// state[slot, position] = start for every slot that halted. state is (slots, LENGTH, WIDTH), start is (WIDTH).
// One thread per element of state.
override THREADS: u32;
override COUNT: u32;
override LENGTH: u32;
override WIDTH: u32;

@group(0) @binding(0) var<storage, read> halted: array<u32>;
@group(0) @binding(1) var<storage, read> start: array<f32>;
@group(0) @binding(2) var<storage, read_write> state: array<f32>;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) thread: u32) {
  let i = (group.x + group.y * groups.x) * THREADS + thread;
  if (i >= COUNT) { return; }
  if (halted[i / (LENGTH * WIDTH)] != 0u) { state[i] = start[i % WIDTH]; }
}
