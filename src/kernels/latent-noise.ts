// Gaussian noise on a state of the carry. It depends on puzzle, rollout and step, not on the slot.
import source from '../../shaders/latent_noise.wgsl'
import { defineKernel, divideUp, grid } from './kernel.js'

const THREADS = 64

/** The four numbers of the key of a slot, u32, in this order. */
export const NOISE_KEY = ['seed', 'puzzle', 'rollout', 'step'] as const

export interface LatentNoiseSize {
  slots: number
  /** Elements of the state of a slot: positions × width. */
  perSlot: number
  /** Standard deviation of the noise. */
  sigma: number
  /** Number of the state, if several states of a slot get noise. */
  stream: number
}

/** Adds noise to `state` (slots, …); `keys` is u32 (slots, 4). */
export const latentNoise = defineKernel<LatentNoiseSize>({
  name: 'latent_noise',
  source,
  bindings: { keys: 'read', state: 'write' },
  constants: ({ slots, perSlot, sigma, stream }) => ({
    THREADS,
    COUNT: slots * perSlot,
    PER_SLOT: perSlot,
    STREAM: stream,
    SIGMA: sigma,
  }),
  workgroups: ({ slots, perSlot }) => grid(divideUp(slots * perSlot, THREADS)),
})
