// d_table[row] = FACTOR · Σ dy[i] over all i with ids[i] = row, in order of i; += with ACCUMULATE.
// ids come in sequences of u.length. dy has PREFIX more rows before each sequence. One thread per element of the table.
override THREADS: u32;
override ROWS: u32;
override WIDTH: u32;
override BATCH: u32;
override PREFIX: u32;
override FACTOR: f32;
override ACCUMULATE: bool;

// Not an override: compilers would unroll the loop over a short sequence, which takes them long.
struct Uniforms { length: u32 }

@group(0) @binding(0) var<storage, read> ids: array<i32>;
@group(0) @binding(1) var<storage, read> dy: array<f32>;
@group(0) @binding(2) var<storage, read_write> d_table: array<f32>;
@group(0) @binding(3) var<uniform> u: Uniforms;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) thread: u32) {
  let i = (group.x + group.y * groups.x) * THREADS + thread;
  if (i >= ROWS * WIDTH) { return; }
  let row = i32(i / WIDTH);
  let column = i % WIDTH;
  var sum = 0.0;
  for (var b = 0u; b < BATCH; b++) {
    for (var s = 0u; s < u.length; s++) {
      if (ids[b * u.length + s] == row) { sum += dy[(b * (PREFIX + u.length) + PREFIX + s) * WIDTH + column]; }
    }
  }
  d_table[i] = select(0.0, d_table[i], ACCUMULATE) + FACTOR * sum;
}
