// Tensors of float16 in tests. No test is here.
import { addTo } from '../src/engine/accumulate.js'
import type { DType, Engine, Tensor } from '../src/engine/index.js'
import { float16ToFloat32, float32ToFloat16 } from '../src/formats/float16.js'
import { values } from './shapes.js'

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

/** Random values of float16, in words of two. Behind them stand infinities, which must not reach a result. */
export function halves(engine: Engine, seed: number, count: number): { data: Float32Array; tensor: Tensor } {
  const bits = float32ToFloat16(values(seed, count))
  const words = new Uint32Array(Math.ceil(count / 2))
  new Uint16Array(words.buffer).fill(0x7c00)
  new Uint16Array(words.buffer).set(bits)
  return { data: float16ToFloat32(bits), tensor: engine.from(words) }
}
