// What the derivatives of mlp_block_columns.wgsl begin with: operands in texels, and values of eight rows of gateUp from what the lanes loaded.
// Only for adapters with dear loads: not in the package for browsers.
enable subgroups;

const TEXELS_PER_ROW = 1024;
const LENGTH = 17;
const PARTS = (LENGTH + 3) / 4;

@group(0) @binding(0) var s: texture_storage_2d<rgba32float, read>;
@group(0) @binding(1) var ds: texture_storage_2d<rgba32float, read>;
@group(0) @binding(2) var gate_up: texture_storage_2d<rgba32float, read>;
@group(0) @binding(3) var down: texture_storage_2d<rgba32float, read>;

fn texel(at: u32) -> vec2u { return vec2u(at % TEXELS_PER_ROW, at / TEXELS_PER_ROW); }

fn pick(loaded: array<vec4f, PARTS>, at: u32) -> f32 { return subgroupShuffle(loaded[at / 32u][at % 4u], at % 32u / 4u); }
