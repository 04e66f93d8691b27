// Mean squared error as a tensor of shares, with its derivative.
import * as kernels from '../../kernels/squared-error.js'
import type { Tensor } from '../tensor.js'

/**
 * `(a − b)² / size`, element by element. The sum of the result is the mean squared error.
 * @param b the target, of a's shape; it gets no gradient
 * @throws when the sizes differ
 */
export function squaredError(a: Tensor, b: Tensor): Tensor {
  const { engine } = a
  if (a.size !== b.size) throw new Error(`squaredError: shapes [${a.shape}] and [${b.shape}] differ`)
  const count = a.size
  const y = engine.tensor(a.shape, a.dtype)
  engine.dispatch(kernels.squaredError, { a, b, dy: a, y }, { count, backward: false })
  return engine.record(y, [a], dy => {
    const da = engine.tensor(a.shape, a.dtype)
    engine.dispatch(kernels.squaredError, { a, b, dy, y: da }, { count, backward: true })
    return [da]
  })
}
