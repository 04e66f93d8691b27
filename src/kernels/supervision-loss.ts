// Loss, gradient of the logits, predictions and per-slot results of one supervision step, in one dispatch.
import source from '../../shaders/supervision_loss.wgsl'
import { defineKernel, grid, powerOfTwo } from './kernel.js'

/** Numbers per slot in `results`, in this order. */
export const SLOT_RESULTS = ['lmLoss', 'qHaltLoss', 'labelled', 'accuracy', 'exact', 'qHaltCorrect'] as const

export interface SupervisionLossSize {
  batch: number
  cells: number
  prefix: number
  vocabulary: number
  /** Stablemax cross-entropy; softmax cross-entropy otherwise. */
  stablemax: boolean
  /** Factor of the gradients: 1 / (slots of the whole batch). */
  scale: number
}

export const supervisionLoss = defineKernel<SupervisionLossSize>({
  name: 'supervision_loss',
  source,
  bindings: { logits: 'read', q: 'read', labels: 'read', dLogits: 'write', dQ: 'write', predictions: 'write', results: 'write' },
  constants: ({ batch, cells, prefix, vocabulary, stablemax, scale }) => ({
    THREADS: powerOfTwo(cells, 128),
    SLOTS: batch,
    CELLS: cells,
    PREFIX: prefix,
    VOCABULARY: vocabulary,
    STABLEMAX: Number(stablemax),
    SCALE: scale,
  }),
  workgroups: ({ batch }) => grid(batch),
})
