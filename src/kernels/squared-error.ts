// The share of each element in the mean squared error, and its derivative.
import source from '../../shaders/squared_error.wgsl'
import { defineKernel, divideUp, grid } from './kernel.js'

const THREADS = 64

export const squaredError = defineKernel<{ count: number; backward: boolean }>({
  name: 'squared_error',
  source,
  bindings: { a: 'read', b: 'read', dy: 'read', y: 'write' },
  constants: ({ count, backward }) => ({ THREADS, COUNT: count, BACKWARD: Number(backward) }),
  workgroups: ({ count }) => grid(divideUp(count, THREADS)),
})
