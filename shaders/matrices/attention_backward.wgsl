// p = exp(score − lse),  ds = p · (d_o · vᵀ − δ) by subgroup matrices, as in attention_tiled_backward_*.wgsl.
// Without OF_KEYS a subgroup owns 16 queries: dq = ds · k / √HEAD_DIM. It also computes and stores δ = Σ d_o · o.
// With OF_KEYS it owns 16 keys: dk = dsᵀ · q / √HEAD_DIM,  dv = pᵀ · d_o.
#import attention.shared.wgsl
const OF_KEYS = false;
const RESULTS = 1; // 2 with OF_KEYS: dk and dv

@group(0) @binding(2) var<storage, read> o: array<vec4u>;
@group(0) @binding(3) var<storage, read> lse: array<f32>;
@group(0) @binding(4) var<storage, read> d_o: array<vec4u>;
@group(0) @binding(5) var<storage, read_write> delta: array<f32>;
@group(0) @binding(6) var<storage, read_write> d_qkv: array<vec4u>;
@group(0) @binding(7) var<uniform> u: Uniforms;

fn gradient(at: u32) -> vec4u { return d_o[at]; }

// Stores lse and δ of four queries behind staged rows, in the padding.
fn stage_queries(row0: u32, thread: u32) {
  if (thread < BLOCK / 4u) {
    let first = row0 + thread * 4u;
    let at = vec4u(query_at(first), query_at(first + 1u), query_at(first + 2u), query_at(first + 3u));
    others[0][thread * 4u * STRIDE + WORDS] = bitcast<vec4u>(vec4f(lse[at.x], lse[at.y], lse[at.z], lse[at.w]));
    others[1][thread * 4u * STRIDE + WORDS] = bitcast<vec4u>(vec4f(delta[at.x], delta[at.y], delta[at.z], delta[at.w]));
  }
}
fn staged(which: u32, column: u32) -> vec4f { return bitcast<vec4f>(others[which][column * 4u * STRIDE + WORDS]); }

