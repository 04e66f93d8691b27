// The derivative of mlp_block_columns.wgsl up to its input: ds = d s' on the direct way, plus the way through the layers, which are computed again.
// Lanes and registers as there.
// Only for adapters with dear loads: not in the package for browsers. In front of it stands mlp_block_columns_operands.wgsl.
struct Parameters { width: u32, inner: u32, groups: u32, accumulate: u32 }

@group(0) @binding(4) var<storage, read_write> d_s: array<f32>;
@group(0) @binding(5) var<uniform> p: Parameters;

@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(subgroup_invocation_id) lane: u32) {
  let tile = group.x + group.y * groups.x;
  if (tile >= p.groups) { return; }
  let tiles = p.width / 32u;
  let origin = tile / tiles * LENGTH * p.width + tile % tiles * 32u + lane * 4u;

  var rows: array<vec4f, LENGTH>;
  var d_rows: array<vec4f, LENGTH>;
  var sum: array<vec4f, LENGTH>;
  for (var i = 0u; i < LENGTH; i++) {
    let at = texel((origin + i * p.width) / 4u);
    rows[i] = textureLoad(s, at);
    d_rows[i] = textureLoad(ds, at);
    sum[i] = d_rows[i];
  }
  for (var j = 0u; j < p.inner; j += 8u) {
    var gates: array<vec4f, PARTS>;
    var ups: array<vec4f, PARTS>;
    for (var i = 0u; i < PARTS; i++) {
      gates[i] = textureLoad(gate_up, texel(j * LENGTH / 4u + i * 8u + lane));
      ups[i] = textureLoad(gate_up, texel((p.inner + j) * LENGTH / 4u + i * 8u + lane));
    }
    var gate: array<vec4f, 8>;
    var up: array<vec4f, 8>;
    var d: array<vec4f, 8>;
    for (var r = 0u; r < 8u; r++) { gate[r] = vec4f(); up[r] = vec4f(); d[r] = vec4f(); }
    for (var k = 0u; k < LENGTH; k++) {
      let v = rows[k];
      gate[0] += pick(gates, 0u * LENGTH + k) * v; up[0] += pick(ups, 0u * LENGTH + k) * v;
      gate[1] += pick(gates, 1u * LENGTH + k) * v; up[1] += pick(ups, 1u * LENGTH + k) * v;
      gate[2] += pick(gates, 2u * LENGTH + k) * v; up[2] += pick(ups, 2u * LENGTH + k) * v;
      gate[3] += pick(gates, 3u * LENGTH + k) * v; up[3] += pick(ups, 3u * LENGTH + k) * v;
      gate[4] += pick(gates, 4u * LENGTH + k) * v; up[4] += pick(ups, 4u * LENGTH + k) * v;
      gate[5] += pick(gates, 5u * LENGTH + k) * v; up[5] += pick(ups, 5u * LENGTH + k) * v;
      gate[6] += pick(gates, 6u * LENGTH + k) * v; up[6] += pick(ups, 6u * LENGTH + k) * v;
      gate[7] += pick(gates, 7u * LENGTH + k) * v; up[7] += pick(ups, 7u * LENGTH + k) * v;
    }
    for (var first = 0u; first < LENGTH; first += 8u) {
      let at = (min(first + lane, LENGTH - 1u) * p.inner + j) / 4u;
      let left = textureLoad(down, texel(at));
      let right = textureLoad(down, texel(at + 1u));
      for (var r = 0u; r < 8u; r++) {
        if (first + r < LENGTH) {
          let v = d_rows[first + r];
          d[0] += subgroupShuffle(left.x, r) * v; d[1] += subgroupShuffle(left.y, r) * v; d[2] += subgroupShuffle(left.z, r) * v; d[3] += subgroupShuffle(left.w, r) * v;
          d[4] += subgroupShuffle(right.x, r) * v; d[5] += subgroupShuffle(right.y, r) * v; d[6] += subgroupShuffle(right.z, r) * v; d[7] += subgroupShuffle(right.w, r) * v;
        }
      }
    }
    for (var r = 0u; r < 8u; r++) {
      let sigmoid = 1.0 / (1.0 + exp(-gate[r]));
      let d_gate = d[r] * up[r] * sigmoid * (1.0 + gate[r] * (1.0 - sigmoid));
      up[r] = d[r] * gate[r] * sigmoid;
      gate[r] = d_gate;
    }
    for (var k = 0u; k < LENGTH; k++) {
      var v = sum[k];
      v += pick(gates, 0u * LENGTH + k) * gate[0];
      v += pick(ups, 0u * LENGTH + k) * up[0];
      v += pick(gates, 1u * LENGTH + k) * gate[1];
      v += pick(ups, 1u * LENGTH + k) * up[1];
      v += pick(gates, 2u * LENGTH + k) * gate[2];
      v += pick(ups, 2u * LENGTH + k) * up[2];
      v += pick(gates, 3u * LENGTH + k) * gate[3];
      v += pick(ups, 3u * LENGTH + k) * up[3];
      v += pick(gates, 4u * LENGTH + k) * gate[4];
      v += pick(ups, 4u * LENGTH + k) * up[4];
      v += pick(gates, 5u * LENGTH + k) * gate[5];
      v += pick(ups, 5u * LENGTH + k) * up[5];
      v += pick(gates, 6u * LENGTH + k) * gate[6];
      v += pick(ups, 6u * LENGTH + k) * up[6];
      v += pick(gates, 7u * LENGTH + k) * gate[7];
      v += pick(ups, 7u * LENGTH + k) * up[7];
      sum[k] = v;
    }
  }

  for (var i = 0u; i < LENGTH; i++) {
    for (var c = 0u; c < 4u; c++) {
      let at = origin + i * p.width + c;
      if (p.accumulate != 0u) { sum[i][c] += d_s[at]; }
      d_s[at] = sum[i][c];
    }
  }
}
