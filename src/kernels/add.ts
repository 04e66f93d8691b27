// Elementwise sum of two tensors, the second one repeated where it is smaller.
import source from '../../shaders/add.wgsl'
import { defineKernel, elementwise, fill } from './kernel.js'

export interface AddSize {
  /** Elements of a and y. */
  count: number
  /** Elements of b, repeated over a; 0 leaves b out. */
  countB: number
  accumulate: boolean
}

const plan = ({ count, countB }: AddSize) => elementwise({ COUNT: count, COUNT_B: countB || count })

export const add = defineKernel<AddSize>({
  name: 'add',
  source: size => fill(source, plan(size).values),
  bindings: { a: 'read', b: 'read', y: 'write' },
  constants: size => ({ ...plan(size).constants, HAS_B: Number(size.countB > 0), ACCUMULATE: Number(size.accumulate) }),
  workgroups: size => plan(size).workgroups,
})
