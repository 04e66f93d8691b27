// y[i] = x[place(i)], with BACK y[place(i)] = x[i]; or += with ACCUMULATE.
// One thread per element i of a dense tensor of four axes.
// place(i) = offset + Σ index of i along an axis · the axis' stride: a part of the other tensor, its axes in any order.
override THREADS: u32;
override COUNT: u32;
override SIZE_1: u32;
override SIZE_2: u32;
override SIZE_3: u32;
override STRIDE_0: u32;
override STRIDE_1: u32;
override STRIDE_2: u32;
override STRIDE_3: u32;
override BACK: bool;
override ACCUMULATE: bool;

// Not an override, so that queries, keys and values share a pipeline.
struct Uniforms { offset: u32 }

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@group(0) @binding(2) var<uniform> u: Uniforms;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) thread: u32) {
  let i = (group.x + group.y * groups.x) * THREADS + thread;
  if (i >= COUNT) { return; }
  let place = u.offset + i % SIZE_3 * STRIDE_3
    + i / SIZE_3 % SIZE_2 * STRIDE_2
    + i / (SIZE_3 * SIZE_2) % SIZE_1 * STRIDE_1
    + i / (SIZE_3 * SIZE_2 * SIZE_1) * STRIDE_0;
  let to_place = select(i, place, BACK);
  y[to_place] = select(0.0, y[to_place], ACCUMULATE) + x[select(place, i, BACK)];
}
