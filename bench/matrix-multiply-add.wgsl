enable f16;
enable subgroups;
enable subgroup_size_control;
enable chromium_experimental_subgroup_matrix;
// y = the sums of 16 independent chains of 2 · ITERATIONS steps c = left · right + c by subgroup matrices in registers.
// Measures how many float16 multiply-adds with sums in float32 an adapter can do if nothing else limits it.
// y of a thread is the sum of every 32nd value of the chains of its subgroup. Values are eighths: sums are exact.
// Needs subgroups of exactly 32 threads.
override ITERATIONS: u32;

const SIZE_M = 16;
const SIZE_N = 16;
const SIZE_K = 16;
alias Left = subgroup_matrix_left<f16, SIZE_K, SIZE_M>;
alias Right = subgroup_matrix_right<f16, SIZE_N, SIZE_K>;
alias Result = subgroup_matrix_result<f32, SIZE_N, SIZE_M>;

@group(0) @binding(0) var<storage, read_write> y: array<f32>;

const THREADS = 256u;
const OPERANDS = 64 + (SIZE_M + SIZE_N) * SIZE_K;
// Matrix i of the left side begins at 8 · i, matrix j of the right side at 32 + 8 · j.
var<workgroup> operands: array<f16, OPERANDS>;
var<workgroup> out: array<array<f32, SIZE_M * SIZE_N>, 8>;

@compute @workgroup_size(THREADS) @subgroup_size(32)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) thread: u32,
        @builtin(subgroup_id) subgroup: u32, @builtin(subgroup_invocation_id) lane: u32) {
  for (var i = thread; i < OPERANDS; i += THREADS) { operands[i] = f16(i32(i * 7u % 13u) - 5) / 8.0h; }
  workgroupBarrier();
  var left: array<Left, 4>;
  var right: array<Right, 4>;
  @diagnostic(off, trm.unroll) for (var i = 0u; i < 4u; i++) {
    left[i] = subgroupMatrixLoad<Left, row_major>(&operands, 8u * i, SIZE_K);
  }
  @diagnostic(off, trm.unroll) for (var j = 0u; j < 4u; j++) {
    right[j] = subgroupMatrixLoad<Right, row_major>(&operands, 32u + 8u * j, SIZE_N);
  }
  var chains: array<array<Result, 4>, 4>;
  for (var round = 0u; round < ITERATIONS; round++) {
    @diagnostic(off, trm.unroll) for (var step = 0u; step < 2u; step++) {
      @diagnostic(off, trm.unroll) for (var i = 0u; i < 4u; i++) {
        @diagnostic(off, trm.unroll) for (var j = 0u; j < 4u; j++) {
          chains[i][j] = subgroupMatrixMultiplyAccumulate(left[i], right[j], chains[i][j]);
        }
      }
    }
  }
  var sum = 0.0;
  @diagnostic(off, trm.unroll) for (var i = 0u; i < 4u; i++) {
    @diagnostic(off, trm.unroll) for (var j = 0u; j < 4u; j++) {
      subgroupMatrixStore<row_major>(&out[subgroup], 0u, chains[i][j], SIZE_N);
      workgroupBarrier();
      for (var e = lane; e < SIZE_M * SIZE_N; e += 32u) { sum += out[subgroup][e]; }
      workgroupBarrier();
    }
  }
  y[group.x * THREADS + thread] = sum;
}
