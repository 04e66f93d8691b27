// Products with a weight matrix, over the last axis (linear) or over the next-to-last one (mix), with their derivatives.
import type { Engine } from '../engine.js'
import type { DType, Tensor } from '../tensor.js'
import { matmul } from './matmul.js'

/** The product of a layer and its derivatives, each written into a given tensor; not recorded. */
export interface Layer {
  forward(x: Tensor, y: Tensor): void
  /** The gradient of x from that of y. */
  toInput(dy: Tensor, into: Tensor, accumulate: boolean): void
  toWeight(dy: Tensor, x: Tensor, into: Tensor, accumulate: boolean): void
}

/** Over the last of `rows` rows; weight of shape (out, in). */
export function rowLayer(engine: Engine, weight: Tensor, rows: number): Layer {
  const [out, width] = weight.shape
  return {
    forward: (x, y) => matmul(engine, { a: x, b: weight, c: y }, { m: rows, n: out, k: width, transposeB: true }),
    toInput: (dy, into, accumulate) =>
      matmul(engine, { a: dy, b: weight, c: into }, { m: rows, n: width, k: out, accumulate }),
    toWeight: (dy, x, into, accumulate) =>
      matmul(engine, { a: dy, b: x, c: into }, { m: out, n: width, k: rows, transposeA: true, accumulate }),
  }
}

/** Over the columns of `batch` matrices, `width` of them each; weight of shape (out, in). */
function columnLayer(engine: Engine, weight: Tensor, batch: number, width: number): Layer {
  const [out, length] = weight.shape
  return {
    forward: (x, y) => matmul(engine, { a: weight, b: x, c: y }, { m: out, n: width, k: length, batch, sharedA: true }),
    toInput: (dy, into, accumulate) =>
      matmul(
        engine,
        { a: weight, b: dy, c: into },
        { m: length, n: width, k: out, transposeA: true, batch, sharedA: true, accumulate },
      ),
    toWeight: (dy, x, into, accumulate) =>
      matmul(
        engine,
        { a: dy, b: x, c: into },
        { m: out, n: length, k: width, transposeB: true, reduce: batch, accumulate },
      ),
  }
}

function apply(engine: Engine, layer: Layer, x: Tensor, weight: Tensor, y: Tensor): Tensor {
  layer.forward(x, y)
  return engine.record(y, [x, weight], dy => [
    (into, accumulate) => layer.toInput(dy, into, accumulate),
    (into, accumulate) => layer.toWeight(dy, x, into, accumulate),
  ])
}

/**
 * `y = x · Wᵀ` over the last axis.
 * @param x shape (…, in)
 * @param weight shape (out, in)
 * @param dtype of the result
 * @returns shape (…, out)
 */
export function linear(engine: Engine, x: Tensor, weight: Tensor, dtype: DType = x.dtype): Tensor {
  const [out, width] = weight.shape
  if (weight.shape.length !== 2 || x.shape.at(-1) !== width)
    throw new Error(
      `linear: x of shape [${x.shape}] does not fit a weight of shape [${weight.shape}], expected (…, in) and (out, in)`,
    )
  return apply(
    engine,
    rowLayer(engine, weight, x.size / width),
    x,
    weight,
    engine.tensor([...x.shape.slice(0, -1), out], dtype),
  )
}

/**
 * `y[b] = W · x[b]`: a linear layer over the next-to-last axis, without transposing anything.
 * @param x shape (batch, in, width)
 * @param weight shape (out, in)
 * @returns shape (batch, out, width)
 */
export function mix(engine: Engine, x: Tensor, weight: Tensor): Tensor {
  const [batch, length, width] = x.shape
  const [out, given] = weight.shape
  if (x.shape.length !== 3 || given !== length)
    throw new Error(
      `mix: x of shape [${x.shape}] does not fit a weight of shape [${weight.shape}], expected (batch, in, width) and (out, in)`,
    )
  return apply(
    engine,
    columnLayer(engine, weight, batch, width),
    x,
    weight,
    engine.tensor([batch, out, width], x.dtype),
  )
}
