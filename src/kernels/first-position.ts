// The first position of each sequence, and its derivative.
import source from '../../shaders/first_position.wgsl'
import { defineKernel, divideUp, grid } from './kernel.js'

const THREADS = 64

export interface FirstPositionSize {
  batch: number
  length: number
  width: number
  /** false: the derivative. */
  forward: boolean
  accumulate: boolean
}

const count = ({ batch, length, width, forward }: FirstPositionSize) => batch * (forward ? 1 : length) * width

export const firstPosition = defineKernel<FirstPositionSize>({
  name: 'first_position',
  source,
  bindings: { from: 'read', to: 'write' },
  constants: size => ({
    THREADS,
    COUNT: count(size),
    LENGTH: size.length,
    WIDTH: size.width,
    ACCUMULATE: Number(size.accumulate),
    FORWARD: Number(size.forward),
  }),
  workgroups: size => grid(divideUp(count(size), THREADS)),
})
