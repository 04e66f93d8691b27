// Products with a weight matrix, over the last axis or over the one before it, with their derivatives.
import type { DType, Tensor } from '../tensor.js'
import { matmul } from './matmul.js'

/** The product of a layer and its derivatives, each written into a given tensor; not recorded. */
export interface Layer {
  forward(x: Tensor, y: Tensor): void
  /** The gradient of x from that of y. */
  toInput(dy: Tensor, into: Tensor, accumulate: boolean): void
  toWeight(dy: Tensor, x: Tensor, into: Tensor, accumulate: boolean): void
}

/** Over the last axis of a tensor of `rows` rows; weight of shape (out, in). */
export function rowLayer(weight: Tensor, rows: number): Layer {
  const [out, width] = weight.shape
  return {
    forward: (x, y) => matmul({ a: x, b: weight, c: y }, { m: rows, n: out, k: width, transposeB: true }),
    toInput: (dy, into, accumulate) => matmul({ a: dy, b: weight, c: into }, { m: rows, n: width, k: out, accumulate }),
    toWeight: (dy, x, into, accumulate) =>
      matmul({ a: dy, b: x, c: into }, { m: out, n: width, k: rows, transposeA: true, accumulate }),
  }
}

/** Over the columns of `batch` matrices of `width` columns each; weight of shape (out, in). */
function columnLayer(weight: Tensor, batch: number, width: number): Layer {
  const [out, length] = weight.shape
  return {
    forward: (x, y) => matmul({ a: weight, b: x, c: y }, { m: out, n: width, k: length, batch, sharedA: true }),
    toInput: (dy, into, accumulate) =>
      matmul(
        { a: weight, b: dy, c: into },
        { m: length, n: width, k: out, transposeA: true, batch, sharedA: true, accumulate },
      ),
    toWeight: (dy, x, into, accumulate) =>
      matmul({ a: dy, b: x, c: into }, { m: out, n: length, k: width, transposeB: true, reduce: batch, accumulate }),
  }
}

/** Over the last axis of x, or the one before it. */
export const layerOf = (weight: Tensor, x: Tensor, axis: -1 | -2): Layer =>
  axis === -1 ? rowLayer(weight, x.size / weight.shape[1]) : columnLayer(weight, x.shape[0], x.shape[2])

export interface LinearOptions {
  /** Axis that the weight works on: the last one by default, or the one before it, which mixes positions. */
  axis?: -1 | -2
  /** Element type of the result; default: that of x. */
  dtype?: DType
}

/**
 * `y = x · Wᵀ` over the last axis, or `y[b] = W · x[b]` over the one before it, without transposing anything.
 * @param x shape (…, in), or (batch, in, width) with axis −2
 * @param weight shape (out, in)
 * @returns shape (…, out), or (batch, out, width)
 * @throws when the shapes do not fit
 */
export function linear(x: Tensor, weight: Tensor, { axis = -1, dtype = x.dtype }: LinearOptions = {}): Tensor {
  const { engine } = x
  const [out, width] = weight.shape
  if (weight.shape.length !== 2 || x.shape.at(axis) !== width || (axis === -2 && x.shape.length !== 3)) {
    const expected = axis === -1 ? '(…, in)' : '(batch, in, width)'
    throw new Error(
      `linear: x of shape [${x.shape}] does not fit a weight of shape [${weight.shape}] over axis ${axis}, ` +
        `expected ${expected} and (out, in)`,
    )
  }
  const layer = layerOf(weight, x, axis)
  const y = engine.tensor(x.shape.with(axis, out), dtype)
  layer.forward(x, y)
  return engine.record(y, [x, weight], dy => [
    (into, accumulate) => layer.toInput(dy, into, accumulate),
    (into, accumulate) => layer.toWeight(dy, x, into, accumulate),
  ])
}
