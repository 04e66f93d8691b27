// o = softmax(q · kᵀ / √HEAD_DIM) · v by subgroup matrices, as in attention.wgsl.
// A subgroup owns 16 queries, with a running maximum m and a running sum l of each.
#import attention.shared.wgsl
@group(0) @binding(2) var<storage, read_write> o: array<vec4u>;
@group(0) @binding(3) var<storage, read_write> lse: array<f32>;
@group(0) @binding(4) var<uniform> u: Uniforms;

fn gradient(at: u32) -> vec4u { return vec4u(); } // not needed here

fn max_of(x: vec4f) -> f32 { return max(max(x.x, x.y), max(x.z, x.w)); }

@compute @workgroup_size(THREADS) @subgroup_size(32)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) thread: u32, @builtin(subgroup_id) subgroup: u32,
        @builtin(subgroup_invocation_id) lane: u32) {
  let tile = group.x + group.y * groups.x;
  if (tile >= u.groups) { return; }
  begin(tile, subgroup);
  let scale = inverseSqrt(f32(HEAD_TILES * 16));
  stage_own(Q, subgroup, lane);
  workgroupBarrier();
  var queries: array<Left, HEAD_TILES>;
  @diagnostic(off, trm.unroll) for (var d = 0u; d < HEAD_TILES; d++) {
    queries[d] = subgroupMatrixLoad<Left, row_major>(&own[subgroup], d * 2u, STRIDE);
  }

  var result: array<vec4f, COLUMN_SHARE>;
  var m = LOWEST;
  var l = 0.0; // of the lane's keys
  for (var key0 = 0u; key0 < u.length; key0 += BLOCK) {
    stage_others(K, V, key0, thread);
    workgroupBarrier();
    var scores: array<Result, BLOCK_TILES>;
    @diagnostic(off, trm.unroll) for (var t = 0u; t < BLOCK_TILES; t++) { scores[t] = Result(); }
    @diagnostic(off, trm.unroll) for (var d = 0u; d < HEAD_TILES; d++) {
      @diagnostic(off, trm.unroll) for (var t = 0u; t < BLOCK_TILES; t++) {
        let keys = subgroupMatrixLoad<Right, col_major>(&others[0], t * 16u * STRIDE + d * 2u, STRIDE);
        scores[t] = subgroupMatrixMultiplyAccumulate(queries[d], keys, scores[t]);
      }
    }
    @diagnostic(off, trm.unroll) for (var t = 0u; t < BLOCK_TILES; t++) {
      subgroupMatrixStore<row_major>(&own[subgroup], t * 4u, scores[t], ROW);
    }
    workgroupBarrier();

    var p: array<vec4f, SHARE>;
    var m_new = m;
    @diagnostic(off, trm.unroll) for (var i = 0u; i < SHARE; i++) {
      let column = column_of(i, SHARE, lane);
      p[i] = select(vec4f(LOWEST), floats(subgroup, lane, column) * scale, inside(key0, column));
      m_new = max(m_new, max_of(p[i]));
    }
    m_new = max(m_new, subgroupShuffleXor(m_new, 1u));
    let alpha = exp(m - m_new);
    m = m_new;
    l *= alpha;
    @diagnostic(off, trm.unroll) for (var i = 0u; i < SHARE; i++) {
      p[i] = exp(p[i] - m_new);
      l += dot(p[i], vec4f(1));
    }
    workgroupBarrier();
    @diagnostic(off, trm.unroll) for (var t = 0u; t < BLOCK_TILES; t++) {
      let word = column_of(2u * t, SHARE, lane) / 2u;
      own[subgroup][lane / 2u * ROW + word] = packed(value_of(p[2u * t], p[2u * t + 1u]));
    }
    workgroupBarrier();

    var sums: array<Result, COLUMN_TILES>;
    @diagnostic(off, trm.unroll) for (var c = 0u; c < COLUMN_TILES; c++) { sums[c] = Result(); }
    @diagnostic(off, trm.unroll) for (var t = 0u; t < BLOCK_TILES; t++) {
      let rows = subgroupMatrixLoad<Left, row_major>(&own[subgroup], t * 2u, ROW);
      @diagnostic(off, trm.unroll) for (var c = 0u; c < COLUMN_TILES; c++) {
        let values = subgroupMatrixLoad<Right, row_major>(
          &others[1],
          t * 16u * STRIDE + (PART * (COLUMN_TILES / 2u) + c + c / (COLUMN_TILES / 2u) * APART) * 2u,
          STRIDE
        );
        sums[c] = subgroupMatrixMultiplyAccumulate(rows, values, sums[c]);
      }
    }
    workgroupBarrier();
    @diagnostic(off, trm.unroll) for (var c = 0u; c < COLUMN_TILES; c++) {
      subgroupMatrixStore<row_major>(&own[subgroup], c * 4u, sums[c], ROW);
    }
    workgroupBarrier();
    @diagnostic(off, trm.unroll) for (var i = 0u; i < COLUMN_SHARE; i++) {
      result[i] = result[i] * alpha + floats(subgroup, lane, column_of(i, COLUMN_SHARE, lane));
    }
  }

  l += subgroupShuffleXor(l, 1u);
  let query = own0 + lane / 2u;
  if (query < u.length) {
    @diagnostic(off, trm.unroll) for (var c = 0u; c < COLUMN_TILES; c++) {
      let word = column_of(2u * c, COLUMN_SHARE, lane) / 2u;
      let at = o_at(query, lane % 2u * (WORDS / 2u) + PART * COLUMN_TILES + word % COLUMN_TILES);
      o[at] = packed(value_of(result[2u * c], result[2u * c + 1u]) * (1.0 / l));
    }
    if (lane % 2u == 0u) { lse[query_at(query)] = m + log(l); }
  }
}
