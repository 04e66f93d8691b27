// The gated activation silu(gate) · up over rows of [gate | up], forward and backward.
import forward from '../../shaders/swiglu.wgsl'
import backward from '../../shaders/swiglu_backward.wgsl'
import { defineKernel, divideUp, grid } from './kernel.js'

const THREADS = 64

export interface SwigluSize {
  rows: number
  /** Length of the gate half of a row. */
  inner: number
}

const constants = ({ rows, inner }: SwigluSize) => ({ THREADS, COUNT: rows * inner, INNER: inner })
const workgroups = ({ rows, inner }: SwigluSize) => grid(divideUp(rows * inner, THREADS))

export const swiglu = defineKernel<SwigluSize>({ name: 'swiglu', source: forward, bindings: { x: 'read', y: 'write' }, constants, workgroups })

export const swigluBackward = defineKernel<SwigluSize>({
  name: 'swiglu_backward',
  source: backward,
  bindings: { x: 'read', dy: 'read', dx: 'write' },
  constants,
  workgroups,
})
