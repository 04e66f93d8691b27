// Dropout by a counter, with its derivative.
import * as kernels from '../../kernels/dropout.js'
import type { Tensor } from '../tensor.js'

export interface DropoutOptions {
  /** Probability that an element becomes 0; at least 0, below 1. The others are divided by 1 − rate. */
  rate: number
  /**
   * u32 of shape [2]: a seed, and a counter that the caller writes before each step, such as the step's number.
   * Both stay as they are until the gradients are there.
   */
  clock: Tensor
  /** A number for each dropout of a network, so that their masks differ; 0 by default. */
  stream?: number
}

/**
 * Elements of x become 0 at random; the same seed, counter and stream choose the same ones.
 * For training alone: a network that answers leaves it out.
 * @throws when the rate or the clock is not as described
 */
export function dropout(x: Tensor, { rate, clock, stream = 0 }: DropoutOptions): Tensor {
  const { engine } = x
  if (!(rate >= 0 && rate < 1)) throw new Error(`dropout: rate is ${rate}, expected at least 0 and below 1`)
  if (clock.dtype !== 'u32' || clock.size !== 2)
    throw new Error(
      `dropout: clock is ${clock.dtype} of shape [${clock.shape}], expected u32 of shape [2]: seed and counter`,
    )
  const size = { count: x.size, rate, stream }
  const y = engine.tensor(x.shape, x.dtype)
  engine.dispatch(kernels.dropout, { clock, x, y }, { ...size, accumulate: false })
  return engine.record(y, [x], dy => [
    (into, accumulate) => engine.dispatch(kernels.dropout, { clock, x: dy, y: into }, { ...size, accumulate }),
  ])
}
