// Products with a weight matrix, over the last axis (linear) or over the next-to-last one (mix), with their derivatives.
import type { Engine } from '../engine.js'
import type { Tensor } from '../tensor.js'
import { matmul } from './matmul.js'

/**
 * `y = x · Wᵀ` over the last axis.
 * @param x shape (…, in)
 * @param weight shape (out, in)
 * @returns shape (…, out)
 */
export function linear(engine: Engine, x: Tensor, weight: Tensor): Tensor {
  const [out, width] = weight.shape
  if (weight.shape.length !== 2 || x.shape.at(-1) !== width) throw new Error(`linear: x of shape [${x.shape}] does not fit a weight of shape [${weight.shape}], expected (…, in) and (out, in)`)
  const rows = x.size / width
  const y = engine.tensor([...x.shape.slice(0, -1), out])
  matmul(engine, { a: x, b: weight, c: y }, { m: rows, n: out, k: width, transposeB: true })
  return engine.record(y, [x, weight], dy => [
    (into, accumulate) => matmul(engine, { a: dy, b: weight, c: into }, { m: rows, n: width, k: out, accumulate }),
    (into, accumulate) => matmul(engine, { a: dy, b: x, c: into }, { m: out, n: width, k: rows, transposeA: true, accumulate }),
  ])
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
  if (x.shape.length !== 3 || given !== length) throw new Error(`mix: x of shape [${x.shape}] does not fit a weight of shape [${weight.shape}], expected (batch, in, width) and (out, in)`)
  const y = engine.tensor([batch, out, width])
  matmul(engine, { a: weight, b: x, c: y }, { m: out, n: width, k: length, batch, sharedA: true })
  return engine.record(y, [x, weight], dy => [
    (into, accumulate) => matmul(engine, { a: weight, b: dy, c: into }, { m: length, n: width, k: out, transposeA: true, batch, sharedA: true, accumulate }),
    (into, accumulate) => matmul(engine, { a: dy, b: x, c: into }, { m: out, n: length, k: width, transposeB: true, reduce: batch, accumulate }),
  ])
}
