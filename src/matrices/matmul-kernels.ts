// The kernels of matrix products by subgroup matrices.
import gateUp from '../../shaders/matrices/matmul_gate_up.wgsl'
import narrow from '../../shaders/matrices/matmul_narrow.wgsl'
import swigluBackward from '../../shaders/matrices/matmul_swiglu_backward.wgsl'
import wide from '../../shaders/matrices/matmul_wide.wgsl'
import padding from '../../shaders/matrices/pad_rows.wgsl'
import type { MatrixKind } from '../engine/device.js'
import { defineKernel, divideUp, fill, grid } from '../kernels/kernel.js'
import { bindings, type Gated, type MatmulSize } from '../kernels/matmul.js'

/** m and n are those of a · b; with `gated`, c is half of it. */
export interface MatrixProduct extends MatmulSize {
  kind: MatrixKind
  /** Each of the four subgroups computes span × span results, 32 or 64; a tile is twice as high and wide. */
  span: number
  /** Number of ranges that the sum is cut into. With more than one, c is (splits, batch, m, n). */
  splits: number
  gated?: Gated
}

/** The length of a row in memory, padded to a multiple of 8. */
export const padded = (length: number) => divideUp(length, 8) * 8

/** 32 of k at a time; 16 if the last 32 would be half empty, as with 97 = 6 · 16 + 1, and every thread still loads. */
const depthOf = ({ k, span }: MatrixProduct) => (span < 32 || k > 128 || divideUp(k, 16) % 2 === 0 ? 32 : 16)

/** Rows and columns of c. */
const sidesOf = ({ m, n, gated }: MatrixProduct) => [gated === 'rows' ? m / 2 : m, gated === 'columns' ? n / 2 : n]

/** Whether eight neighbours in a row of c are stored at once. */
const isWide = (size: MatrixProduct) => sidesOf(size)[1] % 8 === 0

/** Texts by their original and the layout of a and b in memory: WGSL takes no constant for the order of a load. */
const texts = new Map<string, string[]>()

/** The shader for this size, before its lines are filled in. */
export function textOf(size: MatrixProduct, original: string = isWide(size) ? wide : narrow): string {
  const { transposeA: aByK, transposeB: bByColumn } = size
  const known = texts.get(original) ?? []
  texts.set(original, known)
  return (known[Number(!!aByK) + 2 * Number(!!bByColumn)] ??= original
    .replace(/(<Left, ?)row/, aByK ? '$1col' : '$1row')
    .replace(/(<Right, ?)row/, bByColumn ? '$1col' : '$1row'))
}

/** The values of the lines of its text. */
export function linesOf(size: MatrixProduct): Record<string, number | boolean> {
  const { k, transposeA = false, transposeB = false, kind, span, gated } = size
  const depth = depthOf(size)
  const [countM, countN, parts] = [span / kind.m, span / kind.n, gated === 'rows' ? 2 : 1]
  return {
    SPAN: span,
    DEPTH: depth,
    SIZE_M: kind.m,
    SIZE_N: kind.n,
    SIZE_K: kind.k,
    A_BY_K: transposeA,
    B_BY_K: !transposeB,
    EDGE_K: k % depth !== 0,
    GATED: gated === 'columns' ? 1 : gated === 'rows' ? 2 : 0,
    COUNT_M: countM,
    COUNT_N: countN,
    COUNT_K: depth / kind.k,
    LOADS: (span * depth) / 512,
    PART_M: countM / parts,
    PART_N: countN / parts,
    STORES: divideUp(kind.m * span, (gated ? 256 : 128) * (isWide(size) ? 2 : 1)),
  }
}

/** See the shader. Operands are float16 with rows padded to multiples of 8. */
export const matmulMatrix = defineKernel<MatrixProduct>({
  name: 'matmul_matrix',
  source: size => fill(textOf(size), linesOf(size)),
  bindings,
  uniforms({ m, n, k, batch = 1, reduce = 1, splits, accumulate = false, transposeA, transposeB, sharedA, sharedB }) {
    const [rowA, rowB] = [padded(transposeA ? m : k) / 8, padded(transposeB ? k : n) / 8]
    return {
      m,
      n,
      k,
      batch,
      reduce,
      splits,
      accumulate: Number(accumulate),
      row_a: rowA,
      stride_a: sharedA ? 0 : (transposeA ? k : m) * rowA,
      row_b: rowB,
      stride_b: sharedB ? 0 : (transposeB ? n : k) * rowB,
    }
  },
  constants: () => ({}),
  workgroups: ({ m, n, batch = 1, splits, span }) =>
    grid(divideUp(m, 2 * span) * divideUp(n, 2 * span) * batch * splits),
})

/** A product with a gate that also stores [gate | up], in `both`. Rows of c have a multiple of 8 elements. */
export const matmulGateUp = defineKernel<MatrixProduct & { gated: Gated }>({
  ...matmulMatrix,
  name: 'matmul_matrix_gate_up',
  source: size => fill(textOf(size, gateUp), linesOf(size)),
  bindings: { ...bindings, both: 'write' },
})

export const swigluBackwardLines = (size: MatrixProduct & { halves: Gated }) => ({
  ...linesOf(size),
  OF_ROWS: size.halves === 'rows',
})

/** A product whose result is the gradient of silu(gate) ⊙ up. c holds [gate | up] before and its gradient after. */
export const matmulSwigluBackward = defineKernel<MatrixProduct & { halves: Gated }>({
  ...matmulMatrix,
  name: 'matmul_matrix_swiglu_backward',
  source: size => fill(textOf(size, swigluBackward), swigluBackwardLines(size)),
})

const THREADS = 64

/** y = x with rows of `length` padded by zeros to a multiple of 8; both float16. */
export const padRows = defineKernel<{ rows: number; length: number }>({
  name: 'pad_rows',
  source: padding,
  bindings: { x: 'read', y: 'write' },
  constants: ({ rows, length }) => ({
    THREADS,
    COUNT: (rows * padded(length)) / 2,
    LENGTH: length,
    PADDED: padded(length),
  }),
  workgroups: ({ rows, length }) => grid(divideUp((rows * padded(length)) / 2, THREADS)),
})
