// What the derivatives of attention by textures share: bindings, loads of d_o, the inverse rotation, stores.
#import attention_textures.shared.wgsl
@group(0) @binding(2) var<storage, read> lse: array<f32>;
@group(0) @binding(3) var<storage, read> delta: array<f32>;
@group(0) @binding(4) var d_o: texture_storage_2d<rgba32float, read>;
@group(0) @binding(5) var<storage, read_write> d_qkv: array<f32>;
@group(0) @binding(6) var<uniform> u: Uniforms;

fn load_o(at: u32) -> vec4f { return textureLoad(d_o, vec2u(at / 4u % TEXELS_PER_ROW, at / 4u / TEXELS_PER_ROW)); }

fn store(at: u32, value: vec4f) {
  d_qkv[at] = value.x;
  d_qkv[at + 1u] = value.y;
  d_qkv[at + 2u] = value.z;
  d_qkv[at + 3u] = value.w;
}

// The columns of a gradient that a lane has, rotated back.
fn rotate_back(low: vec4f, high: vec4f, position: u32, lane: u32) -> mat2x4f {
  if (!ROPE) { return mat2x4f(low, high); }
  if (HEAD_DIM <= 32) { return mat2x4f(rotate_lanes(low, position, lane, -1.0), vec4f()); }
  let cos_sin = angles(position, lane * 4u);
  return mat2x4f(low * cos_sin[0] + high * cos_sin[1], high * cos_sin[0] - low * cos_sin[1]);
}
