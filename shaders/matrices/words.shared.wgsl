// A word of 16 bytes has eight elements of float16.
alias Value = mat2x4f;
fn unpacked(word: vec4u) -> Value { return mat2x4f(vec4f(bitcast<vec4h>(word.xy)), vec4f(bitcast<vec4h>(word.zw))); }
fn packed(value: Value) -> vec4u { return vec4u(bitcast<vec2u>(vec4h(value[0])), bitcast<vec2u>(vec4h(value[1]))); }
fn value_of(first: vec4f, last: vec4f) -> Value { return mat2x4f(first, last); }
fn times(a: Value, b: Value) -> Value { return mat2x4f(a[0] * b[0], a[1] * b[1]); }
fn total(value: Value) -> f32 { return dot(value[0] + value[1], vec4f(1)); }
