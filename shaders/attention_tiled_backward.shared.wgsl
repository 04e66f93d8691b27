// What the derivatives of tiled attention share: bindings, the first row, loads of lse and δ, stores.
#import attention_tiled.shared.wgsl
@group(0) @binding(2) var<storage, read> lse: array<f32>;
@group(0) @binding(3) var<storage, read> delta: array<f32>;
@group(0) @binding(4) var<storage, read> d_o: array<vec4f>;
@group(0) @binding(5) var<storage, read_write> d_qkv: array<vec4f>;
@group(0) @binding(6) var<uniform> u: Uniforms;

fn gradient(at: u32) -> vec4f { return d_o[at]; }

fn store(operand: u32, row: u32, block: u32, value: vec4f) {
  d_qkv[((row * 3u + operand) * u.heads + head) * BLOCKS + block] = value;
}

// Sets batch, head and thread; returns the first own row.
fn begin(tile: u32, index: u32) -> u32 {
  thread = index;
  head = tile / u.tiles % u.heads;
  batch = tile / u.tiles / u.heads;
  return tile % u.tiles * TILE;
}

// Where lse and δ of four queries lie. Positions beyond the last query count as the last one.
fn queries_at(positions: vec4u) -> vec4u {
  return (batch * u.heads + head) * u.length + min(positions, vec4u(u.length - 1u));
}
fn lse_of(at: vec4u) -> vec4f { return vec4f(lse[at.x], lse[at.y], lse[at.z], lse[at.w]); }
fn delta_of(at: vec4u) -> vec4f { return vec4f(delta[at.x], delta[at.y], delta[at.z], delta[at.w]); }
