// Tensors of float16 in tests. No test is here.
import { addTo } from '../src/engine/accumulate.js'
import type { DType, Tensor } from '../src/engine/index.js'

/** One rounding to float16, in units of float32's. */
export const ROUNDING = 2 ** 13

const converted = (x: Tensor, dtype: DType): Tensor => {
  const { engine } = x
  const y = engine.tensor(x.shape, dtype)
  addTo(y, x, false)
  return engine.record(y, [x], dy => [(into, accumulate) => addTo(into, dy, accumulate)])
}

/** The same values in float16, recorded. */
export const rounded = (x: Tensor): Tensor => converted(x, 'f16')

/** The same values in float32, recorded. */
export const widened = (x: Tensor): Tensor => converted(x, 'f32')
