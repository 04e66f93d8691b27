// Products by subgroup matrices, and which tile serves which size.
import type { MatrixKind } from '../engine/device.js'
import type { AdapterSummary, Engine } from '../engine/engine.js'
import type { GatedSize } from '../engine/ops/gated.js'
import type { MatmulTensors } from '../engine/ops/matmul.js'
import type { Tensor } from '../engine/tensor.js'
import type { Variant } from '../engine/variants.js'
import { columnSums } from '../kernels/column-sums.js'
import { divideUp, type Kernel } from '../kernels/kernel.js'
import type { MatmulSize } from '../kernels/matmul.js'
import { matmulMatrix, type MatrixProduct, padded, padRows } from './matmul-kernels.js'

/** Workgroups of 128 × 128 that keep the largest GPUs busy for four rounds, and those that are one for each of half their places. */
const FULL = 1056
const FEW = FULL / 8

/** Terms that a range of a split sum has at least: its results are written and read once more. */
const LEAST_TERMS = 768

/** Tiles of float16 of 64 results a subgroup and 32 of k, with the padding of rows, bytes. */
const LARGE_BYTES = 20480

/** The largest kind of float16 that the tile consists of. */
function matrixKind(
  { subgroupMatrices, workgroupBytes }: AdapterSummary,
  { f16A, f16B }: MatmulSize,
  span: number,
): MatrixKind | undefined {
  if (!f16A || !f16B || (span > 32 && workgroupBytes < LARGE_BYTES)) return undefined
  const fits = subgroupMatrices.filter(
    ({ component, m, n, k }) => component === 'f16' && [m, n, k].every(side => side === 8 || side === 16),
  )
  return fits.sort((a, b) => b.m * b.n * b.k - a.m * a.n * a.k)[0]
}

const tilesOf = ({ m, n, batch = 1 }: MatmulSize, span: number) => divideUp(m, 2 * span) * divideUp(n, 2 * span) * batch

/** Whether the larger half of a tile is results. */
const fills = ({ m, n }: MatmulSize, span: number) => Math.min(m, n) > span

/** Into how many ranges a sum is cut so that there are enough workgroups; depends on the size alone, so that the bits do. */
const splitsOf = (size: MatmulSize, span: number) =>
  Math.floor(Math.min(FULL / tilesOf(size, span), (size.k * (size.reduce ?? 1)) / LEAST_TERMS))

/**
 * `c = a · b`, or `c += a · b`, of float16 operands; c of either float type. Operands whose rows in memory are no multiples of 8 long are copied,
 * padded: of the official network that is one small weight.
 * @param kernel for tests
 */
export function product(
  engine: Engine,
  { a, b, c }: MatmulTensors,
  size: MatrixProduct,
  kernel: Kernel<MatrixProduct> = matmulMatrix,
): void {
  const { m, n, k, batch = 1, reduce = 1, transposeA, transposeB, sharedA, sharedB, splits } = size
  const made: Tensor[] = []
  const aligned = (x: Tensor, rows: number, length: number): Tensor => {
    if (length % 8 === 0) return x
    const y = engine.tensor([(rows * padded(length)) / 2], 'u32')
    engine.dispatch(padRows, { x, y }, { rows, length })
    made.push(y)
    return y
  }
  const [pairsA, pairsB] = [sharedA ? 1 : batch * reduce, sharedB ? 1 : batch * reduce]
  const operands = {
    a: transposeA ? aligned(a, pairsA * k, m) : aligned(a, pairsA * m, k),
    b: transposeB ? aligned(b, pairsB * n, k) : aligned(b, pairsB * k, n),
  }
  if (splits === 1) engine.dispatch(kernel, { ...operands, c }, size)
  else {
    const width = m * n * batch
    const parts = engine.tensor([splits, width])
    made.push(parts)
    engine.dispatch(kernel, { ...operands, c: parts }, { ...size, accumulate: false })
    engine.dispatch(columnSums, { x: parts, y: c }, { rows: splits, width, accumulate: size.accumulate ?? false })
  }
  engine.release(...made)
}

const whole = (span: number): Variant<MatmulTensors, MatmulSize> => ({
  name: `matrices ${2 * span}×${2 * span}`,
  onlyHardware: true,
  available: (adapter, size) => matrixKind(adapter, size, span) !== undefined,
  suits: size => fills(size, span) && (span <= 32 || tilesOf(size, span) >= FEW),
  apply: (engine, tensors, size) =>
    product(engine, tensors, { ...size, kind: matrixKind(engine.adapter, size, span)!, span, splits: 1 }),
})

/** The sum cut into ranges that are added in order: for few results of long sums, such as weights' gradients. */
const split = (span: number): Variant<MatmulTensors, MatmulSize> => ({
  ...whole(span),
  name: `matrices ${2 * span}×${2 * span} split`,
  suits: size => fills(size, span) && splitsOf(size, span) > 1,
  apply: (engine, tensors, size) =>
    product(engine, tensors, {
      ...size,
      kind: matrixKind(engine.adapter, size, span)!,
      span,
      splits: Math.max(2, splitsOf(size, span)),
    }),
})

/** From the largest tiles on. */
export const matmulVariants = [split(64), whole(64), split(32), whole(32)]

/** silu(gate) ⊙ up in the same dispatch, where rows in memory that hold both have halves of multiples of 8. */
const gated = (span: number): Variant<MatmulTensors, GatedSize> => ({
  name: `matrices ${2 * span}×${2 * span}`,
  onlyHardware: true,
  available: (adapter, size) => {
    const { m, n, gated, transposeA, transposeB } = size
    const inRows = gated === 'rows' ? transposeA && m : !transposeB && n
    return (!inRows || inRows % 16 === 0) && matrixKind(adapter, size, span) !== undefined
  },
  suits: whole(span).suits,
  apply: (engine, tensors, size) =>
    product(engine, tensors, { ...size, kind: matrixKind(engine.adapter, size, span)!, span, splits: 1 }),
})

export const gatedVariants = [gated(64), gated(32)]
