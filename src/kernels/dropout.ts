// Dropout by a counter: the mask is computed from numbers, again in the derivative, and kept nowhere.
import source from '../../shaders/dropout.wgsl'
import { defineKernel, divideUp, grid } from './kernel.js'

const THREADS = 64

export interface DropoutSize {
  count: number
  /** Probability that an element becomes 0. */
  rate: number
  /** Tells the masks of one seed and counter apart. */
  stream: number
  accumulate: boolean
}

export const dropout = defineKernel<DropoutSize>({
  name: 'dropout',
  source,
  bindings: { clock: 'read', x: 'read', y: 'write' },
  uniforms: ({ count, stream }) => ({ count, stream }),
  constants: ({ rate, accumulate }) => ({
    THREADS,
    RATE: rate,
    FACTOR: 1 / (1 - rate),
    ACCUMULATE: Number(accumulate),
  }),
  workgroups: ({ count }) => grid(divideUp(count, THREADS)),
})
