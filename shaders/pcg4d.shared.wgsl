// PCG4D: four words in, four out; M. Jarzynski and M. Olano, "Hash Functions for GPU Rendering", 2020.
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
