// y = a + b, with its derivative.
import * as kernels from '../../kernels/add.js'
import { columnSums } from '../../kernels/column-sums.js'
import type { Tensor } from '../tensor.js'

/** @throws unless b has the shape of a's last axes */
export function checkTail(operation: string, a: Tensor, b: Tensor): void {
  const tail = a.shape.slice(a.shape.length - b.shape.length)
  if (tail.length !== b.shape.length || tail.some((d, i) => d !== b.shape[i]))
    throw new Error(`${operation}: shape [${b.shape}] is not that of the last axes of [${a.shape}]`)
}

/**
 * `a + b`.
 * @param b of a's shape, or of the shape of its last axes, such as a bias: then it is repeated over the first axes
 * @throws when the shapes do not fit
 */
export function add(a: Tensor, b: Tensor): Tensor {
  const { engine } = a
  checkTail('add', a, b)
  const y = engine.tensor(a.shape, a.dtype)
  engine.dispatch(kernels.add, { a, b, y }, { count: a.size, countB: b.size, accumulate: false })
  return engine.record(y, [a, b], dy => [
    dy,
    a.size === b.size
      ? dy
      : (into, accumulate) =>
          engine.dispatch(columnSums, { x: dy, y: into }, { rows: a.size / b.size, width: b.size, accumulate }),
  ])
}
