// AdamATan2 or AdamW with a moving average, over one flat range of parameters, and clipping by global norm.
import source from '../../shaders/adam.wgsl'
import clipSource from '../../shaders/clip_gradients.wgsl'
import squaresSource from '../../shaders/sum_squares.wgsl'
import { defineKernel, divideUp, grid } from './kernel.js'

const THREADS = 64

export interface AdamSize {
  count: number
  beta1: number
  beta2: number
  /** Rate of the moving average of the parameters; 0: there is none. */
  emaRate: number
  atan2: boolean
}

/** One optimiser step. `schedule` and `broken` are described in the shader. */
export const adam = defineKernel<AdamSize>({
  name: 'adam',
  source,
  bindings: {
    schedule: 'read',
    gradients: 'read',
    values: 'write',
    m: 'write',
    v: 'write',
    average: 'write',
    broken: 'write',
  },
  constants: ({ count, beta1, beta2, emaRate, atan2 }) => ({
    THREADS,
    COUNT: count,
    BETA1: beta1,
    BETA2: beta2,
    EMA_RATE: emaRate,
    HAS_AVERAGE: Number(emaRate > 0),
    ATAN2: Number(atan2),
  }),
  workgroups: ({ count }) => grid(divideUp(count, THREADS)),
})

/** Workgroups and threads of `sumSquares`. The partition is fixed, so the same gradients give the same norm. */
const PARTS = 256

/** The number of sums that `sumSquares` writes. */
export function partCount(count: number): number {
  return Math.min(PARTS, divideUp(count, PARTS))
}

/** Sums of squares of x, one per workgroup: the parts of the global norm. */
export const sumSquares = defineKernel<{ count: number }>({
  name: 'sum_squares',
  source: squaresSource,
  bindings: { x: 'read', sums: 'write' },
  constants: ({ count }) => ({ THREADS: PARTS, COUNT: count, PARTS: partCount(count) }),
  workgroups: ({ count }) => grid(partCount(count)),
})

/** Lowers the gradient factor of the schedule so that the global norm of the gradients is at most `clipNorm`. */
export const clipGradients = defineKernel<{ count: number; clipNorm: number }>({
  name: 'clip_gradients',
  source: clipSource,
  bindings: { sums: 'read', schedule: 'write' },
  constants: ({ count, clipNorm }) => ({ PARTS: partCount(count), CLIP_NORM: clipNorm }),
  workgroups: () => [1, 1, 1],
})
