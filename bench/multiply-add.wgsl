// y = the sum of 16 independent chains of 8 · ITERATIONS steps x = x · factor + addend, all in registers; constants: [factor, addend].
// Measures how many multiply-adds an adapter can do when nothing else holds it up. One thread per vec4 of y.
override THREADS: u32;
override ITERATIONS: u32;

@group(0) @binding(0) var<storage, read> constants: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> y: array<vec4f>;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) thread: u32) {
  let i = (group.x + group.y * groups.x) * THREADS + thread;
  let f = constants[0];
  let g = constants[1];
  var p = vec4f(f32(i % 7u));
  var q = p + 1.0;
  var r = p + 2.0;
  var s = p + 3.0;
  for (var round = 0u; round < ITERATIONS; round++) {
    p = fma(p, f, g); q = fma(q, f, g); r = fma(r, f, g); s = fma(s, f, g);
    p = fma(p, f, g); q = fma(q, f, g); r = fma(r, f, g); s = fma(s, f, g);
    p = fma(p, f, g); q = fma(q, f, g); r = fma(r, f, g); s = fma(s, f, g);
    p = fma(p, f, g); q = fma(q, f, g); r = fma(r, f, g); s = fma(s, f, g);
    p = fma(p, f, g); q = fma(q, f, g); r = fma(r, f, g); s = fma(s, f, g);
    p = fma(p, f, g); q = fma(q, f, g); r = fma(r, f, g); s = fma(s, f, g);
    p = fma(p, f, g); q = fma(q, f, g); r = fma(r, f, g); s = fma(s, f, g);
    p = fma(p, f, g); q = fma(q, f, g); r = fma(r, f, g); s = fma(s, f, g);
  }
  if (i < arrayLength(&y)) { y[i] = p + q + r + s; }
}
