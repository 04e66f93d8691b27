// d_puzzles[b, i] = FACTOR · dx[b, i], or += with ACCUMULATE, for i < PUZZLE_WIDTH.
// A sequence of dx has LENGTH elements. One thread per element of d_puzzles, shape (batch, PUZZLE_WIDTH).
override THREADS: u32;
override COUNT: u32;
override PUZZLE_WIDTH: u32;
override LENGTH: u32;
override FACTOR: f32;
override ACCUMULATE: bool;

@group(0) @binding(0) var<storage, read> dx: array<f32>;
@group(0) @binding(1) var<storage, read_write> d_puzzles: array<f32>;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) thread: u32) {
  let i = (group.x + group.y * groups.x) * THREADS + thread;
  if (i >= COUNT) { return; }
  d_puzzles[i] = select(0.0, d_puzzles[i], ACCUMULATE) + FACTOR * dx[i / PUZZLE_WIDTH * LENGTH + i % PUZZLE_WIDTH];
}
