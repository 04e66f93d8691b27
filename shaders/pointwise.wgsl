// y = f(a, b) element by element, or y += f(a, b) with ACCUMULATE; b repeats every COUNT_B values, unless that is 0.
// A thread computes per_thread values that lie THREADS apart; counts are in units of Value.
override THREADS: u32;
override COUNT_B: u32;
override FORMULA: u32;
override FACTOR: f32;
override ACCUMULATE: bool;

alias Value = f32;

// Not overrides, so that one pipeline serves every size.
struct Uniforms { count: u32, per_thread: u32 }

@group(0) @binding(0) var<storage, read> a: array<Value>;
@group(0) @binding(1) var<storage, read> b: array<Value>;
@group(0) @binding(2) var<storage, read_write> y: array<Value>;
@group(0) @binding(3) var<uniform> u: Uniforms;

// With t = √(2/π) · (x + 0.044715 · x³), gelu(x) = x / 2 · (1 + tanh t) = x · σ(2t).
// The second form has no difference of near values and does not overflow.
fn gelu_gate(x: Value) -> Value { return 1.0 / (1.0 + exp(-1.5957691 * (x + 0.044715 * x * x * x))); }

// A derivative takes b = dy. NaN stays NaN.
fn f(x: Value, other: Value) -> Value {
  switch FORMULA {
    case 0u: { return x * other; } // mul
    case 1u: { return FACTOR * x; } // scale
    case 2u: { return select(x, Value(), x < Value()); } // relu
    case 3u: { return select(other, Value(), x <= Value()); } // d relu
    case 4u: { return x * gelu_gate(x); } // gelu
    default: { // d gelu
      let gate = gelu_gate(x);
      let near = clamp(x, Value(-30.0), Value(30.0)); // further out 1 − gate or gate is 0
      return other * gate * (1.0 + (1.0 - gate) * near * 1.5957691 * (1.0 + 0.134145 * near * near));
    }
  }
}

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) thread: u32) {
  let first = (group.x + group.y * groups.x) * THREADS * u.per_thread + thread;
  for (var i = first; i < min(u.count, first + THREADS * u.per_thread); i += THREADS) {
    var value = f(a[i], b[select(i, i % max(COUNT_B, 1u), COUNT_B > 0u)]);
    if (ACCUMULATE) { value += y[i]; }
    y[i] = value;
  }
}
