// Dynamic loss scaling for float16: scale the gradient of the loss, find overflow, adapt the scale.
import nonFiniteSource from '../../shaders/non_finite.wgsl'
import scaleSource from '../../shaders/scale.wgsl'
import lossScaleSource from '../../shaders/loss_scale.wgsl'
import { defineKernel, divideUp, grid, type Kernel } from './kernel.js'

const THREADS = 64

/** The numbers of `state`, in this order; `power1` and `power2` are β1ᵗ and β2ᵗ. */
export const LOSS_SCALE = ['scale', 'goodSteps', 'power1', 'power2', 'skippedSteps'] as const

/** Good steps in a row after which the scale doubles. */
const INTERVAL = 2000

const shape: Pick<Kernel<{ count: number }>, 'constants' | 'workgroups'> = {
  constants: ({ count }) => ({ THREADS, COUNT: count }),
  workgroups: ({ count }) => grid(divideUp(count, THREADS)),
}

/** x *= factor. */
export const scale = defineKernel({
  name: 'scale',
  source: scaleSource,
  bindings: { factor: 'read', x: 'write' },
  ...shape,
})

/** found = 1 if any x is infinite or NaN. */
export const nonFinite = defineKernel({
  name: 'non_finite',
  source: nonFiniteSource,
  bindings: { x: 'read', found: 'write' },
  ...shape,
})

/** Updates the scale and the schedules of the optimisers; see the shader. */
export const lossScale = defineKernel<{ beta1: number; beta2: number; interval?: number }>({
  name: 'loss_scale',
  source: lossScaleSource,
  bindings: { found: 'write', state: 'write', schedule: 'write', puzzleSchedule: 'write' },
  constants: ({ beta1, beta2, interval = INTERVAL }) => ({ BETA1: beta1, BETA2: beta2, INTERVAL: interval }),
  workgroups: () => [1, 1, 1],
})
