// Root-mean-square normalisation of x + residual, over the last axis or over the one before it, forward and backward.
import forward from '../../shaders/rmsnorm.wgsl'
import backward from '../../shaders/rmsnorm_backward.wgsl'
import { defineKernel, divideUp, grid, powerOfTwo } from './kernel.js'

export interface RmsnormSize {
  /** Number of normed rows. */
  rows: number
  /** Length of a row. */
  width: number
  /** Distance of a row's neighbouring elements: 1 norms the last axis. */
  inner: number
  /** Threads that share a row, 1 … 32, a power of two; `rowLanes` names a good number. */
  lanes: number
}

/** Threads that share a row: one where neighbouring rows lie side by side in memory, or where barriers are dear (software adapters). */
export function rowLanes({ width, inner }: { width: number; inner: number }, isSoftware: boolean): number {
  return inner > 1 || isSoftware ? 1 : powerOfTwo(width, 32)
}

function threads({ lanes, inner }: RmsnormSize): { LANES: number; GROUPS: number } {
  // Without neighbouring rows side by side, small workgroups: nothing is shared, and rows spread over more of them.
  return { LANES: lanes, GROUPS: (lanes === 1 && inner === 1 ? 8 : 64) / lanes }
}

export const rmsnorm = defineKernel<RmsnormSize & { epsilon: number; hasResidual: boolean }>({
  name: 'rmsnorm',
  source: forward,
  bindings: { x: 'read', residual: 'read', y: 'write', scale: 'write' },
  constants: size => ({ ...threads(size), ROWS: size.rows, WIDTH: size.width, INNER: size.inner, EPSILON: size.epsilon, HAS_RESIDUAL: Number(size.hasResidual) }),
  workgroups: size => grid(divideUp(size.rows, threads(size).GROUPS)),
})

export const rmsnormBackward = defineKernel<RmsnormSize>({
  name: 'rmsnorm_backward',
  source: backward,
  bindings: { y: 'read', scale: 'read', dy: 'read', ds: 'write' },
  parameters: ({ width }) => ({ width }),
  constants: size => ({ ...threads(size), ROWS: size.rows, INNER: size.inner }),
  workgroups: size => grid(divideUp(size.rows, threads(size).GROUPS)),
})
