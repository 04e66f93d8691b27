// What the derivatives of attention in tiles begin with: operands and stores.
#import attention_tiled.shared.wgsl
@group(0) @binding(2) var<storage, read> lse: array<f32>;
@group(0) @binding(3) var<storage, read> delta: array<f32>;
@group(0) @binding(4) var<storage, read> d_o: array<vec4f>;
@group(0) @binding(5) var<storage, read_write> d_qkv: array<vec4f>;
@group(0) @binding(6) var<uniform> p: Uniforms;

fn gradient(at: u32) -> vec4f { return d_o[at]; }

fn store(rows: u32, row: u32, block: u32, value: vec4f) { d_qkv[((row * 3u + rows) * p.heads + head) * BLOCKS + block] = value; }

// The tile's first own row.
fn begin(tile: u32, index: u32) -> u32 {
  thread = index;
  head = tile / p.tiles % p.heads;
  batch = tile / p.tiles / p.heads;
  return tile % p.tiles * TILE;
}

// Where lse and delta of four queries lie; those beyond the last repeat it.
fn queries_at(positions: vec4u) -> vec4u { return (batch * p.heads + head) * p.length + min(positions, vec4u(p.length - 1u)); }
fn lse_of(at: vec4u) -> vec4f { return vec4f(lse[at.x], lse[at.y], lse[at.z], lse[at.w]); }
fn delta_of(at: vec4u) -> vec4f { return vec4f(delta[at.x], delta[at.y], delta[at.z], delta[at.w]); }
