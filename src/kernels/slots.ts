// Adaptive computation time on the GPU: decide which slots halt, and restart these with new data.
import targetSource from '../../shaders/continue_target.wgsl'
import haltSource from '../../shaders/halt.wgsl'
import resetSource from '../../shaders/reset_state.wgsl'
import swapSource from '../../shaders/swap_data.wgsl'
import { defineKernel, divideUp, fill, grid } from './kernel.js'

const THREADS = 64

/** Sums that `halt` adds to `metrics`, in this order. The first five run over the slots that halted and have labels. */
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

/** Sets the state of halted slots to `start`. */
export const resetState = defineKernel<{ slots: number; length: number; width: number }>({
  name: 'reset_state',
  source: resetSource,
  bindings: { halted: 'read', start: 'read', state: 'write' },
  constants: ({ slots, length, width }) => ({ THREADS, COUNT: slots * length * width, LENGTH: length, WIDTH: width }),
  workgroups: ({ slots, length, width }) => grid(divideUp(slots * length * width, THREADS)),
})

/** Gives halted slots their rows of the new batch. */
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
  /** Probability that a slot must not halt before a random number of steps. */
  exploration: number
  training: boolean
  /** A slot halts if q_halt > q_continue, instead of q_halt > 0. */
  aboveContinue: boolean
}

/** Targets of q_continue, shape (slots), from the Q values of the next supervision step, shape (slots, 2). */
export const continueTarget = defineKernel<{ slots: number; maxSteps: number }>({
  name: 'continue_target',
  source: targetSource,
  bindings: { nextQ: 'read', steps: 'read', targets: 'write' },
  constants: ({ slots, maxSteps }) => ({ THREADS, SLOTS: slots, MAX_STEPS: maxSteps }),
  workgroups: ({ slots }) => grid(divideUp(slots, THREADS)),
})

/** Counts steps, decides which slots halt, and adds to the metrics; see the shader. */
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
