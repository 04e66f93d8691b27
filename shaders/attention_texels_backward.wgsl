// What the derivatives of attention by texels begin with: sizes, operands, loads of four values, and the store of four.
// Only for adapters with dear loads: not in the package for browsers.
enable subgroups;

struct Parameters { length: u32, heads: u32, tiles: u32, groups: u32, columns: u32 }

const TEXELS_PER_ROW = 1024;
const TILE = 16;
const HEAD_DIM = 32; // a multiple of 4, at most 64

@group(0) @binding(0) var qkv: texture_storage_2d<rgba32float, read>;
@group(0) @binding(1) var<storage, read> lse: array<f32>;
@group(0) @binding(2) var<storage, read> delta: array<f32>;
@group(0) @binding(3) var d_o: texture_storage_2d<rgba32float, read>;
@group(0) @binding(4) var<storage, read_write> d_qkv: array<f32>;
@group(0) @binding(5) var<uniform> p: Parameters;

fn load(at: u32) -> vec4f { return textureLoad(qkv, vec2u(at / 4u % TEXELS_PER_ROW, at / 4u / TEXELS_PER_ROW)); }
fn load_o(at: u32) -> vec4f { return textureLoad(d_o, vec2u(at / 4u % TEXELS_PER_ROW, at / 4u / TEXELS_PER_ROW)); }

fn store(at: u32, value: vec4f) {
  d_qkv[at] = value.x;
  d_qkv[at + 1u] = value.y;
  d_qkv[at + 2u] = value.z;
  d_qkv[at + 3u] = value.w;
}
