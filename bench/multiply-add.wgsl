// y = the sum of CHAINS independent chains of 32 · ITERATIONS steps x = x · factor + addend, all in registers.
// constants: [factor, addend]. One thread per value of y.
// Measures how many multiply-adds an adapter can do if nothing else limits it.
override THREADS: u32;
override ITERATIONS: u32;

const CHAINS = 12;

@group(0) @binding(0) var<storage, read> constants: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) thread: u32) {
  let i = (group.x + group.y * groups.x) * THREADS + thread;
  let factor = constants[0];
  let addend = constants[1];
  var x: array<f32, CHAINS>;
  @diagnostic(off, trm.unroll) for (var c = 0u; c < CHAINS; c++) { x[c] = f32(i % 7u + c); }
  for (var round = 0u; round < ITERATIONS; round++) {
    @diagnostic(off, trm.unroll) for (var step = 0u; step < 32; step++) {
      @diagnostic(off, trm.unroll) for (var c = 0u; c < CHAINS; c++) { x[c] = fma(x[c], factor, addend); }
    }
  }
  var sum = 0.0;
  @diagnostic(off, trm.unroll) for (var c = 0u; c < CHAINS; c++) { sum += x[c]; }
  if (i < arrayLength(&y)) { y[i] = sum; }
}
