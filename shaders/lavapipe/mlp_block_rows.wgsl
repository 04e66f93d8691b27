// A SwiGLU block over the last axis: [gate | up] = gateUp(s),  s' = s + down(silu(gate) ⊙ up),
// y = s' / sqrt(mean(s'²) + EPSILON). s is (rows, 32 · SETS).
// A workgroup is one subgroup of 8 lanes. It owns ROWS rows and takes 32 inner values of all of them at a time,
// four side by side a lane. gate, up and silu(gate) ⊙ up are stored only where u.keeps.
enable subgroups;

struct Uniforms { rows: u32, inner: u32, groups: u32, keeps: u32 }

const TEXELS_PER_ROW = 1024;
const ROWS = 16;
const GROUPS = 2; // of eight rows
const SETS = 2; // of 32 columns, 1 … 4
const WIDTH = 32 * SETS;
const EPSILON = 1e-5;

@group(0) @binding(0) var s: texture_storage_2d<rgba32float, read>;
@group(0) @binding(1) var gate_up: texture_storage_2d<rgba32float, read>;
@group(0) @binding(2) var down: texture_storage_2d<rgba32float, read>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;
@group(0) @binding(4) var<storage, read_write> rstd: array<f32>;
@group(0) @binding(5) var<storage, read_write> gates_ups: array<f32>;
@group(0) @binding(6) var<storage, read_write> activated: array<f32>;
@group(0) @binding(7) var<uniform> u: Uniforms;

fn texel(at: u32) -> vec2u { return vec2u(at % TEXELS_PER_ROW, at / TEXELS_PER_ROW); }

fn load_s(at: u32) -> vec4f { return textureLoad(s, texel(at / 4u)); }

// Four values of each of four rows, from `at` on, `stride` apart; transposed.
fn load_gate_up(at: u32, stride: u32) -> mat4x4f {
  return transpose(mat4x4f(
    textureLoad(gate_up, texel(at / 4u)),
    textureLoad(gate_up, texel((at + stride) / 4u)),
    textureLoad(gate_up, texel((at + 2u * stride) / 4u)),
    textureLoad(gate_up, texel((at + 3u * stride) / 4u))
  ));
}

fn load_down(at: u32, stride: u32) -> mat4x4f {
  return transpose(mat4x4f(
    textureLoad(down, texel(at / 4u)),
    textureLoad(down, texel((at + stride) / 4u)),
    textureLoad(down, texel((at + 2u * stride) / 4u)),
    textureLoad(down, texel((at + 3u * stride) / 4u))
  ));
}

@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(subgroup_invocation_id) lane: u32) {
  let tile = group.x + group.y * groups.x;
  if (tile >= u.groups) { return; }
  let row0 = tile * ROWS;
  let end = min(row0 + ROWS, u.rows);

  var sum: array<array<vec4f, ROWS>, SETS>;
  for (var j = 0u; j < u.inner; j += 32u) {
    var gate: array<vec4f, ROWS>;
    var up: array<vec4f, ROWS>;
    var a: array<vec4f, ROWS>;
    @diagnostic(off, trm.unroll) for (var i = 0u; i < ROWS; i++) { gate[i] = vec4f(); up[i] = vec4f(); }
    for (var k = 0u; k < WIDTH; k += 4u) {
      var left: array<vec4f, GROUPS>;
      @diagnostic(off, trm.unroll) for (var i = 0u; i < GROUPS; i++) {
        left[i] = load_s((row0 + i * 8u + lane) * WIDTH + k);
      }
      let gates = load_gate_up((j + lane * 4u) * WIDTH + k, WIDTH);
      let ups = load_gate_up((u.inner + j + lane * 4u) * WIDTH + k, WIDTH);
      @diagnostic(off, trm.unroll) for (var i = 0u; i < ROWS; i++) {
        var g = gate[i];
        @diagnostic(off, trm.unroll) for (var step = 0u; step < 4; step++) {
          g += subgroupShuffle(left[i / 8u][step], i % 8u) * gates[step];
        }
        gate[i] = g;
      }
      // In a loop of its own: gates and ups do not fit into the registers together.
      @diagnostic(off, trm.unroll) for (var i = 0u; i < ROWS; i++) {
        var value = up[i];
        @diagnostic(off, trm.unroll) for (var step = 0u; step < 4; step++) {
          value += subgroupShuffle(left[i / 8u][step], i % 8u) * ups[step];
        }
        up[i] = value;
      }
    }
    @diagnostic(off, trm.unroll) for (var i = 0u; i < ROWS; i++) {
      let g = gate[i];
      a[i] = g / (1.0 + exp(-g)) * up[i];
    }
    if (u.keeps != 0u) {
      for (var i = 0u; row0 + i < end; i++) {
        let at = (row0 + i) * 2u * u.inner + j + lane * 4u;
        let to = (row0 + i) * u.inner + j + lane * 4u;
        for (var c = 0u; c < 4u; c++) {
          gates_ups[at + c] = gate[i][c];
          gates_ups[at + u.inner + c] = up[i][c];
          activated[to + c] = a[i][c];
        }
      }
    }
    for (var q = 0u; q < 8u; q++) {
      @diagnostic(off, trm.unroll) for (var set = 0u; set < SETS; set++) {
        let w = load_down((lane * 4u + set * 32u) * u.inner + j + q * 4u, u.inner);
        @diagnostic(off, trm.unroll) for (var i = 0u; i < ROWS; i++) {
          var v = sum[set][i];
          @diagnostic(off, trm.unroll) for (var step = 0u; step < 4; step++) {
            v += subgroupShuffle(a[i][step], q) * w[step];
          }
          sum[set][i] = v;
        }
      }
    }
  }

  // Not unrolled, because its bound is not constant: unrolled stores would take most of the time of compilation.
  for (var i = 0u; row0 + i < end; i++) {
    let at = (row0 + i) * WIDTH + lane * 4u;
    var v: array<vec4f, SETS>;
    var squares = 0.0;
    @diagnostic(off, trm.unroll) for (var set = 0u; set < SETS; set++) {
      v[set] = sum[set][i] + load_s(at + set * 32u);
      squares += dot(v[set], v[set]);
    }
    let row_rstd = inverseSqrt(subgroupAdd(squares) / f32(WIDTH) + EPSILON);
    if (lane == 0u) { rstd[row0 + i] = row_rstd; }
    @diagnostic(off, trm.unroll) for (var set = 0u; set < SETS; set++) { store(at + set * 32u, v[set] * row_rstd); }
  }
}

fn store(at: u32, value: vec4f) {
  y[at] = value.x;
  y[at + 1u] = value.y;
  y[at + 2u] = value.z;
  y[at + 3u] = value.w;
}
