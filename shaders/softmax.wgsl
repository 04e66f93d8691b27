// y = softmax(FACTOR · x) over rows. A hidden value gets 0; a row whose values are all hidden is 0 throughout.
// Rows are (sequences, heads, queries). CAUSAL hides the columns behind the query of the row.
// HAS_MASK hides the columns where the mask is 0. Strides of the mask, from one sequence to the next and from one query
// to the next, are 0 where it repeats.
#import rows.shared.wgsl
override FACTOR: f32;
override CAUSAL: bool;
override HAS_MASK: bool;

// Not overrides, so that one pipeline serves every size.
struct Uniforms { rows: u32, width: u32, heads: u32, queries: u32, mask_sequence: u32, mask_query: u32 }

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> mask: array<i32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
@group(0) @binding(3) var<uniform> u: Uniforms;

@compute @workgroup_size(LANES * GROUPS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) thread: u32) {
  let row = (group.x + group.y * groups.x) * GROUPS + thread / LANES;
  let line = min(row, u.rows - 1u);
  let start = line * u.width;
  let query = line % u.queries;
  let mask_start = line / (u.heads * u.queries) * u.mask_sequence + query * u.mask_query;
  let end = select(u.width, min(u.width, query + 1u), CAUSAL);

  var m = -3.4e38;
  for (var i = thread % LANES; i < end; i += LANES) {
    var shown = true;
    if (HAS_MASK) { shown = mask[mask_start + i] != 0; }
    if (shown) { m = max(m, FACTOR * x[start + i]); }
  }
  m = over_row(thread, m, true);
  var l = 0.0;
  for (var i = thread % LANES; i < end; i += LANES) {
    var shown = true;
    if (HAS_MASK) { shown = mask[mask_start + i] != 0; }
    if (shown) { l += exp(FACTOR * x[start + i] - m); }
  }
  l = over_row(thread, l, false);
  if (row >= u.rows) { return; }
  for (var i = thread % LANES; i < u.width; i += LANES) {
    var shown = i < end;
    if (HAS_MASK) { shown = shown && mask[mask_start + i] != 0; }
    var value = 0.0;
    if (shown) { value = exp(FACTOR * x[start + i] - m) / l; }
    y[start + i] = value;
  }
}
