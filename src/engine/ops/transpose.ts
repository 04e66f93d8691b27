// The axes of a tensor in another order, and other shapes over the same elements, with their derivatives.
import { type Four, transpose as kernel, type TransposeSize } from '../../kernels/transpose.js'
import { addTo } from '../accumulate.js'
import { elements, type Shape, type Tensor } from '../tensor.js'

/**
 * A copy with the axes in another order.
 * @param order the axis of x that each axis of the result is; the last two change places by default. At most four axes
 * @throws when `order` does not name each axis once
 */
export function transpose(x: Tensor, order: readonly number[] = swapped(x.shape.length)): Tensor {
  const { shape } = x
  if (shape.length > 4 || order.length !== shape.length || shape.some((_, axis) => !order.includes(axis)))
    throw new Error(
      `transpose: order [${order}] does not fit shape [${shape}], expected each of its axes once, at most four`,
    )
  const strides = shape.map((_, axis) => elements(shape.slice(axis + 1)))
  return strided(
    x,
    order.map(axis => shape[axis]),
    {
      sizes: four(
        order.map(axis => shape[axis]),
        1,
      ),
      strides: four(
        order.map(axis => strides[axis]),
        0,
      ),
      offset: 0,
    },
  )
}

/**
 * The elements of x under another shape, seen by the tape. Nothing is copied: both are the same memory.
 * @throws when the shapes have different numbers of elements
 */
export function reshape(x: Tensor, shape: Shape): Tensor {
  return x.engine.record(x.reshape(shape), [x], dy => [
    (into, accumulate) => addTo(into, dy.reshape(x.shape), accumulate),
  ])
}

/** Elements of x at these places, as a dense tensor of this shape; see `TransposeSize`. */
export function strided(x: Tensor, shape: Shape, places: Pick<TransposeSize, 'sizes' | 'strides' | 'offset'>): Tensor {
  const { engine } = x
  const y = engine.tensor(shape, x.dtype)
  engine.dispatch(kernel, { x, y }, { ...places, back: false, accumulate: false })
  return engine.record(y, [x], dy => [
    (into, accumulate) => {
      // What a part leaves out gets no gradient.
      if (!accumulate && y.size < x.size) engine.clear(into)
      engine.dispatch(kernel, { x: dy, y: into }, { ...places, back: true, accumulate })
    },
  ])
}

/** Values of the last axes, with `value` for the missing ones before them. */
function four(values: readonly number[], value: number): Four {
  return [...Array<number>(4 - values.length).fill(value), ...values] as unknown as Four
}

function swapped(axes: number): number[] {
  const order = Array.from({ length: axes }, (_, axis) => axis)
  return [...order.slice(0, -2), ...order.slice(-2).reverse()]
}
