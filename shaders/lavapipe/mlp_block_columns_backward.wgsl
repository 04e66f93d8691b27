// The derivative of mlp_block_columns.wgsl for its input: d_s = ds + the gradient through the layers, where ds is the
// gradient of s', the input of the norm. gate and up are computed again.
#import mlp_block_columns_backward.shared.wgsl
struct Uniforms { length: u32, width: u32, inner: u32, groups: u32, accumulate: u32 }

@group(0) @binding(4) var<storage, read_write> d_s: array<f32>;
@group(0) @binding(5) var<uniform> u: Uniforms;

@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(subgroup_invocation_id) lane: u32) {
  let tile = group.x + group.y * groups.x;
  if (tile >= u.groups) { return; }
  let tiles = u.width / 32u;
  let origin = tile / tiles * LENGTH * u.width + tile % tiles * 32u + lane * 4u;

  var rows: array<vec4f, LENGTH>;
  var d_rows: array<vec4f, LENGTH>;
  var sum: array<vec4f, LENGTH>;
  @diagnostic(off, trm.unroll) for (var i = 0u; i < LENGTH; i++) {
    let at = texel((origin + i * u.width) / 4u);
    rows[i] = textureLoad(s, at);
    d_rows[i] = textureLoad(ds, at);
    sum[i] = d_rows[i];
  }
  for (var j = 0u; j < u.inner; j += 4u) {
    var gates: array<vec4f, PARTS>;
    var ups: array<vec4f, PARTS>;
    load_rows(&gates, &ups, j, lane);
    var gate: array<vec4f, 4>;
    var up: array<vec4f, 4>;
    times_columns(&gate, &up, &gates, &ups, &rows);
    var d: array<vec4f, 4>;
    through_down(&d, &d_rows, j, lane);
    @diagnostic(off, trm.unroll) for (var r = 0u; r < 4; r++) {
      let sigmoid = 1.0 / (1.0 + exp(-gate[r]));
      let d_gate = d[r] * up[r] * sigmoid * (1.0 + gate[r] * (1.0 - sigmoid));
      up[r] = d[r] * gate[r] * sigmoid;
      gate[r] = d_gate;
    }
    @diagnostic(off, trm.unroll) for (var k = 0u; k < LENGTH; k++) {
      var v = sum[k];
      @diagnostic(off, trm.unroll) for (var r = 0u; r < 4; r++) {
        v += pick(&gates, r, k) * gate[r];
        v += pick(&ups, r, k) * up[r];
      }
      sum[k] = v;
    }
  }

  for (var i = 0u; i < u.length; i++) {
    let at = origin + i * u.width;
    var v = sum[i];
    if (u.accumulate != 0u) { v += vec4f(d_s[at], d_s[at + 1u], d_s[at + 2u], d_s[at + 3u]); }
    d_s[at] = v.x;
    d_s[at + 1u] = v.y;
    d_s[at + 2u] = v.z;
    d_s[at + 3u] = v.w;
  }
}
