// The input of the network, shape (batch, PREFIX + LENGTH, WIDTH):
// x[b, l] = FACTOR · (l < PREFIX ? row b of `puzzles`, zero-padded to PREFIX · WIDTH : tokens[ids[b, l − PREFIX]]),
// with HAS_POSITIONS also + FACTOR · positions[l]. One thread per element of x.
override THREADS: u32;
override COUNT: u32;
override LENGTH: u32;
override PREFIX: u32;
override WIDTH: u32;
override VOCABULARY: u32;
override PUZZLE_WIDTH: u32;
override HAS_POSITIONS: bool;
override FACTOR: f32;

@group(0) @binding(0) var<storage, read> ids: array<i32>;
@group(0) @binding(1) var<storage, read> tokens: array<f32>;
@group(0) @binding(2) var<storage, read> puzzles: array<f32>;
@group(0) @binding(3) var<storage, read> positions: array<f32>;
@group(0) @binding(4) var<storage, read_write> x: array<f32>;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) thread: u32) {
  let i = (group.x + group.y * groups.x) * THREADS + thread;
  if (i >= COUNT) { return; }
  let length = PREFIX + LENGTH;
  let column = i % WIDTH;
  let l = i / WIDTH % length;
  let b = i / WIDTH / length;
  var value = 0.0;
  if (l >= PREFIX) {
    value = tokens[min(u32(ids[b * LENGTH + l - PREFIX]), VOCABULARY - 1u) * WIDTH + column];
  } else if (l * WIDTH + column < PUZZLE_WIDTH) {
    value = puzzles[b * PUZZLE_WIDTH + l * WIDTH + column];
  }
  if (HAS_POSITIONS) { value += positions[l * WIDTH + column]; }
  x[i] = FACTOR * value;
}
