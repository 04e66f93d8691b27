// Options of inference for eval and solve: supervision steps, early halting, rollouts with noise.
import type { InferenceOptions } from '../trm/answers/rollouts.js'

export const inferenceOptions = {
  steps: { type: 'number', min: 1, description: 'supervision steps at most', otherwise: 'as many as in training' },
  halt: { type: 'boolean', description: 'end a puzzle as soon as the model is sure of its answer (q_halt > 0)' },
  confidence: {
    type: 'number',
    min: 0,
    max: 1,
    fraction: true,
    default: 0.5,
    placeholder: 'P',
    description: 'with --halt: how sure the model must be, as sigmoid(q_halt), e.g. 0.98',
  },
  rollouts: {
    type: 'number',
    min: 1,
    default: 1,
    placeholder: 'K',
    description: 'solve every puzzle K times with different noise; the rollout with the highest q_halt answers',
  },
  noise: {
    type: 'number',
    min: 0,
    fraction: true,
    default: 0,
    placeholder: 'SIGMA',
    description: 'standard deviation of the noise that each supervision step adds to the latents, e.g. 0.3',
  },
  seed: { type: 'number', min: 0, max: 2 ** 32 - 1, default: 0, description: 'seed of the noise' },
  vote: { type: 'boolean', description: 'take the most frequent answer of the rollouts instead' },
} as const

export const inferenceNotes =
  'Rollouts with noise are those of arXiv 2605.19943 (PTRM); they work with models that were trained without noise.'

/** The values of `inferenceOptions` as the library takes them. */
export function inferenceOf({
  steps,
  halt,
  confidence,
  rollouts,
  noise,
  seed,
  vote,
}: Required<Omit<InferenceOptions, 'steps'>> & { steps: number | undefined }): InferenceOptions {
  return { steps, halt, confidence, rollouts, noise, seed, vote }
}
