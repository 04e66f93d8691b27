// state += SIGMA · g, where g = sqrt(−2 ln u₁) · cos(2π u₂) is standard normal (Box and Muller, 1958).
// u₁ and u₂ are hashes of the slot's key, the element and STREAM. No generator has a state:
// a key (seed, puzzle, rollout, step) gives the same numbers in any slot of any batch. One thread per element.
override THREADS: u32;
override COUNT: u32;
override PER_SLOT: u32;
override STREAM: u32;
override SIGMA: f32;

@group(0) @binding(0) var<storage, read> keys: array<vec4u>; // one per slot
@group(0) @binding(1) var<storage, read_write> state: array<f32>;

// PCG4D, four words in, four out: M. Jarzynski and M. Olano, "Hash Functions for GPU Rendering", 2020.
fn hash(value: vec4u) -> vec4u {
  var v = value * 1664525u + 1013904223u;
  for (var round = 0u; round < 2u; round++) {
    v.x += v.y * v.w;
    v.y += v.z * v.x;
    v.z += v.x * v.y;
    v.w += v.y * v.z;
    if (round == 0u) { v ^= v >> vec4u(16u); }
  }
  return v;
}

@compute @workgroup_size(THREADS)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) thread: u32
) {
  let i = (group.x + group.y * groups.x) * THREADS + thread;
  if (i >= COUNT) { return; }
  let random = hash(hash(keys[i / PER_SLOT]) + vec4u(i % PER_SLOT, STREAM, 0u, 0u));
  let u = (vec2f(random.xy >> vec2u(8u)) + 0.5) * 0x1p-24; // 0 < u < 1
  state[i] += SIGMA * sqrt(-2.0 * log(u.x)) * cos(6.2831853 * (u.y - 0.5));
}
