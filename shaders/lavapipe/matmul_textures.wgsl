// matmul_subgroup.wgsl with operands in textures: a texel gives a lane four values and costs little more than one value
// from a buffer.
// A workgroup is one subgroup of 8 lanes and owns 8 · GROUPS rows × 32 · SETS columns. A round takes four k.
// The lanes load 8 rows × 4 k of a and 4 k × 32 columns of b at a time; subgroupShuffle distributes the values.
// Of 32 columns a lane has four, side by side.
enable subgroups;

struct Uniforms {
  m: u32, n: u32, k: u32, batch: u32, reduce: u32,
  row_a: u32, step_a: u32, stride_a: u32,
  column_b: u32, step_b: u32, stride_b: u32,
  accumulate: u32,
}

const TEXELS_PER_ROW = 1024;
const GROUPS = 2;
const SETS = 1;
// How values lie in texels. 0: four of k; 1: four rows of a or columns of b; 2 (only a): each value has its own texel.
const FORM_A = 0;
const FORM_B = 0;
alias TextureA = texture_storage_2d<rgba32float, read>;

@group(0) @binding(0) var a: TextureA;
@group(0) @binding(1) var b: texture_storage_2d<rgba32float, read>;
@group(0) @binding(2) var<storage, read_write> c: array<f32>;
@group(0) @binding(3) var<uniform> u: Uniforms;

fn texel(at: u32) -> vec2u { return vec2u(at % TEXELS_PER_ROW, at / TEXELS_PER_ROW); }

// a(row, k + step), from what the lanes loaded: eight rows and four k.
fn pick_a(loaded: vec4f, row: u32, step: u32) -> f32 {
  if (FORM_A == 1) { return subgroupShuffle(loaded[row % 4u], row / 4u * 4u + step); }
  return subgroupShuffle(loaded[step], row);
}

@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(subgroup_invocation_id) lane: u32) {
  let tiles_m = (u.m + 8u * GROUPS - 1u) / (8u * GROUPS);
  let tiles_n = (u.n + 32u * SETS - 1u) / (32u * SETS);
  let tile = group.x + group.y * groups.x;
  let batch = tile / (tiles_m * tiles_n);
  if (batch >= u.batch) { return; }
  // Tiles that run one after the other share their columns of b.
  let m0 = tile % tiles_m * 8u * GROUPS;
  let n0 = (tile / tiles_m) % tiles_n * 32u * SETS + lane * 4u;

  // The sums of every row, set by set.
  var sum: array<array<vec4f, 8 * GROUPS>, SETS>;
  for (var r = 0u; r < u.reduce; r++) {
    let origin_a = (batch * u.reduce + r) * u.stride_a;
    let origin_b = (batch * u.reduce + r) * u.stride_b;
    // The texels that the first round loads; each round moves them on.
    var at_a: array<u32, GROUPS>;
    @diagnostic(off, trm.unroll) for (var i = 0u; i < GROUPS; i++) {
      let row = m0 + i * 8u;
      if (FORM_A == 0) { at_a[i] = (origin_a + (row + lane) * u.row_a) / 4u; }
      if (FORM_A == 1) { at_a[i] = (origin_a + lane % 4u * u.step_a + row) / 4u + lane / 4u; }
      if (FORM_A == 2) { at_a[i] = origin_a + (row + lane) * u.row_a; }
    }
    var at_b: array<vec4u, SETS>;
    var last_b: array<u32, SETS>;
    @diagnostic(off, trm.unroll) for (var s = 0u; s < SETS; s++) {
      let column = origin_b + n0 + 32u * s;
      if (FORM_B == 0) {
        at_b[s] = (origin_b + (vec4u(n0 + 32u * s) + vec4u(0, 1, 2, 3)) * u.column_b) / 4u;
      } else {
        at_b[s] = (vec4u(0, 1, 2, 3) * u.step_b + column) / 4u;
      }
      last_b[s] = (column + (u.k - 1u) * u.step_b) / 4u;
    }
    for (var k = 0u; k < u.k; k += 4u) {
      var left: array<vec4f, GROUPS>;
      @diagnostic(off, trm.unroll) for (var i = 0u; i < GROUPS; i++) {
        if (FORM_A == 2) {
          // Beyond the last k a is zero, and b is some value that exists.
          left[i].x = textureLoad(a, texel(at_a[i])).x;
          left[i].y = select(0.0, textureLoad(a, texel(at_a[i] + u.step_a)).x, k + 1u < u.k);
          left[i].z = select(0.0, textureLoad(a, texel(at_a[i] + 2u * u.step_a)).x, k + 2u < u.k);
          left[i].w = select(0.0, textureLoad(a, texel(at_a[i] + 3u * u.step_a)).x, k + 3u < u.k);
          at_a[i] += 4u * u.step_a;
        } else {
          left[i] = textureLoad(a, texel(at_a[i]));
          if (FORM_A == 1) { left[i] = select(vec4f(), left[i], k + lane % 4u < u.k); }
          at_a[i] += select(1u, u.step_a, FORM_A == 1);
        }
      }
      @diagnostic(off, trm.unroll) for (var s = 0u; s < SETS; s++) {
        var right: array<vec4f, 4>;
        if (FORM_B == 0) {
          let columns = mat4x4f(
            textureLoad(b, texel(at_b[s].x)),
            textureLoad(b, texel(at_b[s].y)),
            textureLoad(b, texel(at_b[s].z)),
            textureLoad(b, texel(at_b[s].w))
          );
          let rows = transpose(columns);
          right = array(rows[0], rows[1], rows[2], rows[3]);
          at_b[s] += 1u;
        } else {
          right[0] = textureLoad(b, texel(at_b[s].x));
          right[1] = textureLoad(b, texel(min(at_b[s].y, last_b[s])));
          right[2] = textureLoad(b, texel(min(at_b[s].z, last_b[s])));
          right[3] = textureLoad(b, texel(min(at_b[s].w, last_b[s])));
          at_b[s] += u.step_b;
        }
        @diagnostic(off, trm.unroll) for (var g = 0u; g < GROUPS; g++) {
          @diagnostic(off, trm.unroll) for (var i = 0u; i < 8; i++) {
            var v = sum[s][g * 8u + i];
            @diagnostic(off, trm.unroll) for (var step = 0u; step < 4; step++) {
              v += pick_a(left[g], i, step) * right[step];
            }
            sum[s][g * 8u + i] = v;
          }
        }
      }
    }
  }

  // The inner loops are not unrolled, because their bounds are not constant: unrolled stores would take most of the
  // time of compilation.
  @diagnostic(off, trm.unroll) for (var s = 0u; s < SETS; s++) {
    for (var i = 0u; m0 + i < min(m0 + 8u * GROUPS, u.m); i++) {
      for (var j = 0u; n0 + s * 32u + j < min(n0 + s * 32u + 4u, u.n); j++) {
        let at = (batch * u.m + m0 + i) * u.n + n0 + s * 32u + j;
        var v = sum[s][i][j];
        if (u.accumulate != 0u) { v += c[at]; }
        c[at] = v;
      }
    }
  }
}
