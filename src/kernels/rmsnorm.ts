// Root-mean-square normalisation of x + residual, over the last axis or over the one before it, forward and backward.
import forward from '../../shaders/rmsnorm.wgsl'
import backward from '../../shaders/rmsnorm_backward.wgsl'
import registers from '../../shaders/rmsnorm_registers.wgsl'
import { defineKernel, divideUp, fill, grid, type Kernel, powerOfTwo } from './kernel.js'

export interface RmsnormSize {
  /** Number of normed rows. */
  rows: number
  /** Length of a row. */
  width: number
  /** Distance of a row's neighbouring elements: 1 norms the last axis. */
  inner: number
}

export interface LoopSize extends RmsnormSize {
  /** Threads that share a row, 1 … 32, a power of two; `rowLanes` names a good number. */
  lanes: number
}

/** Threads that share a row: one where neighbouring rows are neighbours in memory, or where barriers are expensive (software adapters). */
export function rowLanes({ width, inner }: { width: number; inner: number }, isSoftware: boolean): number {
  return inner > 1 || isSoftware ? 1 : powerOfTwo(width, 32)
}

function threads({ lanes, inner }: LoopSize): { LANES: number; GROUPS: number } {
  // Without neighbouring rows side by side, small workgroups: nothing is shared, and rows spread over more of them.
  return { LANES: lanes, GROUPS: (lanes === 1 && inner === 1 ? 8 : 64) / lanes }
}

export const rmsnorm = defineKernel<LoopSize & { epsilon: number; hasResidual: boolean }>({
  name: 'rmsnorm',
  source: forward,
  bindings: { x: 'read', residual: 'read', y: 'write', scale: 'write' },
  constants: size => ({ ...threads(size), ROWS: size.rows, WIDTH: size.width, INNER: size.inner, EPSILON: size.epsilon, HAS_RESIDUAL: Number(size.hasResidual) }),
  workgroups: size => grid(divideUp(size.rows, threads(size).GROUPS)),
})

export const rmsnormBackward = defineKernel<LoopSize>({
  name: 'rmsnorm_backward',
  source: backward,
  bindings: { y: 'read', scale: 'read', dy: 'read', ds: 'write' },
  parameters: ({ width }) => ({ width }),
  constants: size => ({ ...threads(size), ROWS: size.rows, INNER: size.inner }),
  workgroups: size => grid(divideUp(size.rows, threads(size).GROUPS)),
})

const THREADS = 256
/** Units of 8 elements that a thread keeps at most. */
const MOST_CHUNKS = 8

/** The tensor in units of 8 elements, and the threads that share a row of them. Not integers where the kernel cannot run. */
function inUnits({ rows, width, inner }: RmsnormSize) {
  const across = inner > 1
  const size = across ? { rows: rows / 8, width, inner: inner / 8 } : { rows, width: width / 8, inner }
  const lanes = powerOfTwo(across ? size.width / 4 : size.width, 32)
  return { size, values: { LANES: lanes, CHUNKS: divideUp(size.width, lanes), ACROSS: across }, groups: THREADS / lanes }
}

/** Whether rows consist of whole units and fit into registers: up to 2048 elements of the last axis, up to 256 of the one before. */
export function fitsRegisters(size: RmsnormSize): boolean {
  const { size: { width, inner }, values } = inUnits(size)
  return Number.isInteger(width) && Number.isInteger(inner) && values.CHUNKS <= MOST_CHUNKS
}

const inRegisters: Pick<Kernel<RmsnormSize>, 'source' | 'parameters' | 'workgroups'> = {
  source: size => fill(registers, inUnits(size).values),
  parameters: size => inUnits(size).size,
  workgroups: size => {
    const { size: { rows }, groups } = inUnits(size)
    return grid(divideUp(rows, groups))
  },
}

export const rmsnormRegisters = defineKernel<RmsnormSize & { epsilon: number; hasResidual: boolean }>({
  name: 'rmsnorm_registers',
  bindings: { x: 'read', residual: 'read', y: 'write', scale: 'write' },
  ...inRegisters,
  constants: ({ epsilon, hasResidual }) => ({ BACKWARD: 0, HAS_RESIDUAL: Number(hasResidual), EPSILON: epsilon }),
})

export const rmsnormRegistersBackward = defineKernel<RmsnormSize>({
  name: 'rmsnorm_registers_backward',
  bindings: { y: 'read', dy: 'read', ds: 'write', scale: 'write' },
  ...inRegisters,
  constants: () => ({ BACKWARD: 1, HAS_RESIDUAL: 0, EPSILON: 0 }),
})
