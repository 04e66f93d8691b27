// As attention_tiled_backward_q.wgsl and …_kv.wgsl, by subgroup matrices: p = exp(score − lse),  ds = p · (d_o · vᵀ − δ).
// Owns queries: dq = ds · k / √HEAD_DIM, and δ = Σ d_o · o is computed here. OF_KEYS: owns keys, dk = dsᵀ · q / √HEAD_DIM,  dv = pᵀ · d_o.
#import attention.shared.wgsl
const OF_KEYS = false;

@group(0) @binding(2) var<storage, read> o: array<vec4u>;
@group(0) @binding(3) var<storage, read> lse: array<f32>;
@group(0) @binding(4) var<storage, read> d_o: array<vec4u>;
@group(0) @binding(5) var<storage, read_write> delta: array<f32>;
@group(0) @binding(6) var<storage, read_write> d_qkv: array<vec4u>;
@group(0) @binding(7) var<uniform> p: Parameters;

fn gradient(at: u32) -> vec4u { return d_o[at]; }

// lse and δ of four queries behind the rows that are staged, where the padding is.
fn stage_queries(row0: u32, thread: u32) {
  if (thread < BLOCK / 4u) {
    let first = row0 + thread * 4u;
    let at = vec4u(query_at(first), query_at(first + 1u), query_at(first + 2u), query_at(first + 3u));
    others[0][thread * 4u * STRIDE + WORDS] = bitcast<vec4u>(vec4f(lse[at.x], lse[at.y], lse[at.z], lse[at.w]));
    others[1][thread * 4u * STRIDE + WORDS] = bitcast<vec4u>(vec4f(delta[at.x], delta[at.y], delta[at.z], delta[at.w]));
  }
}
fn staged(which: u32, column: u32) -> vec4f { return bitcast<vec4f>(others[which][column * 4u * STRIDE + WORDS]); }

// Gradients of the rows that the subgroup owns; those of turned rows turned back.
fn store_rows(sums: ptr<function, array<Result, COLUMN_TILES>>, rows: u32, scale: f32, subgroup: u32, lane: u32) {
  workgroupBarrier();
  @diagnostic(off, trm.unroll) for (var c = 0u; c < COLUMN_TILES; c++) { subgroupMatrixStore<row_major>(&own[subgroup], c * 4u, (*sums)[c], ROW); }
  workgroupBarrier();
  let position = own0 + lane / 2u;
  if (position >= p.length) { return; }
  for (var i = lane % 2u; i < COLUMN_TILES; i += 2u) {
    let low = value_of(floats(subgroup, lane, 2u * i), floats(subgroup, lane, 2u * i + 1u)) * scale;
    let high = value_of(floats(subgroup, lane, COLUMN_SHARE + 2u * i), floats(subgroup, lane, COLUMN_SHARE + 2u * i + 1u)) * scale;
    let word = PART * COLUMN_TILES + i;
    var pair = Pair(packed(low), packed(high));
    if (ROPE && rows < V) { pair = turn(pair, position, word, -1.0); }
    d_qkv[qkv_at(rows, position, word)] = pair.low;
    d_qkv[qkv_at(rows, position, word + WORDS / 2u)] = pair.high;
  }
}

