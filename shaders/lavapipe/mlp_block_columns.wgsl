// y = s' / sqrt(mean(s'² over the positions) + EPSILON), s' = s + down · (silu(gate) ⊙ up), [gate | up] = gateUp · s, s = h + injection: a token-mixing block.
// h is (batch, LENGTH, width). A workgroup owns 32 columns of a sequence; four inner rows at a time, nothing between input and result is stored.
#import mlp_block_columns.shared.wgsl
struct Uniforms { length: u32, width: u32, inner: u32, groups: u32, has_injection: u32 }

const EPSILON = 1e-5;

@group(0) @binding(0) var h: texture_storage_2d<rgba32float, read>;
@group(0) @binding(1) var injection: texture_storage_2d<rgba32float, read>;
@group(0) @binding(4) var<storage, read_write> y: array<f32>;
@group(0) @binding(5) var<storage, read_write> rstd: array<f32>;
@group(0) @binding(6) var<uniform> p: Uniforms;

// sum += rows first … first + 7 of down · a, where a is of inner rows from j on.
fn add_down(sum: ptr<function, array<vec4f, LENGTH>>, a: ptr<function, array<vec4f, 4>>, first: u32, j: u32, lane: u32) {
  let w = load_down(first, j, lane);
  @diagnostic(off, trm.unroll) for (var r = 0u; r < 8; r++) {
    if (first + r < LENGTH) {
      var v = sum[first + r];
      v += subgroupShuffle(w.x, r) * a[0];
      v += subgroupShuffle(w.y, r) * a[1];
      v += subgroupShuffle(w.z, r) * a[2];
      v += subgroupShuffle(w.w, r) * a[3];
      sum[first + r] = v;
    }
  }
}

@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(subgroup_invocation_id) lane: u32) {
  let tile = group.x + group.y * groups.x;
  if (tile >= p.groups) { return; }
  let tiles = p.width / 32u;
  let column = tile % tiles * 32u + lane * 4u;
  let origin = tile / tiles * LENGTH * p.width + column;

  var s: array<vec4f, LENGTH>;
  var sum: array<vec4f, LENGTH>;
  @diagnostic(off, trm.unroll) for (var i = 0u; i < LENGTH; i++) {
    let at = texel((origin + i * p.width) / 4u);
    let v = textureLoad(h, at);
    s[i] = select(v, v + textureLoad(injection, at), p.has_injection != 0u);
    sum[i] = s[i];
  }
  for (var j = 0u; j < p.inner; j += 4u) {
    var gates: array<vec4f, PARTS>;
    var ups: array<vec4f, PARTS>;
    load_rows(&gates, &ups, j, lane);
    var gate: array<vec4f, 4>;
    var up: array<vec4f, 4>;
    times_columns(&gate, &up, &gates, &ups, &s);
    var a: array<vec4f, 4>;
    @diagnostic(off, trm.unroll) for (var r = 0u; r < 4; r++) { a[r] = gate[r] / (1.0 + exp(-gate[r])) * up[r]; }
    add_down(&sum, &a, 0u, j, lane);
    if (LENGTH > 8u) { add_down(&sum, &a, 8u, j, lane); }
    if (LENGTH > 16u) { add_down(&sum, &a, 16u, j, lane); }
  }

  var squares = vec4f();
  @diagnostic(off, trm.unroll) for (var i = 0u; i < LENGTH; i++) { squares += sum[i] * sum[i]; }
  let factor = inverseSqrt(squares / f32(LENGTH) + EPSILON);
  let row = tile / tiles * p.width + column;
  rstd[row] = factor.x;
  rstd[row + 1u] = factor.y;
  rstd[row + 2u] = factor.z;
  rstd[row + 3u] = factor.w;
  // Not unrolled, as its bound is no constant: stores that are written out take the compiler most of its time.
  for (var i = 0u; i < p.length; i++) {
    let v = sum[i] * factor;
    let at = origin + i * p.width;
    y[at] = v.x;
    y[at + 1u] = v.y;
    y[at + 2u] = v.z;
    y[at + 3u] = v.w;
  }
}
