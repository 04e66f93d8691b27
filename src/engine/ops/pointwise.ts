// Operations on every element by itself: products, multiples and activations, with their derivatives.
import { columnSums } from '../../kernels/column-sums.js'
import { pointwise, type PointwiseSize } from '../../kernels/pointwise.js'
import type { Tensor } from '../tensor.js'
import { checkTail } from './add.js'

/** `y = f(a, b)`, or `y += f(a, b)`. */
function compute(
  formula: PointwiseSize['formula'],
  a: Tensor,
  b: Tensor,
  y: Tensor,
  { factor, accumulate = false }: { factor?: number; accumulate?: boolean } = {},
): void {
  const size = { formula, count: a.size, countB: b.size, factor, accumulate }
  y.engine.dispatch(pointwise, { a, b, y }, size)
}

/**
 * `a · b`, element by element.
 * @param b of a's shape, or of its last axes: then it is repeated over the first ones. Shape [] is one number for all
 * @throws when the shapes do not fit
 */
export function mul(a: Tensor, b: Tensor): Tensor {
  const { engine } = a
  checkTail('mul', a, b)
  const y = engine.tensor(a.shape, a.dtype)
  compute('mul', a, b, y)
  return engine.record(y, [a, b], dy => [
    (into, accumulate) => compute('mul', dy, b, into, { accumulate }),
    (into, accumulate) => {
      if (a.size === b.size) return compute('mul', dy, a, into, { accumulate })
      const products = engine.tensor(a.shape)
      compute('mul', dy, a, products)
      const size = { rows: a.size / b.size, width: b.size, accumulate }
      engine.dispatch(columnSums, { x: products, y: into }, size)
      engine.release(products)
    },
  ])
}

/**
 * `factor · x`.
 * @param factor finite. Each factor compiles a kernel: for one that changes use `mul` with a tensor of shape []
 */
export function scale(x: Tensor, factor: number): Tensor {
  const { engine } = x
  const y = engine.tensor(x.shape, x.dtype)
  compute('scale', x, x, y, { factor })
  return engine.record(y, [x], dy => [(into, accumulate) => compute('scale', dy, dy, into, { factor, accumulate })])
}

/** An activation, whose derivative is computed from x and dy. */
function activation(formula: 'relu' | 'gelu', x: Tensor): Tensor {
  const { engine } = x
  const y = engine.tensor(x.shape, x.dtype)
  compute(formula, x, x, y)
  return engine.record(y, [x], dy => [
    (into, accumulate) => compute(`${formula} backward`, x, dy, into, { accumulate }),
  ])
}

/** `max(x, 0)`; its derivative at 0 is 0. */
export function relu(x: Tensor): Tensor {
  return activation('relu', x)
}

/** The tanh form of GELU: `x / 2 · (1 + tanh(√(2/π) · (x + 0.044715 · x³)))`; it is within 5e-4 of `x · Φ(x)`. */
export function gelu(x: Tensor): Tensor {
  return activation('gelu', x)
}
