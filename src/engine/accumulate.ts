// Copies or adds one tensor to another. It is no operation: the tape does not record it.
import { add } from '../kernels/add.js'
import type { Tensor } from './tensor.js'

/** `into = x`, or `into += x`, from and to either float type. */
export function addTo(into: Tensor, x: Tensor, accumulate: boolean): void {
  const { engine } = into
  engine.dispatch(add, { a: x, b: x, y: into }, { count: into.size, countB: 0, accumulate })
}
