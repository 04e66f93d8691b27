// With σ = 1 / (1 + exp(−gate)):  d gate = dy · up · σ · (1 + gate · (1 − σ)),  d up = dy · gate · σ.
// Rows of x and dx are [gate | up], each HALF long.
// A thread takes PER_THREAD values of dy, THREADS apart. Counts are in units of Value.
override THREADS: u32;
override PER_THREAD: u32;
override COUNT: u32;
override HALF: u32;

alias Value = f32;

@group(0) @binding(0) var<storage, read> x: array<Value>;
@group(0) @binding(1) var<storage, read> dy: array<Value>;
@group(0) @binding(2) var<storage, read_write> dx: array<Value>;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) thread: u32) {
  let first = (group.x + group.y * groups.x) * THREADS * PER_THREAD + thread;
  for (var i = first; i < min(COUNT, first + THREADS * PER_THREAD); i += THREADS) {
    let at = i / HALF * HALF + i;
    let gate = x[at];
    let d = dy[i];
    let sigmoid = 1.0 / (1.0 + exp(-gate));
    dx[at] = d * x[at + HALF] * sigmoid * (1.0 + gate * (1.0 - sigmoid));
    dx[at + HALF] = d * gate * sigmoid;
  }
}
