// y = s' / sqrt(mean(s'² over the positions) + EPSILON), s' = s + down · (silu(gate) ⊙ up), [gate | up] = gateUp · s, s = h + injection: a token-mixing block.
// h is (batch, LENGTH, width). For adapters with dear loads: a subgroup of 8 lanes is a workgroup and owns 32 columns of a sequence, four side
// by side a lane, in registers; eight inner rows at a time, nothing between input and result is stored.
// Only for adapters with dear loads: not in the package for browsers.
enable subgroups;

struct Parameters { width: u32, inner: u32, groups: u32, has_injection: u32 }

const TEXELS_PER_ROW = 1024;
const LENGTH = 17;
// Eight rows of gateUp lie one after the other: 8 · LENGTH values, 32 of them a load of all lanes.
const PARTS = (LENGTH + 3) / 4;
const EPSILON = 1e-5;

@group(0) @binding(0) var h: texture_storage_2d<rgba32float, read>;
@group(0) @binding(1) var injection: texture_storage_2d<rgba32float, read>;
@group(0) @binding(2) var gate_up: texture_storage_2d<rgba32float, read>;
@group(0) @binding(3) var down: texture_storage_2d<rgba32float, read>;
@group(0) @binding(4) var<storage, read_write> y: array<f32>;
@group(0) @binding(5) var<storage, read_write> scale: array<f32>;
@group(0) @binding(6) var<uniform> p: Parameters;

fn texel(at: u32) -> vec2u { return vec2u(at % TEXELS_PER_ROW, at / TEXELS_PER_ROW); }

// Value `at` of what the lanes loaded of eight rows.
fn pick(loaded: array<vec4f, PARTS>, at: u32) -> f32 { return subgroupShuffle(loaded[at / 32u][at % 4u], at % 32u / 4u); }

@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(subgroup_invocation_id) lane: u32) {
  let tile = group.x + group.y * groups.x;
  if (tile >= p.groups) { return; }
  let tiles = p.width / 32u;
  let origin = tile / tiles * LENGTH * p.width + tile % tiles * 32u + lane * 4u;

  var s: array<vec4f, LENGTH>;
  var sum: array<vec4f, LENGTH>;
  for (var i = 0u; i < LENGTH; i++) {
    let at = texel((origin + i * p.width) / 4u);
    s[i] = textureLoad(h, at);
    if (p.has_injection != 0u) { s[i] += textureLoad(injection, at); }
    sum[i] = s[i];
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
    for (var r = 0u; r < 8u; r++) { gate[r] = vec4f(); up[r] = vec4f(); }
    // The rows written out: the compiler unrolls no loops in loops.
    for (var k = 0u; k < LENGTH; k++) {
      let v = s[k];
      gate[0] += pick(gates, k) * v;               up[0] += pick(ups, k) * v;
      gate[1] += pick(gates, LENGTH + k) * v;      up[1] += pick(ups, LENGTH + k) * v;
      gate[2] += pick(gates, 2u * LENGTH + k) * v; up[2] += pick(ups, 2u * LENGTH + k) * v;
      gate[3] += pick(gates, 3u * LENGTH + k) * v; up[3] += pick(ups, 3u * LENGTH + k) * v;
      gate[4] += pick(gates, 4u * LENGTH + k) * v; up[4] += pick(ups, 4u * LENGTH + k) * v;
      gate[5] += pick(gates, 5u * LENGTH + k) * v; up[5] += pick(ups, 5u * LENGTH + k) * v;
      gate[6] += pick(gates, 6u * LENGTH + k) * v; up[6] += pick(ups, 6u * LENGTH + k) * v;
      gate[7] += pick(gates, 7u * LENGTH + k) * v; up[7] += pick(ups, 7u * LENGTH + k) * v;
    }
    var a: array<vec4f, 8>;
    for (var r = 0u; r < 8u; r++) { a[r] = gate[r] / (1.0 + exp(-gate[r])) * up[r]; }
    for (var first = 0u; first < LENGTH; first += 8u) {
      let at = (min(first + lane, LENGTH - 1u) * p.inner + j) / 4u;
      let left = textureLoad(down, texel(at));
      let right = textureLoad(down, texel(at + 1u));
      for (var r = 0u; r < 8u; r++) {
        if (first + r < LENGTH) {
          var v = sum[first + r];
          v += subgroupShuffle(left.x, r) * a[0];
          v += subgroupShuffle(left.y, r) * a[1];
          v += subgroupShuffle(left.z, r) * a[2];
          v += subgroupShuffle(left.w, r) * a[3];
          v += subgroupShuffle(right.x, r) * a[4];
          v += subgroupShuffle(right.y, r) * a[5];
          v += subgroupShuffle(right.z, r) * a[6];
          v += subgroupShuffle(right.w, r) * a[7];
          sum[first + r] = v;
        }
      }
    }
  }

  var squares = vec4f();
  for (var i = 0u; i < LENGTH; i++) { squares += sum[i] * sum[i]; }
  let factor = inverseSqrt(squares / f32(LENGTH) + EPSILON);
  for (var c = 0u; c < 4u; c++) { scale[tile / tiles * p.width + tile % tiles * 32u + lane * 4u + c] = factor[c]; }
  for (var i = 0u; i < LENGTH; i++) {
    let v = sum[i] * factor;
    let at = origin + i * p.width;
    y[at] = v.x;
    y[at + 1u] = v.y;
    y[at + 2u] = v.z;
    y[at + 3u] = v.w;
  }
}
