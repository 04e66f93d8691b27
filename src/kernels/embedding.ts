// Rows of a table by id, and the gradient of the table, summed in a fixed order.
import forward from '../../shaders/embedding.wgsl'
import backward from '../../shaders/embedding_backward.wgsl'
import { defineKernel, divideUp, grid } from './kernel.js'

const THREADS = 64

export const embedding = defineKernel<{ ids: number; rows: number; width: number }>({
  name: 'embedding',
  source: forward,
  bindings: { table: 'read', ids: 'read', y: 'write' },
  constants: ({ ids, rows, width }) => ({ THREADS, COUNT: ids * width, WIDTH: width, ROWS: rows }),
  workgroups: ({ ids, width }) => grid(divideUp(ids * width, THREADS)),
})

export interface EmbeddingBackwardSize {
  rows: number
  width: number
  /** Number of sequences of ids. */
  batch: number
  /** Number of ids in each. */
  length: number
  /** Rows of dy in front of each sequence; they belong to no id. */
  prefix: number
  factor: number
  accumulate: boolean
}

export const embeddingBackward = defineKernel<EmbeddingBackwardSize>({
  name: 'embedding_backward',
  source: backward,
  bindings: { ids: 'read', dy: 'read', dTable: 'write' },
  uniforms: ({ length }) => ({ length }),
  constants: size => ({
    THREADS,
    ROWS: size.rows,
    WIDTH: size.width,
    BATCH: size.batch,
    PREFIX: size.prefix,
    FACTOR: size.factor,
    ACCUMULATE: Number(size.accumulate),
  }),
  workgroups: ({ rows, width }) => grid(divideUp(rows * width, THREADS)),
})
