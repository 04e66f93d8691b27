// Root-mean-square normalisation of x + residual, over the last axis or over the one before it, forward and backward.
import forward from '../../shaders/rmsnorm.wgsl'
import backward from '../../shaders/rmsnorm_backward.wgsl'
import registers from '../../shaders/rmsnorm_registers.wgsl'
import registersBackward from '../../shaders/rmsnorm_registers_backward.wgsl'
import wordsHalf from '../../shaders/words_f16.shared.wgsl'
import words from '../../shaders/words_f32.shared.wgsl'
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

export interface RegistersSize extends RmsnormSize {
  /** All tensors but the scales are float16; otherwise all are float32. */
  half: boolean
}

const THREADS = 256
/** Words of 16 bytes that a thread keeps at most. */
const MOST_CHUNKS = 8

/** The tensor in words of 16 bytes, and the threads that share a row of them. Fractions where the kernel cannot run. */
function inWords({ rows, width, inner, half }: RegistersSize) {
  const perWord = half ? 8 : 4
  const across = inner > 1
  const size = across ? { rows: rows / perWord, width, inner: inner / perWord } : { rows, width: width / perWord, inner }
  const lanes = powerOfTwo(across ? size.width / MOST_CHUNKS : size.width, 32)
  return { size, values: { LANES: lanes, CHUNKS: divideUp(size.width, lanes), ACROSS: across }, groups: THREADS / lanes }
}

/**
 * Whether rows consist of words of 16 bytes and fit into registers.
 * Of the last axis up to 1024 float32 or 2048 float16 fit, of the one before up to 256.
 */
export function fitsRegisters(size: RegistersSize): boolean {
  const { size: { width, inner }, values } = inWords(size)
  return Number.isInteger(width) && Number.isInteger(inner) && values.CHUNKS <= MOST_CHUNKS
}

const inRegisters = (
  text: string,
): Pick<Kernel<RegistersSize>, 'source' | 'parameters' | 'constants' | 'workgroups'> => {
  const texts = [words + text, wordsHalf + text]
  return {
    source: size => fill(texts[Number(size.half)], inWords(size).values),
    parameters: size => inWords(size).size,
    constants: () => ({}),
    workgroups: size => {
      const { size: { rows }, groups } = inWords(size)
      return grid(divideUp(rows, groups))
    },
  }
}

export const rmsnormRegisters = defineKernel<RegistersSize & { epsilon: number; hasResidual: boolean }>({
  name: 'rmsnorm_registers',
  bindings: { x: 'read', residual: 'read', y: 'write', scale: 'write' },
  ...inRegisters(registers),
  constants: ({ epsilon, hasResidual }) => ({ EPSILON: epsilon, HAS_RESIDUAL: Number(hasResidual) }),
})

export const rmsnormRegistersBackward = defineKernel<RegistersSize>({
  name: 'rmsnorm_registers_backward',
  bindings: { y: 'read', scale: 'read', dy: 'read', ds: 'write' },
  ...inRegisters(registersBackward),
})
