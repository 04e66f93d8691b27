// Rotary position embedding of packed rows of queries, keys and values, in place, and its derivative.
import source from '../../shaders/rope.wgsl'
import { defineKernel, divideUp, grid } from './kernel.js'

const THREADS = 64

export interface RopeSize {
  batch: number
  length: number
  heads: number
  headDim: number
  /** −1 rotates back: the derivative. */
  direction: 1 | -1
}

const pairs = ({ batch, length, heads, headDim }: RopeSize) => batch * length * heads * headDim

export const rope = defineKernel<RopeSize>({
  name: 'rope',
  source,
  bindings: { table: 'read', x: 'write' },
  constants: size => ({
    THREADS,
    PAIRS: pairs(size),
    LENGTH: size.length,
    HEADS: size.heads,
    HEAD_DIM: size.headDim,
    DIRECTION: size.direction,
  }),
  workgroups: size => grid(divideUp(pairs(size), THREADS)),
})

/** cos and sin of `position · theta^(−2i / headDim)`, in radians, shape (length, headDim / 2, 2). */
export function ropeTable(length: number, headDim: number, theta: number): Float32Array<ArrayBuffer> {
  const half = headDim / 2
  const table = new Float32Array(length * half * 2)
  for (let position = 0; position < length; position++) {
    for (let i = 0; i < half; i++) {
      // The published code computes frequency and angle in float32.
      const angle = Math.fround(position * Math.fround(1 / Math.fround(theta ** Math.fround((2 * i) / headDim))))
      table[(position * half + i) * 2] = Math.cos(angle)
      table[(position * half + i) * 2 + 1] = Math.sin(angle)
    }
  }
  return table
}
