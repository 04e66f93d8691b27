// Copies a part of a tensor with its axes in another order, or puts such a copy back into its place.
import source from '../../shaders/transpose.wgsl'
import { defineKernel, divideUp, grid } from './kernel.js'

const THREADS = 64

/** Of each of four axes. */
export type Four = readonly [number, number, number, number]

export interface TransposeSize {
  /** Sizes of the dense tensor: y, or x with `back`. */
  sizes: Four
  /** In the other tensor: distance of neighbours along the dense tensor's axes, and where the first element lies. */
  strides: Four
  offset: number
  back: boolean
  accumulate: boolean
}

const count = ({ sizes: [a, b, c, d] }: TransposeSize) => a * b * c * d

export const transpose = defineKernel<TransposeSize>({
  name: 'transpose',
  source,
  bindings: { x: 'read', y: 'write' },
  uniforms: ({ offset }) => ({ offset }),
  constants: size => ({
    THREADS,
    COUNT: count(size),
    ...Object.fromEntries(size.sizes.slice(1).map((d, i) => [`SIZE_${i + 1}`, d])),
    ...Object.fromEntries(size.strides.map((d, i) => [`STRIDE_${i}`, d])),
    BACK: Number(size.back),
    ACCUMULATE: Number(size.accumulate),
  }),
  workgroups: size => grid(divideUp(count(size), THREADS)),
})
