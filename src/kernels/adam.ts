// AdamATan2 or AdamW with decoupled weight decay and an exponential moving average, over one flat range of parameters.
import source from '../../shaders/adam.wgsl'
import { defineKernel, divideUp, grid } from './kernel.js'

const THREADS = 64

export interface AdamSize {
  count: number
  beta1: number
  beta2: number
  /** Rate of the moving average; 0 leaves it alone. */
  emaRate: number
  atan2: boolean
}

export const adam = defineKernel<AdamSize>({
  name: 'adam',
  source,
  bindings: { schedule: 'read', gradients: 'read', values: 'write', m: 'write', v: 'write', average: 'write' },
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
