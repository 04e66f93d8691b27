// Sums over the rows of a matrix: the gradient of a row that was repeated.
import source from '../../shaders/column_sums.wgsl'
import { defineKernel, divideUp, grid } from './kernel.js'

const THREADS = 64

export const columnSums = defineKernel<{ rows: number; width: number; factor?: number; accumulate: boolean }>({
  name: 'column_sums',
  source,
  bindings: { x: 'read', y: 'write' },
  constants: ({ rows, width, factor = 1, accumulate }) => ({
    THREADS,
    ROWS: rows,
    WIDTH: width,
    FACTOR: factor,
    ACCUMULATE: Number(accumulate),
  }),
  workgroups: ({ width }) => grid(divideUp(width, THREADS)),
})
