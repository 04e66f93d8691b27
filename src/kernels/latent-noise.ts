// Gaussian noise on a state of the carry, from counters: the same for a puzzle, rollout and step wherever its slot lies.
import source from '../../shaders/latent_noise.wgsl'
import { defineKernel, divideUp, grid } from './kernel.js'

const THREADS = 64

/** Numbers of a slot's key, u32, in this order. */
export const NOISE_KEY = ['seed', 'puzzle', 'rollout', 'step'] as const

export interface LatentNoiseSize {
  slots: number
  /** Elements of a slot's state: positions × width. */
  perSlot: number
  /** Standard deviation. */
  sigma: number
  /** Number of the state, where several of one slot get noise. */
  stream: number
}

/** Adds to `state` (slots, …); `keys` is u32 (slots, 4). */
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
