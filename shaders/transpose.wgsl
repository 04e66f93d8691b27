// y[i] = x[place(i)], with BACK y[place(i)] = x[i]; or += with ACCUMULATE.
// One thread per element i of a dense tensor of four axes.
// place(i) = offset + Σ index of i along an axis · the axis' stride: a part of the other tensor, its axes in any order.
override THREADS: u32;
override BACK: bool;
override ACCUMULATE: bool;

// Not overrides, so that one pipeline serves every size.
struct Uniforms {
  count: u32,
  offset: u32,
  size_1: u32,
  size_2: u32,
  size_3: u32,
  stride_0: u32,
  stride_1: u32,
  stride_2: u32,
  stride_3: u32
}

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@group(0) @binding(2) var<uniform> p: Uniforms;

@compute @workgroup_size(THREADS)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) thread: u32
) {
  let i = (group.x + group.y * groups.x) * THREADS + thread;
  if (i >= p.count) { return; }
  let place = p.offset + i % p.size_3 * p.stride_3
    + i / p.size_3 % p.size_2 * p.stride_2
    + i / (p.size_3 * p.size_2) % p.size_1 * p.stride_1
    + i / (p.size_3 * p.size_2 * p.size_1) * p.stride_0;
  let to_place = select(i, place, BACK);
  y[to_place] = select(0.0, y[to_place], ACCUMULATE) + x[select(place, i, BACK)];
}
