// Softmax over rows, of which a causal order or a mask may hide values, and its derivative.
import forward from '../../shaders/softmax.wgsl'
import backward from '../../shaders/softmax_backward.wgsl'
import { defineKernel } from './kernel.js'
import { rowPlan, type RowsSize } from './rows.js'

export interface SoftmaxSize extends RowsSize {
  /** Of x, before the softmax. */
  factor: number
  /** Rows are (sequences, heads, queries). */
  heads: number
  queries: number
  /** Query i has columns 0 … i alone. */
  causal: boolean
  hasMask: boolean
  /** Distance of a sequence's mask from the one before, and of a query's; 0 where the mask repeats. */
  maskSequence: number
  maskQuery: number
}

export const softmax = defineKernel<SoftmaxSize>({
  name: 'softmax',
  source: forward,
  bindings: { x: 'read', mask: 'read', y: 'write' },
  uniforms: ({ rows, width, heads, queries, maskSequence, maskQuery }) => ({
    rows,
    width,
    heads,
    queries,
    maskSequence,
    maskQuery,
  }),
  constants: size => ({
    ...rowPlan(size).constants,
    FACTOR: size.factor,
    CAUSAL: Number(size.causal),
    HAS_MASK: Number(size.hasMask),
  }),
  workgroups: size => rowPlan(size).workgroups,
})

export const softmaxBackward = defineKernel<RowsSize & { factor: number }>({
  name: 'softmax_backward',
  source: backward,
  bindings: { y: 'read', dy: 'read', dx: 'write' },
  uniforms: ({ rows, width }) => ({ rows, width }),
  constants: size => ({ ...rowPlan(size).constants, FACTOR: size.factor }),
  workgroups: size => rowPlan(size).workgroups,
})
