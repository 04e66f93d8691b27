// y = x with its rows of LENGTH padded by zeros to PADDED, a multiple of 8. Both are float16, in words of two.
// One thread per word of y.
override THREADS: u32;
override COUNT: u32;
override LENGTH: u32;
override PADDED: u32;

@group(0) @binding(0) var<storage, read> x: array<u32>;
@group(0) @binding(1) var<storage, read_write> y: array<u32>;

fn half(row: u32, column: u32) -> u32 {
  if (column >= LENGTH) { return 0u; }
  let at = row * LENGTH + column;
  return (x[at / 2u] >> (at % 2u * 16u)) & 0xffffu;
}

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) thread: u32) {
  let i = (group.x + group.y * groups.x) * THREADS + thread;
  if (i >= COUNT) { return; }
  let row = i / (PADDED / 2u);
  let column = i % (PADDED / 2u) * 2u;
  y[i] = half(row, column) | (half(row, column + 1u) << 16u);
}
