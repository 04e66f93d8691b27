// Sums and means over the last axis or over all elements, with their derivatives.
import * as kernels from '../../kernels/sum.js'
import { rowLanes } from '../../kernels/rows.js'
import type { Shape, Tensor } from '../tensor.js'

export interface SumOptions {
  /** −1 sums over the last axis; by default everything is summed up. */
  axis?: -1
}

/** A sum over everything is one over rows of this length, then one over these sums, until one is left. */
const CHUNK = 1024

/**
 * The sum of all elements, or of each row with `axis` −1.
 * @returns f32; shape [], or that of x without its last axis
 */
export function sum(x: Tensor, options: SumOptions = {}): Tensor {
  return scaledSum(x, 1, options)
}

/** The mean of all elements, or of each row with `axis` −1; result as of `sum`. */
export function mean(x: Tensor, options: SumOptions = {}): Tensor {
  return scaledSum(x, 1 / (options.axis ? x.shape.at(-1)! : x.size), options)
}

function scaledSum(x: Tensor, factor: number, { axis }: SumOptions): Tensor {
  const { engine } = x
  const width = axis ? x.shape.at(-1)! : x.size
  const y = axis ? rowSums(x, width, factor, x.shape.slice(0, -1)) : sumOfAll(x, factor)
  return engine.record(y, [x], dy => [
    (into, accumulate) =>
      engine.dispatch(kernels.sumBackward, { dy, dx: into }, { count: x.size, width, factor, accumulate }),
  ])
}

function rowSums(x: Tensor, width: number, factor: number, shape: Shape): Tensor {
  const { engine } = x
  const y = engine.tensor(shape)
  const lanes = rowLanes({ width, stride: 1 }, engine.adapter.isSoftware)
  engine.dispatch(kernels.sum, { x, y }, { rows: y.size, width, count: x.size, factor, lanes })
  return y
}

function sumOfAll(x: Tensor, factor: number): Tensor {
  if (x.size <= CHUNK) return rowSums(x, x.size, factor, [])
  const parts = rowSums(x, CHUNK, 1, [Math.ceil(x.size / CHUNK)])
  const y = sumOfAll(parts, factor)
  x.engine.release(parts)
  return y
}
