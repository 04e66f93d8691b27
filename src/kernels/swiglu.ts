// The gated activation silu(gate) · up over rows of [gate | up], forward and backward.
import forward from '../../shaders/swiglu.wgsl'
import backward from '../../shaders/swiglu_backward.wgsl'
import { defineKernel, elementwise, type Kernel } from './kernel.js'

export interface SwigluSize {
  rows: number
  /** Length of the gate half of a row. */
  inner: number
}

const plan = ({ rows, inner }: SwigluSize) => elementwise({ COUNT: rows * inner, INNER: inner })
const shape: Pick<Kernel<SwigluSize>, 'constants' | 'lines' | 'workgroups'> = {
  constants: size => plan(size).constants,
  lines: size => plan(size).lines,
  workgroups: size => plan(size).workgroups,
}

export const swiglu = defineKernel<SwigluSize>({ name: 'swiglu', source: forward, bindings: { x: 'read', y: 'write' }, ...shape })

export const swigluBackward = defineKernel<SwigluSize>({ name: 'swiglu_backward', source: backward, bindings: { x: 'read', dy: 'read', dx: 'write' }, ...shape })
