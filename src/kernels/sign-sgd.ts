// SignSGD with weight decay for the rows of an embedding table that a batch used.
import source from '../../shaders/sign_sgd.wgsl'
import { defineKernel, divideUp, grid } from './kernel.js'

const THREADS = 64

export const signSgd = defineKernel<{ slots: number; width: number }>({
  name: 'sign_sgd',
  source,
  bindings: { schedule: 'read', ids: 'read', gradients: 'read', table: 'write' },
  constants: ({ slots, width }) => ({ THREADS, SLOTS: slots, WIDTH: width }),
  workgroups: ({ slots, width }) => grid(divideUp(slots * width, THREADS)),
})
