// y = s' / sqrt(mean(s'²) + EPSILON), s' = s + down(silu(gate) ⊙ up), [gate | up] = gateUp(s): a block over the last axis.
// s is (rows, 32 · SETS). For adapters with dear loads: a subgroup of 8 lanes is a workgroup and owns ROWS rows; 32 inner values at a time
// of all of them, four side by side a lane, and what lies between input and result is stored only where p.keeps.
// Only for adapters with dear loads: not in the package for browsers.
enable subgroups;

struct Parameters { rows: u32, inner: u32, groups: u32, keeps: u32 }

const TEXELS_PER_ROW = 1024;
const ROWS = 16;
const SETS = 2; // of 32 columns, 1 … 4
const WIDTH = 32 * SETS;
const EPSILON = 1e-5;

@group(0) @binding(0) var s: texture_storage_2d<rgba32float, read>;
@group(0) @binding(1) var gate_up: texture_storage_2d<rgba32float, read>;
@group(0) @binding(2) var down: texture_storage_2d<rgba32float, read>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;
@group(0) @binding(4) var<storage, read_write> scale: array<f32>;
@group(0) @binding(5) var<storage, read_write> gates_ups: array<f32>;
@group(0) @binding(6) var<storage, read_write> activated: array<f32>;
@group(0) @binding(7) var<uniform> p: Parameters;

fn texel(at: u32) -> vec2u { return vec2u(at % TEXELS_PER_ROW, at / TEXELS_PER_ROW); }

fn load_s(at: u32) -> vec4f { return textureLoad(s, texel(at / 4u)); }

// Four rows of a matrix from `at` on, `stride` apart, four of their values, transposed.
fn load_gate_up(at: u32, stride: u32) -> mat4x4f {
  return transpose(mat4x4f(textureLoad(gate_up, texel(at / 4u)), textureLoad(gate_up, texel((at + stride) / 4u)), textureLoad(gate_up, texel((at + 2u * stride) / 4u)), textureLoad(gate_up, texel((at + 3u * stride) / 4u))));
}

fn load_down(at: u32, stride: u32) -> mat4x4f {
  return transpose(mat4x4f(textureLoad(down, texel(at / 4u)), textureLoad(down, texel((at + stride) / 4u)), textureLoad(down, texel((at + 2u * stride) / 4u)), textureLoad(down, texel((at + 3u * stride) / 4u))));
}

