// LANES threads share a row, GROUPS rows share a workgroup. The threads of a row combine a value each, in fixed order.
override LANES: u32;
override GROUPS: u32;

var<workgroup> partial: array<f32, LANES * GROUPS>;

// Their sum, or the largest of them; every thread of the workgroup calls it.
fn over_row(thread: u32, value: f32, is_largest: bool) -> f32 {
  if (LANES == 1u) { return value; }
  partial[thread] = value;
  workgroupBarrier();
  for (var half = LANES / 2u; half > 0u; half /= 2u) {
    if (thread % LANES < half) {
      let other = partial[thread + half];
      partial[thread] = select(partial[thread] + other, max(partial[thread], other), is_largest);
    }
    workgroupBarrier();
  }
  let combined = partial[thread - thread % LANES];
  workgroupBarrier();
  return combined;
}
