// Rotary position embedding of the query and key heads of packed [q | k | v] rows, in place; v stays as it is.
// With the halves x₁, x₂ of a head:  x₁ ← x₁ · cos − x₂ · sin · DIRECTION,  x₂ ← x₂ · cos + x₁ · sin · DIRECTION.
// angle(l, i) = l · theta^(−2i / HEAD_DIM); table holds (cos, sin) of angle (l, i). DIRECTION = −1 is the derivative.
// One thread per pair (x₁, x₂).
override THREADS: u32;
override PAIRS: u32;
override LENGTH: u32;
override HEADS: u32;
override HEAD_DIM: u32;
override DIRECTION: f32;

@group(0) @binding(0) var<storage, read> table: array<vec2f>;
@group(0) @binding(1) var<storage, read_write> x: array<f32>;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) thread: u32) {
  let pair = (group.x + group.y * groups.x) * THREADS + thread;
  if (pair >= PAIRS) { return; }
  let half = HEAD_DIM / 2u;
  // Query heads and key heads lie side by side: each row has 2 · HEADS heads to rotate.
  let row = pair / (2u * HEADS * half);
  let head = pair / half % (2u * HEADS);
  let i = pair % half;
  let at = row * 3u * HEADS * HEAD_DIM + head * HEAD_DIM + i;
  let cos_sin = table[row % LENGTH * half + i];
  let x1 = x[at];
  let x2 = x[at + half];
  x[at] = x1 * cos_sin.x - x2 * cos_sin.y * DIRECTION;
  x[at + half] = x2 * cos_sin.x + x1 * cos_sin.y * DIRECTION;
}
