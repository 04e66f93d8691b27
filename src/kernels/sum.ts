// Sums over rows, times a factor, and their derivative.
import forward from '../../shaders/sum.wgsl'
import backward from '../../shaders/sum_backward.wgsl'
import { defineKernel, divideUp, grid } from './kernel.js'
import { rowPlan, type RowsSize } from './rows.js'

const THREADS = 64

export interface SumSize extends RowsSize {
  /** Elements of x; the last row may be shorter than the others. */
  count: number
  factor: number
}

export const sum = defineKernel<SumSize>({
  name: 'sum',
  source: forward,
  bindings: { x: 'read', y: 'write' },
  uniforms: ({ rows, width, count }) => ({ rows, width, count }),
  constants: size => ({ ...rowPlan(size).constants, FACTOR: size.factor }),
  workgroups: size => rowPlan(size).workgroups,
})

export const sumBackward = defineKernel<{ count: number; width: number; factor: number; accumulate: boolean }>({
  name: 'sum_backward',
  source: backward,
  bindings: { dy: 'read', dx: 'write' },
  uniforms: ({ count }) => ({ count }),
  constants: ({ width, factor, accumulate }) => ({
    THREADS,
    WIDTH: width,
    FACTOR: factor,
    ACCUMULATE: Number(accumulate),
  }),
  workgroups: ({ count }) => grid(divideUp(count, THREADS)),
})
