// Checks the derivative of an operation against central differences of its float64 formula. No test is here.
import type { Engine, Shape, Tensor } from '../src/engine/index.js'
import { close, largest } from './close.js'
import { uniform } from './shapes.js'

/** f'(0), with an error of order h⁴. */
function slope(f: (t: number) => number, h: number): number {
  return (8 * (f(h) - f(-h)) - (f(2 * h) - f(-2 * h))) / (12 * h)
}

/** The gradient of f at x. The step for an element is `step` times its magnitude, but at least `step` · `unit`. */
export function differences(f: (x: Float64Array) => number, x: ArrayLike<number>, step = 1e-3, unit = 1): Float64Array {
  const at = Float64Array.from({ length: x.length }, (_, i) => x[i])
  return at.map((value, i) => {
    const result = slope(
      t => {
        at[i] = value + t
        return f(at)
      },
      step * Math.max(Math.abs(value), unit),
    )
    at[i] = value
    return result
  })
}

export interface Differentiable {
  inputs: readonly { data: Float32Array<ArrayBuffer>; shape: Shape }[]
  ours: (...tensors: Tensor[]) => Tensor
  truth: (...inputs: Float64Array[]) => Float64Array
  /** Number of consecutive roundings; see close.ts. */
  depth: number
  c?: number
  /** The steps of the differences are at least 1e-3 of this; 1 by default. */
  unit?: number
  /** The scale is the largest gradient of the input, but at least this: the magnitude of terms that cancel. */
  least?: number
}

/** Gradients of up to this many elements are compared whole. */
const MAX_WHOLE = 48
/** Of larger gradients this many random elements are compared, and a random direction. */
const SAMPLES = 8

/** Compares the gradient of Σ cotangent · y, with random cotangents, with differences of the truth. @throws */
export async function checkGradients(
  engine: Engine,
  name: string,
  { inputs, ours, truth, depth, c, unit = 1, least = 0 }: Differentiable,
): Promise<void> {
  const next = uniform(99)
  const tensors = inputs.map(({ data, shape }) => engine.from(data, shape))
  const exact = inputs.map(({ data }) => Float64Array.from(data))
  const cotangents = Float32Array.from({ length: truth(...exact).length }, () => 2 * next() - 1)
  const seed = engine.from(cotangents)
  const reads = engine.scope(() => {
    const gradients = engine.gradients(tensors, () => {
      const y = ours(...tensors)
      return [[y, seed.reshape(y.shape)]]
    })
    return gradients.map(gradient => engine.read(gradient))
  })
  const objective = (which: number, at: Float64Array) =>
    truth(...exact.map((value, i) => (i === which ? at : value))).reduce((sum, y, i) => sum + y * cotangents[i], 0)
  for (const [which, read] of reads.entries()) {
    const gradient = await read
    const x = exact[which]
    const scale = Math.max(largest(gradient), least)
    const picked =
      x.length <= MAX_WHOLE ? [...x.keys()] : Array.from({ length: SAMPLES }, () => Math.floor(next() * x.length))
    const at = x.slice()
    const expected = picked.map(i => {
      const slopeHere = slope(
        t => {
          at[i] = x[i] + t
          return objective(which, at)
        },
        1e-3 * Math.max(Math.abs(x[i]), unit),
      )
      at[i] = x[i]
      return slopeHere
    })
    close(
      `${name}, gradient of input ${which}`,
      picked.map(i => gradient[i]),
      expected,
      { scale, depth, c },
    )
    if (picked.length === x.length) continue
    const direction = x.map(() => 2 * next() - 1)
    const along = slope(
      t =>
        objective(
          which,
          x.map((value, i) => value + t * direction[i]),
        ),
      1e-3 * unit,
    )
    const product = direction.reduce((sum, d, i) => sum + d * gradient[i], 0)
    // Errors of the elements are independent.
    close(`${name}, gradient of input ${which} along a direction`, [product], [along], {
      scale: scale * Math.sqrt(x.length),
      depth,
      c,
    })
  }
  engine.release(seed, ...tensors)
}
