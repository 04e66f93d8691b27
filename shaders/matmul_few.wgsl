// c = a · b where one side has few lines, at most 16 rows of a or columns of b, for GPUs: what counts is that the other side is read once, and by many threads.
// A workgroup owns 8 of the many lines of the other side; its threads share out the sum, lane by lane, in steps of 128 of k. Indices as in matmul_vec4.wgsl.
struct Parameters {
  few: u32, many: u32, k: u32, batch: u32, reduce: u32,
  line_a: u32, step_a: u32, stride_a: u32,
  line_b: u32, step_b: u32, stride_b: u32,
  few_c: u32, many_c: u32, accumulate: u32,
}

const BLOCKS = 4; // of four of the few lines; loops over them are unrolled, so that sums stay in registers

@group(0) @binding(0) var<storage, read> a: array<f32>;
@group(0) @binding(1) var<storage, read> b: array<f32>;
@group(0) @binding(2) var<storage, read_write> c: array<f32>;
@group(0) @binding(3) var<uniform> p: Parameters;

// By blocks, then by k; in the end by blocks, lanes and lines of b.
var<workgroup> staged: array<vec4f, BLOCKS * 128>;

fn load(at: u32, line: u32, k: u32) -> f32 {
  if (line >= p.few || k >= p.k) { return 0.0; }
  return a[at + line * p.line_a + k * p.step_a];
}

@compute @workgroup_size(128)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) thread: u32) {
  let tiles = (p.many + 7u) / 8u;
  let tile = group.x + group.y * groups.x;
  let batch = tile / tiles;
  if (batch >= p.batch) { return; }
  let first = tile % tiles * 8u;
  // Threads side by side read what lies side by side.
  let k_first = p.step_b == 1u;
  let lane = select(thread / 8u, thread % 16u, k_first);
  let line = select(thread % 8u, thread / 16u, k_first);

  var sum: array<vec4f, BLOCKS>;
  for (var r = 0u; r < p.reduce; r++) {
    let pair = batch * p.reduce + r;
    let at_a = pair * p.stride_a;
    let at_b = pair * p.stride_b + min(first + line, p.many - 1u) * p.line_b;
    for (var k0 = 0u; k0 < p.k; k0 += 128u) {
      @diagnostic(off, trm.unroll) for (var i = 0u; i < BLOCKS; i++) {
        let k = k0 + thread;
        staged[i * 128u + thread] = vec4f(load(at_a, i * 4u, k), load(at_a, i * 4u + 1u, k), load(at_a, i * 4u + 2u, k), load(at_a, i * 4u + 3u, k));
      }
      workgroupBarrier();
      for (var k = lane; k < min(128u, p.k - k0); k += 16u) {
        let value = b[at_b + (k0 + k) * p.step_b];
        @diagnostic(off, trm.unroll) for (var i = 0u; i < BLOCKS; i++) { sum[i] = fma(vec4f(value), staged[i * 128u + k], sum[i]); }
      }
      workgroupBarrier();
    }
  }

  @diagnostic(off, trm.unroll) for (var i = 0u; i < BLOCKS; i++) { staged[i * 128u + lane * 8u + line] = sum[i]; }
  workgroupBarrier();
  let few = thread / 8u;
  let many = first + thread % 8u;
  if (few >= p.few || many >= p.many) { return; }
  var total = 0.0;
  for (var l = 0u; l < 16u; l++) { total += staged[few / 4u * 128u + l * 8u + thread % 8u][few % 4u]; }
  let at = batch * p.few * p.many + few * p.few_c + many * p.many_c;
  if (p.accumulate != 0u) { total += c[at]; }
  c[at] = total;
}
