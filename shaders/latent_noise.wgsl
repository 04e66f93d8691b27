// state += SIGMA · g, where g = sqrt(−2 ln u₁) · cos(2π u₂) is standard normal (Box and Muller, 1958).
// u₁ and u₂ are hashes of the slot's key, the element and STREAM. No generator has a state:
// a key (seed, puzzle, rollout, step) gives the same numbers in any slot of any batch. One thread per element.
#import pcg4d.shared.wgsl
override THREADS: u32;
override COUNT: u32;
override PER_SLOT: u32;
override STREAM: u32;
override SIGMA: f32;

@group(0) @binding(0) var<storage, read> keys: array<vec4u>; // one per slot
@group(0) @binding(1) var<storage, read_write> state: array<f32>;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) thread: u32) {
  let i = (group.x + group.y * groups.x) * THREADS + thread;
  if (i >= COUNT) { return; }
  let random = hash(hash(keys[i / PER_SLOT]) + vec4u(i % PER_SLOT, STREAM, 0u, 0u));
  let u = (vec2f(random.xy >> vec2u(8u)) + 0.5) * 0x1p-24; // 0 < u < 1
  state[i] += SIGMA * sqrt(-2.0 * log(u.x)) * cos(6.2831853 * (u.y - 0.5));
}
