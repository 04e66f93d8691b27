// Elementwise sum of two tensors; the second one repeats if it is smaller.
import source from '../../shaders/add.wgsl'
import { defineKernel, elementwise, fill } from './kernel.js'

export interface AddSize {
  /** Elements of a and y. */
  count: number
  /** Elements of b, which repeats over a; 0: there is no b. */
  countB: number
  /** Add to y instead of overwriting it. */
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
