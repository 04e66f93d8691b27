// What mlp_block_columns.wgsl and its derivatives share: loads of the weights of four inner rows, and their products
// with 32 columns of a sequence.
// A workgroup is one subgroup of 8 lanes. A lane has four columns, side by side, of each position, in registers.
// More than four inner rows at once are slower to compile and no faster.
// A file that imports this one declares the uniforms `u`.
enable subgroups;

const TEXELS_PER_ROW = 1024;
const LENGTH = 17;
// Loads of all lanes, of 32 values, for the 4 · LENGTH values of four consecutive rows of gateUp.
const PARTS = 3;

@group(0) @binding(2) var gate_up: texture_storage_2d<rgba32float, read>;
@group(0) @binding(3) var down: texture_storage_2d<rgba32float, read>;

fn texel(at: u32) -> vec2u { return vec2u(at % TEXELS_PER_ROW, at / TEXELS_PER_ROW); }

// Loads rows j … j + 3 of gate and of up.
fn load_rows(gates: ptr<function, array<vec4f, PARTS>>, ups: ptr<function, array<vec4f, PARTS>>, j: u32, lane: u32) {
  @diagnostic(off, trm.unroll) for (var i = 0u; i < PARTS; i++) {
    gates[i] = textureLoad(gate_up, texel(j * LENGTH / 4u + i * 8u + lane));
    ups[i] = textureLoad(gate_up, texel((u.inner + j) * LENGTH / 4u + i * 8u + lane));
  }
}

// Value k of loaded row r.
fn pick(loaded: ptr<function, array<vec4f, PARTS>>, r: u32, k: u32) -> f32 {
  let at = r * LENGTH + k;
  return subgroupShuffle(loaded[at / 32u][at % 4u], at % 32u / 4u);
}

// gate and up = the loaded rows · columns.
fn times_columns(
  gate: ptr<function, array<vec4f, 4>>,
  up: ptr<function, array<vec4f, 4>>,
  gates: ptr<function, array<vec4f, PARTS>>,
  ups: ptr<function, array<vec4f, PARTS>>,
  columns: ptr<function, array<vec4f, LENGTH>>
) {
  @diagnostic(off, trm.unroll) for (var r = 0u; r < 4; r++) { gate[r] = vec4f(); up[r] = vec4f(); }
  @diagnostic(off, trm.unroll) for (var k = 0u; k < LENGTH; k++) {
    @diagnostic(off, trm.unroll) for (var r = 0u; r < 4; r++) {
      gate[r] += pick(gates, r, k) * columns[k];
      up[r] += pick(ups, r, k) * columns[k];
    }
  }
}

// Four inner columns from j on of rows first … first + 7 of down, one row a lane.
fn load_down(first: u32, j: u32, lane: u32) -> vec4f {
  return textureLoad(down, texel((min(first + lane, LENGTH - 1u) * u.inner + j) / 4u));
}
