// As rmsnorm_backward.wgsl, for GPUs: each value is read once, 16 bytes at a time.
#import rmsnorm_registers.shared.wgsl
@group(0) @binding(0) var<storage, read> y: array<vec4u>;
@group(0) @binding(1) var<storage, read> scale: array<f32>;
@group(0) @binding(2) var<storage, read> dy: array<vec4u>;
@group(0) @binding(3) var<storage, read_write> ds: array<vec4u>;
@group(0) @binding(4) var<uniform> p: Parameters;

fn four(at: u32) -> vec4f { return vec4f(scale[at], scale[at + 1u], scale[at + 2u], scale[at + 3u]); }

fn factors(row: u32) -> Value {
  if (!ACROSS) { return everywhere(scale[row]); }
  return value_of(four(row * PER_WORD), four(row * PER_WORD + PER_WORD - 4u));
}

@compute @workgroup_size(THREADS)
fn main(
  @builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) thread: u32,
) {
  let at = place(group.x + group.y * groups.x, thread);
  // As words, which take half the registers of their values where these are float16.
  var values: array<vec4u, CHUNKS>;
  var gradients: array<vec4u, CHUNKS>;
  @diagnostic(off, trm.unroll) for (var c = 0u; c < CHUNKS; c++) {
    values[c] = y[word_at(at, c)];
    gradients[c] = dy[word_at(at, c)];
  }
  var dots: Value;
  @diagnostic(off, trm.unroll) for (var c = 0u; c < CHUNKS; c++) {
    if (has(c, at.lane)) { dots += times(unpacked(values[c]), unpacked(gradients[c])); }
  }
  let mean = mean_of(dots, at.lane, thread);
  if (at.row >= p.rows) { return; }
  let factor = factors(at.row);
  @diagnostic(off, trm.unroll) for (var c = 0u; c < CHUNKS; c++) {
    if (has(c, at.lane)) {
      ds[word_at(at, c)] = packed(times(factor, unpacked(gradients[c]) - times(unpacked(values[c]), mean)));
    }
  }
}
