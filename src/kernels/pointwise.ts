// Formulas that treat every element by itself: products, multiples, activations and their derivatives, by one shader.
import source from '../../shaders/pointwise.wgsl'
import { defineKernel, elementwise, fill } from './kernel.js'

/** The formulas of the shader, by their numbers. */
const FORMULAS = ['mul', 'scale', 'relu', 'relu backward', 'gelu', 'gelu backward'] as const

export interface PointwiseSize {
  formula: (typeof FORMULAS)[number]
  /** Elements of a and y. */
  count: number
  /** Elements of b, repeated over a. */
  countB: number
  /** Of the formula "scale". */
  factor?: number
  accumulate: boolean
}

const plan = ({ count, countB }: PointwiseSize) => elementwise({ COUNT: count, COUNT_B: countB })

export const pointwise = defineKernel<PointwiseSize>({
  name: 'pointwise',
  source: size => fill(source, plan(size).values),
  bindings: { a: 'read', b: 'read', y: 'write' },
  uniforms(size) {
    const { COUNT, PER_THREAD } = plan(size).constants
    return { COUNT, PER_THREAD }
  },
  constants: size => ({
    THREADS: plan(size).constants.THREADS,
    COUNT_B: size.countB === size.count ? 0 : plan(size).constants.COUNT_B,
    FORMULA: FORMULAS.indexOf(size.formula),
    FACTOR: size.factor ?? 1,
    ACCUMULATE: Number(size.accumulate),
  }),
  workgroups: size => plan(size).workgroups,
})
