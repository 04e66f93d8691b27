// The derivatives of mlp_block_columns.wgsl for its weights, from ds, the gradient of s', the input of the norm.
// gate and up are computed again. A workgroup owns four inner rows: their rows of gateUp and their columns of down.
// It sums their gradients over all sequences and columns in registers.
#import mlp_block_columns_backward.shared.wgsl
struct Uniforms { length: u32, width: u32, inner: u32, tiles: u32, accumulate_gate_up: u32, accumulate_down: u32 }

@group(0) @binding(4) var<storage, read_write> d_gate_up: array<f32>;
@group(0) @binding(5) var<storage, read_write> d_down: array<f32>;
@group(0) @binding(6) var<uniform> u: Uniforms;

// Adds up over the lanes what each has of four rows; lane r gets the sum of row r.
fn sum_by_lane(sums: vec4f, lane: u32) -> f32 {
  let all = sums + subgroupShuffleXor(sums, 4u);
  let half = select(all.xy, all.zw, lane % 4u >= 2u) + subgroupShuffleXor(select(all.zw, all.xy, lane % 4u >= 2u), 2u);
  return select(half.x, half.y, lane % 2u == 1u) + subgroupShuffleXor(select(half.y, half.x, lane % 2u == 1u), 1u);
}

@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(subgroup_invocation_id) lane: u32) {
  let j = (group.x + group.y * groups.x) * 4u;
  if (j >= u.inner) { return; }
  let tiles = u.width / 32u;

  var gates: array<vec4f, PARTS>;
  var ups: array<vec4f, PARTS>;
  load_rows(&gates, &ups, j, lane);
  // Sums over this lane's columns; a component belongs to one of the four rows.
  var sum_gate: array<vec4f, LENGTH>;
  var sum_up: array<vec4f, LENGTH>;
  var sum_down: array<vec4f, LENGTH>;
  for (var tile = 0u; tile < u.tiles; tile++) {
    let origin = tile / tiles * LENGTH * u.width + tile % tiles * 32u + lane * 4u;
    var rows: array<vec4f, LENGTH>;
    var d_rows: array<vec4f, LENGTH>;
    @diagnostic(off, trm.unroll) for (var i = 0u; i < LENGTH; i++) {
      let at = texel((origin + i * u.width) / 4u);
      rows[i] = textureLoad(s, at);
      d_rows[i] = textureLoad(ds, at);
    }
    var gate: array<vec4f, 4>;
    var up: array<vec4f, 4>;
    times_columns(&gate, &up, &gates, &ups, &rows);
    var d: array<vec4f, 4>;
    through_down(&d, &d_rows, j, lane);
    @diagnostic(off, trm.unroll) for (var r = 0u; r < 4; r++) {
      let sigmoid = 1.0 / (1.0 + exp(-gate[r]));
      let silu = gate[r] * sigmoid;
      let d_gate = d[r] * up[r] * sigmoid * (1.0 + gate[r] * (1.0 - sigmoid));
      gate[r] = d_gate;
      up[r] *= silu; // silu(gate) ⊙ up
      d[r] *= silu; // d up
    }
    @diagnostic(off, trm.unroll) for (var k = 0u; k < LENGTH; k++) {
      let v = rows[k];
      let dv = d_rows[k];
      sum_gate[k] += vec4f(dot(gate[0], v), dot(gate[1], v), dot(gate[2], v), dot(gate[3], v));
      sum_up[k] += vec4f(dot(d[0], v), dot(d[1], v), dot(d[2], v), dot(d[3], v));
      sum_down[k] += vec4f(dot(up[0], dv), dot(up[1], dv), dot(up[2], dv), dot(up[3], dv));
    }
  }

  for (var k = 0u; k < u.length; k++) {
    let gate = sum_by_lane(sum_gate[k], lane);
    let up = sum_by_lane(sum_up[k], lane);
    let below = sum_by_lane(sum_down[k], lane);
    if (lane < 4u) {
      let at = (j + lane) * LENGTH + k;
      let at_up = at + u.inner * LENGTH;
      let at_down = k * u.inner + j + lane;
      d_gate_up[at] = gate + select(0.0, d_gate_up[at], u.accumulate_gate_up != 0u);
      d_gate_up[at_up] = up + select(0.0, d_gate_up[at_up], u.accumulate_gate_up != 0u);
      d_down[at_down] = below + select(0.0, d_down[at_down], u.accumulate_down != 0u);
    }
  }
}
