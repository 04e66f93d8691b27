// Products of pairs of matrices, with their derivatives; for a layer's weight see linear.ts.
import { type DType, elements, type Tensor } from '../tensor.js'
import { matmul } from './matmul.js'

export interface BatchMatmulOptions {
  /** The matrices are stored transposed. */
  transposeA?: boolean
  transposeB?: boolean
  /** Of the result; that of a by default. */
  dtype?: DType
}

/**
 * `a[i] · b[i]` for every index i of the leading axes.
 * @param a shape (…, m, k), or (…, k, m) with `transposeA`
 * @param b shape (…, k, n), or (…, n, k) with `transposeB`
 * @returns shape (…, m, n)
 * @throws when the shapes do not fit
 */
export function batchMatmul(
  a: Tensor,
  b: Tensor,
  { transposeA = false, transposeB = false, dtype = a.dtype }: BatchMatmulOptions = {},
): Tensor {
  const { engine } = a
  const leading = a.shape.slice(0, -2)
  const [m, k] = swapIf(transposeA, a.shape)
  const [terms, n] = swapIf(transposeB, b.shape)
  if (k !== terms || `${leading}` !== `${b.shape.slice(0, -2)}`)
    throw new Error(
      `batchMatmul: shapes [${a.shape}]${transposeA ? ' transposed' : ''} and [${b.shape}]` +
        `${transposeB ? ' transposed' : ''} do not fit, expected (…, m, k) and (…, k, n)`,
    )
  const batch = elements(leading)
  const c = engine.tensor([...leading, m, n], dtype)
  matmul({ a, b, c }, { m, n, k, transposeA, transposeB, batch })
  return engine.record(c, [a, b], dC => [
    (into, accumulate) => {
      const more = { batch, accumulate }
      if (transposeA)
        matmul({ a: b, b: dC, c: into }, { m: k, n: m, k: n, transposeA: transposeB, transposeB: true, ...more })
      else matmul({ a: dC, b, c: into }, { m, n: k, k: n, transposeB: !transposeB, ...more })
    },
    (into, accumulate) => {
      const more = { batch, accumulate }
      if (transposeB)
        matmul({ a: dC, b: a, c: into }, { m: n, n: k, k: m, transposeA: true, transposeB: transposeA, ...more })
      else matmul({ a, b: dC, c: into }, { m: k, n, k: m, transposeA: !transposeA, ...more })
    },
  ])
}

/** Rows and columns of a matrix, stored transposed or not. */
function swapIf(isTransposed: boolean, shape: readonly number[]): [rows: number, columns: number] {
  const [rows, columns] = shape.slice(-2)
  return isTransposed ? [columns, rows] : [rows, columns]
}