@compute @workgroup_size(THREADS) @subgroup_size(32)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) thread: u32, @builtin(subgroup_id) subgroup: u32, @builtin(subgroup_invocation_id) lane: u32) {
  let tile = group.x + group.y * groups.x;
  if (tile >= p.groups) { return; }
  begin(tile, subgroup);
  let root = inverseSqrt(f32(HEAD_TILES * 16));
  var first: array<Left, HEAD_TILES>;
  var second: array<Left, HEAD_TILES>;
  stage_own(select(Q, K, OF_KEYS), subgroup, lane);
  workgroupBarrier();
  @diagnostic(off, trm.unroll) for (var d = 0u; d < HEAD_TILES; d++) { first[d] = subgroupMatrixLoad<Left, row_major>(&own[subgroup], d * 2u, STRIDE); }
  workgroupBarrier();
  stage_own(select(D_O, V, OF_KEYS), subgroup, lane);
  workgroupBarrier();
  @diagnostic(off, trm.unroll) for (var d = 0u; d < HEAD_TILES; d++) { second[d] = subgroupMatrixLoad<Left, row_major>(&own[subgroup], d * 2u, STRIDE); }

  var most: f32;
  var mean: f32;
  if (!OF_KEYS) {
    let query = own0 + lane / 2u;
    for (var i = 0u; i < WORDS / 2u; i++) {
      let at = o_at(min(query, p.length - 1u), lane % 2u * (WORDS / 2u) + i);
      mean += total(times(unpacked(o[at]), unpacked(d_o[at])));
    }
    mean += subgroupShuffleXor(mean, 1u);
    most = lse[query_at(query)];
    if (query < p.length && lane % 2u == 0u) { delta[query_at(query)] = mean; }
  }

  var sums: array<Result, COLUMN_TILES>; // dq or dk
  var sums_v: array<Result, COLUMN_TILES>;
  for (var row0 = 0u; row0 < p.length; row0 += BLOCK) {
    workgroupBarrier();
    stage_others(select(K, Q, OF_KEYS), select(V, D_O, OF_KEYS), row0, thread);
    if (OF_KEYS) { stage_queries(row0, thread); }
    workgroupBarrier();
    var products: array<Result, BLOCK_TILES>;
    @diagnostic(off, trm.unroll) for (var t = 0u; t < BLOCK_TILES; t++) { products[t] = Result(); }
    @diagnostic(off, trm.unroll) for (var d = 0u; d < HEAD_TILES; d++) {
      @diagnostic(off, trm.unroll) for (var t = 0u; t < BLOCK_TILES; t++) {
        let rows = subgroupMatrixLoad<Right, col_major>(&others[0], t * 16u * STRIDE + d * 2u, STRIDE);
        products[t] = subgroupMatrixMultiplyAccumulate(first[d], rows, products[t]);
      }
    }
    @diagnostic(off, trm.unroll) for (var t = 0u; t < BLOCK_TILES; t++) { subgroupMatrixStore<row_major>(&own[subgroup], t * 4u, products[t], ROW); }
    workgroupBarrier();
    var weights: array<vec4f, SHARE>;
    @diagnostic(off, trm.unroll) for (var i = 0u; i < SHARE; i++) {
      let column = column_of(i, SHARE, lane);
      var less = vec4f(most);
      if (OF_KEYS) { less = staged(0u, column); }
      weights[i] = exp(select(vec4f(LOWEST), floats(subgroup, lane, column) * root - less, inside(row0, column)));
    }

    @diagnostic(off, trm.unroll) for (var t = 0u; t < BLOCK_TILES; t++) { products[t] = Result(); }
    @diagnostic(off, trm.unroll) for (var d = 0u; d < HEAD_TILES; d++) {
      @diagnostic(off, trm.unroll) for (var t = 0u; t < BLOCK_TILES; t++) {
        let rows = subgroupMatrixLoad<Right, col_major>(&others[1], t * 16u * STRIDE + d * 2u, STRIDE);
        products[t] = subgroupMatrixMultiplyAccumulate(second[d], rows, products[t]);
      }
    }
    workgroupBarrier();
    @diagnostic(off, trm.unroll) for (var t = 0u; t < BLOCK_TILES; t++) { subgroupMatrixStore<row_major>(&own[subgroup], t * 4u, products[t], ROW); }
    workgroupBarrier();
    var changes: array<vec4f, SHARE>;
    @diagnostic(off, trm.unroll) for (var i = 0u; i < SHARE; i++) {
      let column = column_of(i, SHARE, lane);
      var less = vec4f(mean);
      if (OF_KEYS) { less = staged(1u, column); }
      changes[i] = weights[i] * (floats(subgroup, lane, column) - less);
    }
    workgroupBarrier();
    // Rows of p and ds side by side.
    @diagnostic(off, trm.unroll) for (var t = 0u; t < BLOCK_TILES; t++) {
      let at = lane / 2u * ROW + column_of(2u * t, SHARE, lane) / 2u;
      if (OF_KEYS) { own[subgroup][at] = packed(value_of(weights[2u * t], weights[2u * t + 1u])); }
      own[subgroup][at + 8u] = packed(value_of(changes[2u * t], changes[2u * t + 1u]));
    }
    workgroupBarrier();
    @diagnostic(off, trm.unroll) for (var t = 0u; t < BLOCK_TILES; t++) {
      let left = subgroupMatrixLoad<Left, row_major>(&own[subgroup], t * 2u + 8u, ROW);
      @diagnostic(off, trm.unroll) for (var c = 0u; c < COLUMN_TILES; c++) {
        let rows = subgroupMatrixLoad<Right, row_major>(&others[0], t * 16u * STRIDE + (PART * (COLUMN_TILES / 2u) + c + c / (COLUMN_TILES / 2u) * APART) * 2u, STRIDE);
        sums[c] = subgroupMatrixMultiplyAccumulate(left, rows, sums[c]);
      }
    }
    if (OF_KEYS) {
      @diagnostic(off, trm.unroll) for (var t = 0u; t < BLOCK_TILES; t++) {
        let left = subgroupMatrixLoad<Left, row_major>(&own[subgroup], t * 2u, ROW);
        @diagnostic(off, trm.unroll) for (var c = 0u; c < COLUMN_TILES; c++) {
          let rows = subgroupMatrixLoad<Right, row_major>(&others[1], t * 16u * STRIDE + (PART * (COLUMN_TILES / 2u) + c + c / (COLUMN_TILES / 2u) * APART) * 2u, STRIDE);
          sums_v[c] = subgroupMatrixMultiplyAccumulate(left, rows, sums_v[c]);
        }
      }
    }
  }
  store_rows(&sums, select(Q, K, OF_KEYS), root, subgroup, lane);
  if (OF_KEYS) { store_rows(&sums_v, V, 1.0, subgroup, lane); }
}
