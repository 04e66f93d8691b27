// Root-mean-square normalisation of x + residual over the last axis or the one before it, with its derivative.
import forward from '../../shaders/rmsnorm.wgsl'
import backward from '../../shaders/rmsnorm_backward.wgsl'
import registers from '../../shaders/rmsnorm_registers.wgsl'
import { defineKernel, divideUp, fill, grid, type Kernel, powerOfTwo } from './kernel.js'

export interface RmsnormSize {
  /** Number of normed rows. */
  rows: number
  /** Length of a row. */
  width: number
  /** Distance in memory between neighbouring elements of a row; 1: the rows lie along the last axis. */
  stride: number
}

export interface LoopSize extends RmsnormSize {
  /** Threads that share a row: a power of two from 1 to 32; see `rowLanes`. */
  lanes: number
}

function threads({ lanes, stride }: LoopSize): { LANES: number; GROUPS: number } {
  // If threads share nothing and rows do not lie side by side, small workgroups spread the rows over more of them.
  return { LANES: lanes, GROUPS: (lanes === 1 && stride === 1 ? 8 : 64) / lanes }
}

export const rmsnorm = defineKernel<LoopSize & { epsilon: number; hasResidual: boolean }>({
  name: 'rmsnorm',
  source: forward,
  bindings: { x: 'read', residual: 'read', y: 'write', rstd: 'write' },
  constants: size => ({
    ...threads(size),
    ROWS: size.rows,
    WIDTH: size.width,
    STRIDE: size.stride,
    EPSILON: size.epsilon,
    HAS_RESIDUAL: Number(size.hasResidual),
  }),
  workgroups: size => grid(divideUp(size.rows, threads(size).GROUPS)),
})

export const rmsnormBackward = defineKernel<LoopSize>({
  name: 'rmsnorm_backward',
  source: backward,
  bindings: { y: 'read', rstd: 'read', dy: 'read', ds: 'write' },
  uniforms: ({ width }) => ({ width }),
  constants: size => ({ ...threads(size), ROWS: size.rows, STRIDE: size.stride }),
  workgroups: size => grid(divideUp(size.rows, threads(size).GROUPS)),
})

const THREADS = 256
/** Elements of a word. */
const WORD = 8
/** The most words of a tensor that a thread keeps in registers. */
const MAX_CHUNKS = 8

/** The tensor in words, and the threads that share a row. Sizes are fractions if the kernel cannot run. */
function inWords({ rows, width, stride }: RmsnormSize, backward = false) {
  const across = stride > 1
  const size = across ? { rows: rows / WORD, width, stride: stride / WORD } : { rows, width: width / WORD, stride }
  // The derivative keeps two tensors, so fewer words of each.
  const lanes = powerOfTwo(across ? width / (backward ? MAX_CHUNKS / 2 : MAX_CHUNKS) : size.width, 32)
  return {
    size,
    values: { LANES: lanes, CHUNKS: divideUp(size.width, lanes), ACROSS: across, BACKWARD: backward },
    groups: THREADS / lanes,
  }
}

/** Whether rows are whole words and fit into registers: up to 2048 elements of the last axis, 256 of the one before. */
export function fitsRegisters(norm: RmsnormSize): boolean {
  const {
    size: { width, stride },
    values,
  } = inWords(norm)
  return Number.isInteger(width) && Number.isInteger(stride) && values.CHUNKS <= MAX_CHUNKS
}

const inRegisters = (backward: boolean): Pick<Kernel<RmsnormSize>, 'source' | 'uniforms' | 'workgroups'> => ({
  source: size => fill(registers, inWords(size, backward).values),
  uniforms: size => inWords(size).size,
  workgroups: size => grid(divideUp(inWords(size).size.rows, inWords(size, backward).groups)),
})

export const rmsnormRegisters = defineKernel<RmsnormSize & { epsilon: number; hasResidual: boolean }>({
  name: 'rmsnorm_registers',
  bindings: { x: 'read', residual: 'read', y: 'write', rstd: 'write' },
  constants: ({ epsilon, hasResidual }) => ({ EPSILON: epsilon, HAS_RESIDUAL: Number(hasResidual) }),
  ...inRegisters(false),
})

export const rmsnormRegistersBackward = defineKernel<RmsnormSize>({
  name: 'rmsnorm_registers_backward',
  bindings: { y: 'read', dy: 'read', ds: 'write', rstd: 'write' },
  constants: () => ({ EPSILON: 0, HAS_RESIDUAL: 1 }),
  ...inRegisters(true),
})