@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(subgroup_invocation_id) lane: u32) {
  let tile = group.x + group.y * groups.x;
  if (tile >= p.groups) { return; }
  let row0 = tile * ROWS;

  // One array a set of columns: the compiler unrolls no loops in loops.
  var sum0: array<vec4f, ROWS>;
  var sum1: array<vec4f, ROWS>;
  var sum2: array<vec4f, ROWS>;
  var sum3: array<vec4f, ROWS>;
  for (var j = 0u; j < p.inner; j += 32u) {
    var gate: array<vec4f, ROWS>;
    var up: array<vec4f, ROWS>;
    for (var i = 0u; i < ROWS; i++) { gate[i] = vec4f(); up[i] = vec4f(); }
    for (var k = 0u; k < WIDTH; k += 4u) {
      var left: array<vec4f, ROWS / 8>;
      for (var i = 0u; i < ROWS / 8; i++) { left[i] = load_s((row0 + i * 8u + lane) * WIDTH + k); }
      let gates = load_gate_up((j + lane * 4u) * WIDTH + k, WIDTH);
      let ups = load_gate_up((p.inner + j + lane * 4u) * WIDTH + k, WIDTH);
      for (var i = 0u; i < ROWS; i++) {
        let v = vec4f(subgroupShuffle(left[i / 8u].x, i % 8u), subgroupShuffle(left[i / 8u].y, i % 8u), subgroupShuffle(left[i / 8u].z, i % 8u), subgroupShuffle(left[i / 8u].w, i % 8u));
        var g = gate[i];
        g += v.x * gates[0];
        g += v.y * gates[1];
        g += v.z * gates[2];
        g += v.w * gates[3];
        gate[i] = g;
      }
      // A loop of its own: both in one are too long for the compiler to unroll.
      for (var i = 0u; i < ROWS; i++) {
        let v = vec4f(subgroupShuffle(left[i / 8u].x, i % 8u), subgroupShuffle(left[i / 8u].y, i % 8u), subgroupShuffle(left[i / 8u].z, i % 8u), subgroupShuffle(left[i / 8u].w, i % 8u));
        var u = up[i];
        u += v.x * ups[0];
        u += v.y * ups[1];
        u += v.z * ups[2];
        u += v.w * ups[3];
        up[i] = u;
      }
    }
    for (var i = 0u; i < ROWS; i++) {
      let a = gate[i] / (1.0 + exp(-gate[i])) * up[i];
      if (p.keeps != 0u && row0 + i < p.rows) {
        for (var c = 0u; c < 4u; c++) {
          gates_ups[(row0 + i) * 2u * p.inner + j + lane * 4u + c] = gate[i][c];
          gates_ups[(row0 + i) * 2u * p.inner + p.inner + j + lane * 4u + c] = up[i][c];
          activated[(row0 + i) * p.inner + j + lane * 4u + c] = a[c];
        }
      }
      up[i] = a;
    }
    for (var q = 0u; q < 8u; q++) {
      let at = lane * 4u * p.inner + j + q * 4u;
      let w0 = load_down(at, p.inner);
      var w1: mat4x4f;
      var w2: mat4x4f;
      var w3: mat4x4f;
      if (SETS > 1) { w1 = load_down(at + 32u * p.inner, p.inner); }
      if (SETS > 2) { w2 = load_down(at + 64u * p.inner, p.inner); }
      if (SETS > 3) { w3 = load_down(at + 96u * p.inner, p.inner); }
      for (var i = 0u; i < ROWS; i++) {
        let v = vec4f(subgroupShuffle(up[i].x, q), subgroupShuffle(up[i].y, q), subgroupShuffle(up[i].z, q), subgroupShuffle(up[i].w, q));
        sum0[i] += v.x * w0[0] + v.y * w0[1] + v.z * w0[2] + v.w * w0[3];
        if (SETS > 1) { sum1[i] += v.x * w1[0] + v.y * w1[1] + v.z * w1[2] + v.w * w1[3]; }
        if (SETS > 2) { sum2[i] += v.x * w2[0] + v.y * w2[1] + v.z * w2[2] + v.w * w2[3]; }
        if (SETS > 3) { sum3[i] += v.x * w3[0] + v.y * w3[1] + v.z * w3[2] + v.w * w3[3]; }
      }
    }
  }

  for (var i = 0u; i < ROWS; i++) {
    let at = (row0 + i) * WIDTH + lane * 4u;
    let v0 = sum0[i] + load_s(at);
    var squares = dot(v0, v0);
    var v1: vec4f;
    var v2: vec4f;
    var v3: vec4f;
    if (SETS > 1) { v1 = sum1[i] + load_s(at + 32u); squares += dot(v1, v1); }
    if (SETS > 2) { v2 = sum2[i] + load_s(at + 64u); squares += dot(v2, v2); }
    if (SETS > 3) { v3 = sum3[i] + load_s(at + 96u); squares += dot(v3, v3); }
    let factor = inverseSqrt(subgroupAdd(squares) / f32(WIDTH) + EPSILON);
    if (row0 + i < p.rows) {
      if (lane == 0u) { scale[row0 + i] = factor; }
      store(at, v0 * factor);
      if (SETS > 1) { store(at + 32u, v1 * factor); }
      if (SETS > 2) { store(at + 64u, v2 * factor); }
      if (SETS > 3) { store(at + 96u, v3 * factor); }
    }
  }
}

fn store(at: u32, value: vec4f) {
  y[at] = value.x;
  y[at + 1u] = value.y;
  y[at + 2u] = value.z;
  y[at + 3u] = value.w;
}
