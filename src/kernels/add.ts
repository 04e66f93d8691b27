// Elementwise sum of two tensors, the second one repeated where it is smaller.
import source from '../../shaders/add.wgsl'
import { defineKernel, divideUp, grid } from './kernel.js'

const THREADS = 64

export interface AddSize {
  /** Elements of a and y. */
  count: number
  /** Elements of b, repeated over a; 0 leaves b out. */
  countB: number
  accumulate: boolean
}

export const add = defineKernel<AddSize>({
  name: 'add',
  source,
  bindings: { a: 'read', b: 'read', y: 'write' },
  constants: ({ count, countB, accumulate }) => ({ THREADS, COUNT: count, COUNT_B: countB, ACCUMULATE: Number(accumulate) }),
  workgroups: ({ count }) => grid(divideUp(count, THREADS)),
})
