// y = silu(gate) · up, silu(g) = g / (1 + exp(−g)). A row of x is [gate | up], each HALF long.
// A thread computes PER_THREAD values of y, THREADS apart. Counts are in units of Value.
override THREADS: u32;
override PER_THREAD: u32;
override COUNT: u32;
override HALF: u32;

alias Value = f32;

@group(0) @binding(0) var<storage, read> x: array<Value>;
@group(0) @binding(1) var<storage, read_write> y: array<Value>;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) thread: u32) {
  let first = (group.x + group.y * groups.x) * THREADS * PER_THREAD + thread;
  for (var i = first; i < min(COUNT, first + THREADS * PER_THREAD); i += THREADS) {
    let at = i / HALF * HALF + i;
    let gate = x[at];
    y[i] = gate / (1.0 + exp(-gate)) * x[at + HALF];
  }
}
