// silu(gate) · up, with its derivative.
import * as kernels from '../../kernels/swiglu.js'
import type { Tensor } from '../tensor.js'

/**
 * `silu(gate) · up`, element by element, with `silu(g) = g / (1 + exp(−g))`.
 * @param gateUp shape (…, 2 · half), or (batch, 2 · half, width) with axis −2; the gate is the first half of that axis
 * @returns shape (…, half) or (batch, half, width)
 * @throws when the axis is odd
 */
export function swiglu(gateUp: Tensor, { axis = -1 }: { axis?: -1 | -2 } = {}): Tensor {
  const { engine } = gateUp
  const shape = gateUp.shape.slice()
  const at = shape.length + axis
  if (shape[at] % 2 !== 0)
    throw new Error(`swiglu: axis ${axis} of shape [${shape}] is odd, expected gate and up halves of equal size`)
  shape[at] /= 2
  const half = axis === -1 ? shape[at] : shape[at] * shape[at + 1]
  const y = engine.tensor(shape, gateUp.dtype)
  const size = { rows: y.size / half, half }
  engine.dispatch(kernels.swiglu, { x: gateUp, y }, size)
  return engine.record(y, [gateUp], dy => {
    const dx = engine.tensor(gateUp.shape, gateUp.dtype)
    engine.dispatch(kernels.swigluBackward, { x: gateUp, dy, dx }, size)
    return [dx]
  })
}
