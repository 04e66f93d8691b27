// Adaptive computation time on the GPU: restarting halted slots with new data, and deciding which slots halt.
import targetSource from '../../shaders/continue_target.wgsl'
import haltSource from '../../shaders/halt.wgsl'
import resetSource from '../../shaders/reset_state.wgsl'
import swapSource from '../../shaders/swap_data.wgsl'
import { defineKernel, divideUp, fill, grid } from './kernel.js'

const THREADS = 64

/** Sums that `halt` adds to `metrics`, in this order; the first five over slots that halted and have labels. */
export const METRICS = [
  'count',
  'accuracy',
  'exactAccuracy',
  'qHaltAccuracy',
  'steps',
  'lmLoss',
  'qHaltLoss',
  'qContinueLoss',
] as const

export const resetState = defineKernel<{ slots: number; length: number; width: number }>({
  name: 'reset_state',
  source: resetSource,
  bindings: { halted: 'read', start: 'read', state: 'write' },
  constants: ({ slots, length, width }) => ({ THREADS, COUNT: slots * length * width, LENGTH: length, WIDTH: width }),
  workgroups: ({ slots, length, width }) => grid(divideUp(slots * length * width, THREADS)),
})

export const swapData = defineKernel<{ slots: number; cells: number }>({
  name: 'swap_data',
  source: swapSource,
  bindings: { halted: 'read', offered: 'read', inputs: 'write', labels: 'write', puzzleIds: 'write', steps: 'write' },
  constants: ({ slots, cells }) => ({ THREADS, COUNT: slots * cells, CELLS: cells }),
  workgroups: ({ slots, cells }) => grid(divideUp(slots * cells, THREADS)),
})

export interface HaltSize {
  slots: number
  maxSteps: number
  /** Probability that a slot must go on for a random number of steps. */
  exploration: number
  training: boolean
  /** Halts when q_halt is above q_continue, not above 0. */
  aboveContinue: boolean
}

/** Targets of q_continue (slots) from the q of the next supervision step (slots, 2). */
export const continueTarget = defineKernel<{ slots: number; maxSteps: number }>({
  name: 'continue_target',
  source: targetSource,
  bindings: { nextQ: 'read', steps: 'read', targets: 'write' },
  constants: ({ slots, maxSteps }) => ({ THREADS, SLOTS: slots, MAX_STEPS: maxSteps }),
  workgroups: ({ slots }) => grid(divideUp(slots, THREADS)),
})

export const halt = defineKernel<HaltSize>({
  name: 'halt',
  source: () => fill(haltSource, {}),
  bindings: {
    q: 'read',
    results: 'read',
    clock: 'read',
    numbers: 'read',
    steps: 'write',
    halted: 'write',
    metrics: 'write',
  },
  constants: ({ slots, maxSteps, exploration, training, aboveContinue }) => ({
    THREADS,
    SLOTS: slots,
    MAX_STEPS: maxSteps,
    EXPLORATION: exploration,
    TRAINING: Number(training),
    ABOVE_CONTINUE: Number(aboveContinue),
  }),
  workgroups: () => [1, 1, 1],
})
