// A word of 16 bytes and its elements, where tensors are float32.
// A kernel begins with this or with words_f16.shared.wgsl.
alias Value = vec4f;
const PER_WORD = 4;
fn unpacked(word: vec4u) -> Value { return bitcast<vec4f>(word); }
fn packed(value: Value) -> vec4u { return bitcast<vec4u>(value); }
// From and to the first and the last four elements.
fn value_of(first: vec4f, last: vec4f) -> Value { return first; }
fn first_of(value: Value) -> vec4f { return value; }
fn last_of(value: Value) -> vec4f { return value; }
fn times(a: Value, b: Value) -> Value { return a * b; }
fn total(value: Value) -> f32 { return dot(value, vec4f(1)); }
fn inverse_roots(value: Value) -> Value { return inverseSqrt(value); }
