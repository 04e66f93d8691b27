// A word of 16 bytes, and the eight float16 that it holds as two vec4f.
fn unpacked(word: vec4u) -> mat2x4f { return mat2x4f(vec4f(bitcast<vec4h>(word.xy)), vec4f(bitcast<vec4h>(word.zw))); }
fn packed(value: mat2x4f) -> vec4u { return vec4u(bitcast<vec2u>(vec4h(value[0])), bitcast<vec2u>(vec4h(value[1]))); }
fn times(a: mat2x4f, b: mat2x4f) -> mat2x4f { return mat2x4f(a[0] * b[0], a[1] * b[1]); }
fn total(value: mat2x4f) -> f32 { return dot(value[0] + value[1], vec4f(1)); }
