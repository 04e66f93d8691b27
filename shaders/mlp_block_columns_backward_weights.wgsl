// The weights' derivatives of mlp_block_columns.wgsl from ds, that of s' before the norm; what lies between is computed again.
// A subgroup of 8 lanes is a workgroup and owns eight inner rows: their rows of gateUp and columns of down, summed over all sequences and columns in registers.
// Only for adapters with dear loads: not in the package for browsers. In front of it stands mlp_block_columns_operands.wgsl.
struct Parameters { width: u32, inner: u32, tiles: u32, accumulate_gate_up: u32, accumulate_down: u32 }

@group(0) @binding(4) var<storage, read_write> d_gate_up: array<f32>;
@group(0) @binding(5) var<storage, read_write> d_down: array<f32>;
@group(0) @binding(6) var<uniform> p: Parameters;

@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(subgroup_invocation_id) lane: u32) {
  let j = (group.x + group.y * groups.x) * 8u;
  if (j >= p.inner) { return; }
  let tiles = p.width / 32u;

  var gates: array<vec4f, PARTS>;
  var ups: array<vec4f, PARTS>;
  for (var i = 0u; i < PARTS; i++) {
    gates[i] = textureLoad(gate_up, texel(j * LENGTH / 4u + i * 8u + lane));
    ups[i] = textureLoad(gate_up, texel((p.inner + j) * LENGTH / 4u + i * 8u + lane));
  }
  // Of this lane's columns.
  var sum_gate: array<f32, 8 * LENGTH>;
  var sum_up: array<f32, 8 * LENGTH>;
  var sum_down: array<f32, 8 * LENGTH>;
  for (var tile = 0u; tile < p.tiles; tile++) {
    let origin = tile / tiles * LENGTH * p.width + tile % tiles * 32u + lane * 4u;
    var rows: array<vec4f, LENGTH>;
    var d_rows: array<vec4f, LENGTH>;
    for (var i = 0u; i < LENGTH; i++) {
      let at = texel((origin + i * p.width) / 4u);
      rows[i] = textureLoad(s, at);
      d_rows[i] = textureLoad(ds, at);
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
      let silu = gate[r] * sigmoid;
      let d_gate = d[r] * up[r] * sigmoid * (1.0 + gate[r] * (1.0 - sigmoid));
      gate[r] = d_gate;
      up[r] *= silu; // silu(gate) ⊙ up
      d[r] *= silu; // d up
    }
    for (var k = 0u; k < LENGTH; k++) {
      sum_gate[k * 8u + 0u] += dot(gate[0], rows[k]); sum_up[k * 8u + 0u] += dot(d[0], rows[k]); sum_down[k * 8u + 0u] += dot(up[0], d_rows[k]);
      sum_gate[k * 8u + 1u] += dot(gate[1], rows[k]); sum_up[k * 8u + 1u] += dot(d[1], rows[k]); sum_down[k * 8u + 1u] += dot(up[1], d_rows[k]);
      sum_gate[k * 8u + 2u] += dot(gate[2], rows[k]); sum_up[k * 8u + 2u] += dot(d[2], rows[k]); sum_down[k * 8u + 2u] += dot(up[2], d_rows[k]);
      sum_gate[k * 8u + 3u] += dot(gate[3], rows[k]); sum_up[k * 8u + 3u] += dot(d[3], rows[k]); sum_down[k * 8u + 3u] += dot(up[3], d_rows[k]);
      sum_gate[k * 8u + 4u] += dot(gate[4], rows[k]); sum_up[k * 8u + 4u] += dot(d[4], rows[k]); sum_down[k * 8u + 4u] += dot(up[4], d_rows[k]);
      sum_gate[k * 8u + 5u] += dot(gate[5], rows[k]); sum_up[k * 8u + 5u] += dot(d[5], rows[k]); sum_down[k * 8u + 5u] += dot(up[5], d_rows[k]);
      sum_gate[k * 8u + 6u] += dot(gate[6], rows[k]); sum_up[k * 8u + 6u] += dot(d[6], rows[k]); sum_down[k * 8u + 6u] += dot(up[6], d_rows[k]);
      sum_gate[k * 8u + 7u] += dot(gate[7], rows[k]); sum_up[k * 8u + 7u] += dot(d[7], rows[k]); sum_down[k * 8u + 7u] += dot(up[7], d_rows[k]);
    }
  }

  // Lane r gets row r.
  for (var k = 0u; k < LENGTH; k++) {
    var all: vec3f;
    all = select(all, subgroupAdd(vec3f(sum_gate[k * 8u + 0u], sum_up[k * 8u + 0u], sum_down[k * 8u + 0u])), lane == 0u);
    all = select(all, subgroupAdd(vec3f(sum_gate[k * 8u + 1u], sum_up[k * 8u + 1u], sum_down[k * 8u + 1u])), lane == 1u);
    all = select(all, subgroupAdd(vec3f(sum_gate[k * 8u + 2u], sum_up[k * 8u + 2u], sum_down[k * 8u + 2u])), lane == 2u);
    all = select(all, subgroupAdd(vec3f(sum_gate[k * 8u + 3u], sum_up[k * 8u + 3u], sum_down[k * 8u + 3u])), lane == 3u);
    all = select(all, subgroupAdd(vec3f(sum_gate[k * 8u + 4u], sum_up[k * 8u + 4u], sum_down[k * 8u + 4u])), lane == 4u);
    all = select(all, subgroupAdd(vec3f(sum_gate[k * 8u + 5u], sum_up[k * 8u + 5u], sum_down[k * 8u + 5u])), lane == 5u);
    all = select(all, subgroupAdd(vec3f(sum_gate[k * 8u + 6u], sum_up[k * 8u + 6u], sum_down[k * 8u + 6u])), lane == 6u);
    all = select(all, subgroupAdd(vec3f(sum_gate[k * 8u + 7u], sum_up[k * 8u + 7u], sum_down[k * 8u + 7u])), lane == 7u);
    let at = (j + lane) * LENGTH + k;
    let at_up = at + p.inner * LENGTH;
    let at_down = k * p.inner + j + lane;
    if (p.accumulate_gate_up != 0u) { all += vec3f(d_gate_up[at], d_gate_up[at_up], 0.0); }
    if (p.accumulate_down != 0u) { all.z += d_down[at_down]; }
    d_gate_up[at] = all.x;
    d_gate_up[at_up] = all.y;
    d_down[at_down] = all.z;
  }
}
