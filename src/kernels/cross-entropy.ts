// Each row's share of the mean cross-entropy, its derivative, and the number of targets that count.
import countSource from '../../shaders/count_targets.wgsl'
import forward from '../../shaders/cross_entropy.wgsl'
import backward from '../../shaders/cross_entropy_backward.wgsl'
import { defineKernel, divideUp, grid } from './kernel.js'
import { rowPlan, type RowsSize } from './rows.js'

const THREADS = 64

export const countTargets = defineKernel<{ rows: number; ignored: number }>({
  name: 'count_targets',
  source: countSource,
  bindings: { targets: 'read', counted: 'write' },
  uniforms: ({ rows }) => ({ rows }),
  constants: ({ ignored }) => ({ THREADS, IGNORED: ignored }),
  workgroups: () => [1, 1, 1],
})

/** The width of a row is the number of classes. */
export interface CrossEntropySize extends RowsSize {
  /** A target that does not count; negative ones never do. */
  ignored: number
}

export const crossEntropy = defineKernel<CrossEntropySize>({
  name: 'cross_entropy',
  source: forward,
  bindings: { logits: 'read', targets: 'read', counted: 'read', totals: 'write', shares: 'write' },
  uniforms: ({ rows, width }) => ({ rows, width }),
  constants: size => ({ ...rowPlan(size).constants, IGNORED: size.ignored }),
  workgroups: size => rowPlan(size).workgroups,
})

export const crossEntropyBackward = defineKernel<CrossEntropySize>({
  name: 'cross_entropy_backward',
  source: backward,
  bindings: { logits: 'read', targets: 'read', counted: 'read', totals: 'read', dShares: 'read', dLogits: 'write' },
  uniforms: ({ rows, width }) => ({ count: rows * width }),
  constants: ({ width, ignored }) => ({ THREADS, CLASSES: width, IGNORED: ignored }),
  workgroups: ({ rows, width }) => grid(divideUp(rows * width, THREADS)),
})
