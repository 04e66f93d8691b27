// What the products by tiles in workgroup memory begin with: sizes, operands, and loads of four neighbours in memory at once, as one vec4f
// where VECTOR_A, VECTOR_B. With p.splits > 1 the sum over pairs and k is cut into that many ranges, each with results of its own;
// column_sums.wgsl adds them in order.
struct Parameters {
  m: u32, n: u32, k: u32, batch: u32, reduce: u32,
  row_a: u32, step_a: u32, stride_a: u32,
  column_b: u32, step_b: u32, stride_b: u32,
  accumulate: u32, splits: u32,
}

const VECTOR_A = false;
const VECTOR_B = false;
alias A = f32;
alias B = f32;

@group(0) @binding(0) var<storage, read> a: array<A>;
@group(0) @binding(1) var<storage, read> b: array<B>;
@group(0) @binding(2) var<storage, read_write> c: array<f32>;
@group(0) @binding(3) var<uniform> p: Parameters;

// Four neighbours from `at` on, of which `inside` lie in the matrix. vec4f(x).x takes both kinds of A.
fn load_a(at: u32, inside: i32) -> vec4f {
  if (inside <= 0) { return vec4f(); }
  if (VECTOR_A) { return vec4f(a[at / 4u]); }
  let i = min(at + vec4u(0u, 1u, 2u, 3u), vec4u(at + u32(inside) - 1u));
  return select(vec4f(), vec4f(vec4f(a[i.x]).x, vec4f(a[i.y]).x, vec4f(a[i.z]).x, vec4f(a[i.w]).x), vec4i(0, 1, 2, 3) < vec4i(inside));
}

fn load_b(at: u32, inside: i32) -> vec4f {
  if (inside <= 0) { return vec4f(); }
  if (VECTOR_B) { return vec4f(b[at / 4u]); }
  let i = min(at + vec4u(0u, 1u, 2u, 3u), vec4u(at + u32(inside) - 1u));
  return select(vec4f(), vec4f(vec4f(b[i.x]).x, vec4f(b[i.y]).x, vec4f(b[i.z]).x, vec4f(b[i.w]).x), vec4i(0, 1, 2, 3) < vec4i(inside));
}
