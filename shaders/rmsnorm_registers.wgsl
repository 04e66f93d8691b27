// As rmsnorm.wgsl, for GPUs: each value is read once, 16 bytes at a time.
#import rmsnorm_registers.shared.wgsl
override HAS_RESIDUAL: bool;
override EPSILON: f32;

@group(0) @binding(0) var<storage, read> x: array<vec4u>;
@group(0) @binding(1) var<storage, read> residual: array<vec4u>;
@group(0) @binding(2) var<storage, read_write> y: array<vec4u>;
@group(0) @binding(3) var<storage, read_write> scale: array<f32>;
@group(0) @binding(4) var<uniform> p: Parameters;

fn put_four(at: u32, values: vec4f) {
  scale[at] = values.x;
  scale[at + 1u] = values.y;
  scale[at + 2u] = values.z;
  scale[at + 3u] = values.w;
}

@compute @workgroup_size(THREADS)
fn main(
  @builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) thread: u32,
) {
  let at = place(group.x + group.y * groups.x, thread);
  var s: array<Value, CHUNKS>;
  @diagnostic(off, trm.unroll) for (var c = 0u; c < CHUNKS; c++) {
    let word = word_at(at, c);
    s[c] = unpacked(x[word]);
    if (HAS_RESIDUAL) { s[c] += unpacked(residual[word]); }
  }
  var squares: Value;
  @diagnostic(off, trm.unroll) for (var c = 0u; c < CHUNKS; c++) {
    if (has(c, at.lane)) { squares += times(s[c], s[c]); }
  }
  let factor = inverse_roots(mean_of(squares, at.lane, thread) + everywhere(EPSILON));
  if (at.row >= p.rows) { return; }
  if (at.lane == 0u) {
    if (ACROSS) {
      put_four(at.row * PER_WORD, first_of(factor));
      put_four(at.row * PER_WORD + PER_WORD - 4u, last_of(factor));
    } else { scale[at.row] = first_of(factor).x; }
  }
  @diagnostic(off, trm.unroll) for (var c = 0u; c < CHUNKS; c++) {
    if (has(c, at.lane)) { y[word_at(at, c)] = packed(times(s[c], factor)); }
  }
}