@compute @workgroup_size(THREADS) @subgroup_size(32)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) thread: u32, @builtin(subgroup_id) subgroup: u32,
        @builtin(subgroup_invocation_id) lane: u32) {
  let tile = group.x + group.y * groups.x;
  if (tile >= u.groups) { return; }
  begin(tile, subgroup);
  let scale = inverseSqrt(f32(HEAD_TILES * 16));
  var rows: array<array<Left, HEAD_TILES>, 2>;
  @diagnostic(off, trm.unroll) for (var w = 0u; w < 2u; w++) {
    workgroupBarrier();
    stage_own(select(select(D_O, V, OF_KEYS), select(Q, K, OF_KEYS), w == 0u), subgroup, lane);
    workgroupBarrier();
    @diagnostic(off, trm.unroll) for (var d = 0u; d < HEAD_TILES; d++) {
      rows[w][d] = subgroupMatrixLoad<Left, row_major>(&own[subgroup], d * 2u, STRIDE);
    }
  }

  var query_lse: f32;
  var query_delta: f32;
  if (!OF_KEYS) {
    let query = own0 + lane / 2u;
    for (var i = 0u; i < WORDS / 2u; i++) {
      let at = o_at(min(query, u.length - 1u), lane % 2u * (WORDS / 2u) + i);
      query_delta += total(times(unpacked(o[at]), unpacked(d_o[at])));
    }
    query_delta += subgroupShuffleXor(query_delta, 1u);
    query_lse = lse[query_at(query)];
    if (query < u.length && lane % 2u == 0u) { delta[query_at(query)] = query_delta; }
  }

  var sums: array<array<Result, COLUMN_TILES>, RESULTS>;
  for (var row0 = 0u; row0 < u.length; row0 += BLOCK) {
    workgroupBarrier();
    stage_others(select(K, Q, OF_KEYS), select(V, D_O, OF_KEYS), row0, thread);
    if (OF_KEYS) { stage_queries(row0, thread); }
    workgroupBarrier();
    // w = 0: scores, which become p; w = 1: gradients of p, which become ds.
    var values: array<array<vec4f, SHARE>, 2>;
    @diagnostic(off, trm.unroll) for (var w = 0u; w < 2u; w++) {
      var products: array<Result, BLOCK_TILES>;
      @diagnostic(off, trm.unroll) for (var t = 0u; t < BLOCK_TILES; t++) { products[t] = Result(); }
      @diagnostic(off, trm.unroll) for (var d = 0u; d < HEAD_TILES; d++) {
        @diagnostic(off, trm.unroll) for (var t = 0u; t < BLOCK_TILES; t++) {
          let columns = subgroupMatrixLoad<Right, col_major>(&others[w], t * 16u * STRIDE + d * 2u, STRIDE);
          products[t] = subgroupMatrixMultiplyAccumulate(rows[w][d], columns, products[t]);
        }
      }
      @diagnostic(off, trm.unroll) for (var t = 0u; t < BLOCK_TILES; t++) {
        subgroupMatrixStore<row_major>(&own[subgroup], t * 4u, products[t], ROW);
      }
      workgroupBarrier();
      @diagnostic(off, trm.unroll) for (var i = 0u; i < SHARE; i++) {
        values[w][i] = floats(subgroup, lane, column_of(i, SHARE, lane));
      }
      workgroupBarrier();
    }
    @diagnostic(off, trm.unroll) for (var i = 0u; i < SHARE; i++) {
      let column = column_of(i, SHARE, lane);
      var column_lse = vec4f(query_lse);
      var column_delta = vec4f(query_delta);
      if (OF_KEYS) {
        column_lse = staged(0u, column);
        column_delta = staged(1u, column);
      }
      values[0][i] = exp(select(vec4f(LOWEST), values[0][i] * scale - column_lse, inside(row0, column)));
      values[1][i] = values[0][i] * (values[1][i] - column_delta);
    }
    // Rows of ds, then of p.
    @diagnostic(off, trm.unroll) for (var t = 0u; t < BLOCK_TILES; t++) {
      let at = lane / 2u * ROW + column_of(2u * t, SHARE, lane) / 2u;
      own[subgroup][at] = packed(value_of(values[1][2u * t], values[1][2u * t + 1u]));
      if (OF_KEYS) { own[subgroup][at + 8u] = packed(value_of(values[0][2u * t], values[0][2u * t + 1u])); }
    }
    workgroupBarrier();
    @diagnostic(off, trm.unroll) for (var w = 0u; w < RESULTS; w++) {
      @diagnostic(off, trm.unroll) for (var t = 0u; t < BLOCK_TILES; t++) {
        let left = subgroupMatrixLoad<Left, row_major>(&own[subgroup], w * 8u + t * 2u, ROW);
        @diagnostic(off, trm.unroll) for (var c = 0u; c < COLUMN_TILES; c++) {
          let columns = subgroupMatrixLoad<Right, row_major>(
            &others[w],
            t * 16u * STRIDE + (PART * (COLUMN_TILES / 2u) + c + c / (COLUMN_TILES / 2u) * APART) * 2u,
            STRIDE
          );
          sums[w][c] = subgroupMatrixMultiplyAccumulate(left, columns, sums[w][c]);
        }
      }
    }
  }

  // Stores the gradients of the own rows. Gradients of rotated rows are rotated back.
  let position = own0 + lane / 2u;
  @diagnostic(off, trm.unroll) for (var w = 0u; w < RESULTS; w++) {
    workgroupBarrier();
    @diagnostic(off, trm.unroll) for (var c = 0u; c < COLUMN_TILES; c++) {
      subgroupMatrixStore<row_major>(&own[subgroup], c * 4u, sums[w][c], ROW);
    }
    workgroupBarrier();
    if (position < u.length) {
      let operand = select(V, select(Q, K, OF_KEYS), w == 0u);
      let factor = select(1.0, scale, w == 0u);
      for (var i = lane % 2u; i < COLUMN_TILES; i += 2u) {
        let low = value_of(floats(subgroup, lane, 2u * i), floats(subgroup, lane, 2u * i + 1u)) * factor;
        let middle = COLUMN_SHARE + 2u * i;
        let high = value_of(floats(subgroup, lane, middle), floats(subgroup, lane, middle + 1u)) * factor;
        let word = PART * COLUMN_TILES + i;
        var pair = Pair(packed(low), packed(high));
        if (ROPE && operand != V) { pair = rotate(pair, position, word, -1.0); }
        d_qkv[qkv_at(operand, position, word)] = pair.low;
        d_qkv[qkv_at(operand, position, word + WORDS / 2u)] = pair.high;
      }
    }
  }
}
