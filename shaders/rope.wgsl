// Rotary position embedding of the query and key heads of packed [q | k | v] rows; v is copied.
// y = x · cos(angle) + rotate_half(x) · sin(angle), rotate_half(x) = [−x₂, x₁];  angle(l, i) = l · theta^(−2i / HEAD_DIM), repeated for both halves.
// DIRECTION = −1 rotates back: the derivative. One thread per element; table holds cos and sin of (position, i) pairs.
override THREADS: u32;
override COUNT: u32;
override LENGTH: u32;
override HEADS: u32;
override HEAD_DIM: u32;
override DIRECTION: f32;

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> table: array<vec2f>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) thread: u32) {
  let at = (group.x + group.y * groups.x) * THREADS + thread;
  if (at >= COUNT) { return; }
  let width = 3u * HEADS * HEAD_DIM;
  let column = at % width;
  let half = HEAD_DIM / 2u;
  let d = column % HEAD_DIM;
  if (column >= 2u * HEADS * HEAD_DIM) {
    y[at] = x[at];
    return;
  }
  let turn = table[at / width % LENGTH * half + d % half];
  let partner = select(x[max(at, half) - half], -x[min(at + half, COUNT - 1u)], d < half);
  y[at] = x[at] * turn.x + partner * turn.y * DIRECTION;
}
