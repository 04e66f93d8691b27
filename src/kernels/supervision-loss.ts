// Loss, gradients, predictions and results per slot of one supervision step, in one dispatch.
import source from '../../shaders/supervision_loss.wgsl'
import { defineKernel, grid, powerOfTwo } from './kernel.js'

/** The numbers of a slot in `results`, in this order. */
export const SLOT_RESULTS = [
  'lmLoss',
  'qHaltLoss',
  'labelled',
  'accuracy',
  'exact',
  'qHaltCorrect',
  'qContinueLoss',
] as const

export interface SupervisionLossSize {
  batch: number
  cells: number
  prefix: number
  vocabulary: number
  /** Stablemax cross-entropy instead of softmax cross-entropy. */
  stablemax: boolean
  /** Train q_continue towards `targets`, which is not read otherwise. */
  trainsContinue: boolean
  /** Factor of the gradients: 1 / (number of slots of the whole batch). */
  scale: number
}

const threads = (cells: number) => powerOfTwo(cells, 128)

export const supervisionLoss = defineKernel<SupervisionLossSize>({
  name: 'supervision_loss',
  source,
  bindings: {
    logits: 'read',
    q: 'read',
    labels: 'read',
    targets: 'read',
    dLogits: 'write',
    dQ: 'write',
    predictions: 'write',
    results: 'write',
  },
  uniforms: ({ vocabulary, cells }) => ({ vocabulary, threads: threads(cells) }),
  constants: ({ batch, cells, prefix, stablemax, trainsContinue, scale }) => ({
    THREADS: threads(cells),
    SLOTS: batch,
    CELLS: cells,
    PREFIX: prefix,
    STABLEMAX: Number(stablemax),
    TRAINS_CONTINUE: Number(trainsContinue),
    SCALE: scale,
  }),
  workgroups: ({ batch }) => grid(batch),
})
