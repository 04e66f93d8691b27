// A token-mixing block: s = h + injection,  [gate | up] = gateUp · s,  s' = s + down · (silu(gate) ⊙ up),
// y = s' / sqrt(mean(s'²) + EPSILON); the mean runs over the positions. h is (batch, LENGTH, width).
// A workgroup owns 32 columns of a sequence and takes four inner rows at a time. Nothing between h and y is stored.
#import mlp_block_columns.shared.wgsl
struct Uniforms { length: u32, width: u32, inner: u32, groups: u32, has_injection: u32 }

const EPSILON = 1e-5;

@group(0) @binding(0) var h: texture_storage_2d<rgba32float, read>;
@group(0) @binding(1) var injection: texture_storage_2d<rgba32float, read>;
@group(0) @binding(4) var<storage, read_write> y: array<f32>;
@group(0) @binding(5) var<storage, read_write> rstd: array<f32>;
@group(0) @binding(6) var<uniform> u: Uniforms;

// sum[r] += row r of down · a, for r = first … first + 7; a has four inner rows from j on.
fn add_down(
  sum: ptr<function, array<vec4f, LENGTH>>,
  a: ptr<function, array<vec4f, 4>>,
  first: u32,
  j: u32,
  lane: u32
) {
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
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(subgroup_invocation_id) lane: u32) {
  let tile = group.x + group.y * groups.x;
  if (tile >= u.groups) { return; }
  let tiles = u.width / 32u;
  let column = tile % tiles * 32u + lane * 4u;
  let origin = tile / tiles * LENGTH * u.width + column;

  var s: array<vec4f, LENGTH>;
  var sum: array<vec4f, LENGTH>;
  @diagnostic(off, trm.unroll) for (var i = 0u; i < LENGTH; i++) {
    let at = texel((origin + i * u.width) / 4u);
    let v = textureLoad(h, at);
    s[i] = select(v, v + textureLoad(injection, at), u.has_injection != 0u);
    sum[i] = s[i];
  }
  for (var j = 0u; j < u.inner; j += 4u) {
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
  let row_rstd = inverseSqrt(squares / f32(LENGTH) + EPSILON);
  let row = tile / tiles * u.width + column;
  rstd[row] = row_rstd.x;
  rstd[row + 1u] = row_rstd.y;
  rstd[row + 2u] = row_rstd.z;
  rstd[row + 3u] = row_rstd.w;
  // Not unrolled, because its bound is not constant: unrolled stores would take most of the time of compilation.
  for (var i = 0u; i < u.length; i++) {
    let v = sum[i] * row_rstd;
    let at = origin + i * u.width;
    y[at] = v.x;
    y[at + 1u] = v.y;
    y[at + 2u] = v.z;
    y[at + 3u] = v.w;
  }
}
