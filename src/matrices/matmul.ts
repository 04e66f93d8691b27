// The variants of matrix products by subgroup matrices, and which tile suits which size.
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

/** Tiles of 128 × 128 that keep the largest GPUs (132 multiprocessors, two workgroups each) busy for four rounds. */
const FULL_WORKGROUPS = 1056
/** As many tiles as these GPUs have multiprocessors. */
const MIN_WORKGROUPS = FULL_WORKGROUPS / 8

/** The fewest terms of a range of a split sum: its results are written and read once more. */
const MIN_SPLIT_TERMS = 768

/** Bytes of workgroup memory for tiles of span 64 and depth 32, with the padding of rows. */
const LARGE_BYTES = 20480

/** The largest kind of float16 matrix that divides the tile, if the adapter and the operands allow one. */
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

const tileOf = (adapter: AdapterSummary, size: MatmulSize, span: number) => ({
  kind: matrixKind(adapter, size, span)!,
  span,
})

const tilesOf = ({ m, n, batch = 1 }: MatmulSize, span: number) => divideUp(m, 2 * span) * divideUp(n, 2 * span) * batch

/** Whether a matrix fills more than half of a tile along each side. */
const fills = ({ m, n }: MatmulSize, span: number) => Math.min(m, n) > span

/** How many ranges a sum is cut into, for enough workgroups. Depends on the size alone, so that the bits do too. */
const splitsOf = (size: MatmulSize, span: number) =>
  Math.floor(Math.min(FULL_WORKGROUPS / tilesOf(size, span), (size.k * (size.reduce ?? 1)) / MIN_SPLIT_TERMS))

/**
 * `c = a · b`, or `c += a · b`, of float16 operands; c is float16 or float32.
 * Operands whose rows in memory do not have a multiple of 8 elements are copied with padding. In the published network
 * that is one small weight.
 * @param kernel binds a, b, c, and, of products that are not split, what else is given
 */
export function product<Size extends MatrixProduct>(
  engine: Engine,
  { a, b, c, ...more }: MatmulTensors,
  size: Size,
  kernel: Kernel<Size>,
): void {
  const { m, n, k, batch = 1, reduce = 1, transposeA, transposeB, sharedA, sharedB, splits } = size
  const temporary: Tensor[] = []
  const aligned = (x: Tensor, rows: number, length: number): Tensor => {
    if (length % 8 === 0) return x
    const y = engine.tensor([(rows * padded(length)) / 2], 'u32')
    engine.dispatch(padRows, { x, y }, { rows, length })
    temporary.push(y)
    return y
  }
  const [pairsA, pairsB] = [sharedA ? 1 : batch * reduce, sharedB ? 1 : batch * reduce]
  const operands = {
    a: transposeA ? aligned(a, pairsA * k, m) : aligned(a, pairsA * m, k),
    b: transposeB ? aligned(b, pairsB * n, k) : aligned(b, pairsB * k, n),
  }
  if (splits === 1) engine.dispatch(kernel, { ...operands, c, ...more }, size)
  else {
    const width = m * n * batch
    const parts = engine.tensor([splits, width])
    temporary.push(parts)
    engine.dispatch(kernel, { ...operands, c: parts }, { ...size, accumulate: false })
    engine.dispatch(columnSums, { x: parts, y: c }, { rows: splits, width, accumulate: size.accumulate ?? false })
  }
  engine.release(...temporary)
}

const whole = (span: number): Variant<MatmulTensors, MatmulSize> => ({
  name: `matrices ${2 * span}×${2 * span}`,
  onlyHardware: true,
  available: (adapter, size) => matrixKind(adapter, size, span) !== undefined,
  suits: size => fills(size, span) && (span <= 32 || tilesOf(size, span) >= MIN_WORKGROUPS),
  apply: (engine, tensors, size) =>
    product(engine, tensors, { ...size, ...tileOf(engine.adapter, size, span), splits: 1 }, matmulMatrix),
})

/** The tile of a product that is not split: the largest one that suits, else the small one. */
export function wholeTile(adapter: AdapterSummary, size: MatmulSize): Pick<MatrixProduct, 'kind' | 'span' | 'splits'> {
  const span = [64, 32].find(span => matrixKind(adapter, size, span) && whole(span).suits!(size)) ?? 32
  return { ...tileOf(adapter, size, span), splits: 1 }
}

/** Cuts the sum into ranges that are added in order: for few results with long sums, such as gradients of weights. */
const split = (span: number): Variant<MatmulTensors, MatmulSize> => ({
  ...whole(span),
  name: `matrices ${2 * span}×${2 * span} split`,
  suits: size => fills(size, span) && splitsOf(size, span) > 1,
  apply: (engine, tensors, size) =>
    product(
      engine,
      tensors,
      { ...size, ...tileOf(engine.adapter, size, span), splits: Math.max(2, splitsOf(size, span)) },
      matmulMatrix,
    ),
})

/** The variants in order of preference, from the largest tiles on. */
export const matmulVariants = [split(64), whole(64), split(32), whole(32)]

/** silu(gate) ⊙ up in the same dispatch. Rows in memory that hold both must have halves of a multiple of 8 elements. */
const gated = (span: number): Variant<MatmulTensors, GatedSize> => ({
  ...whole(span),
  available: (adapter, size) => {
    const { m, n, gated, transposeA, transposeB } = size
    const inRows = gated === 'rows' ? transposeA && m : !transposeB && n
    return (!inRows || inRows % 16 === 0) && matrixKind(adapter, size, span) !== undefined
  },
})

export const gatedVariants = [gated(64), gated(32)]
