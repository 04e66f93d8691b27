// y = softmax(FACTOR · x) over rows. A hidden value gets 0; a row whose values are all hidden is 0 throughout.
// Rows are (sequences, heads, queries). CAUSAL hides columns behind the row's query; HAS_MASK those where the mask is 0.
// The mask's strides from one sequence to the next, and from one query to the next, are 0 where it repeats.
#import rows.shared.wgsl
override FACTOR: f32;
override CAUSAL: bool;
override HAS_MASK: bool;

// Not overrides, so that one pipeline serves every size.
struct Uniforms { rows: u32, width: u32, heads: u32, queries: u32, mask_sequence: u32, mask_query: u32 }

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> mask: array<i32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
@group(0) @binding(3) var<uniform> p: Uniforms;

@compute @workgroup_size(LANES * GROUPS)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) thread: u32
) {
  let row = (group.x + group.y * groups.x) * GROUPS + thread / LANES;
  let line = min(row, p.rows - 1u);
  let start = line * p.width;
  let query = line % p.queries;
  let mask_start = line / (p.heads * p.queries) * p.mask_sequence + query * p.mask_query;
  let end = select(p.width, min(p.width, query + 1u), CAUSAL);

  var most = -3.4e38;
  for (var i = thread % LANES; i < end; i += LANES) {
    var shown = true;
    if (HAS_MASK) { shown = mask[mask_start + i] != 0; }
    if (shown) { most = max(most, FACTOR * x[start + i]); }
  }
  most = over_row(thread, most, true);
  var sum = 0.0;
  for (var i = thread % LANES; i < end; i += LANES) {
    var shown = true;
    if (HAS_MASK) { shown = mask[mask_start + i] != 0; }
    if (shown) { sum += exp(FACTOR * x[start + i] - most); }
  }
  sum = over_row(thread, sum, false);
  if (row >= p.rows) { return; }
  for (var i = thread % LANES; i < p.width; i += LANES) {
    var shown = i < end;
    if (HAS_MASK) { shown = shown && mask[mask_start + i] != 0; }
    var value = 0.0;
    if (shown) { value = exp(FACTOR * x[start + i] - most) / sum; }
    y[start + i] = value;
  }
}
