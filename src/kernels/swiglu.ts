// The gated activation silu(gate) · up of rows [gate | up], with its derivative.
import forward from '../../shaders/swiglu.wgsl'
import backward from '../../shaders/swiglu_backward.wgsl'
import { defineKernel, elementwise, fill, type Kernel } from './kernel.js'

export interface SwigluSize {
  rows: number
  /** Length of gate, half of a row. */
  half: number
}

const plan = ({ rows, half }: SwigluSize) => elementwise({ COUNT: rows * half, HALF: half })
const shape: Pick<Kernel<SwigluSize>, 'constants' | 'workgroups'> = {
  constants: size => plan(size).constants,
  workgroups: size => plan(size).workgroups,
}

export const swiglu = defineKernel<SwigluSize>({
  name: 'swiglu',
  source: size => fill(forward, plan(size).values),
  bindings: { x: 'read', y: 'write' },
  ...shape,
})

export const swigluBackward = defineKernel<SwigluSize>({
  name: 'swiglu_backward',
  source: size => fill(backward, plan(size).values),
  bindings: { x: 'read', dy: 'read', dx: 'write' },
  ...shape,
})
