// What the products by tiles in workgroup memory begin with: sizes, and operands, as vec4f of four neighbours in memory where VECTOR_A, VECTOR_B.
// With p.splits > 1 the sum over pairs and k is cut into that many ranges, each with results of its own; column_sums.wgsl adds them in order.
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
