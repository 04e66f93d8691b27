// Options of the commands that think longer, halt early or roll out with noise: eval and solve.
import type { InferenceOptions } from '../trm/answers/rollouts.js'

export const thinkingOptions = {
  steps: { type: 'number', min: 1, description: 'supervision steps at most; without it, as many as in training' },
  halt: { type: 'boolean', description: 'a puzzle ends as soon as the model says so (q_halt > 0)' },
  confidence: {
    type: 'number',
    min: 0,
    max: 1,
    fraction: true,
    default: 0.5,
    placeholder: 'P',
    description: 'with --halt: how sure it must be, sigmoid(q_halt), e.g. 0.98',
  },
  rollouts: {
    type: 'number',
    min: 1,
    default: 1,
    placeholder: 'K',
    description: 'think every puzzle through K times, with noise; the rollout with the highest q_halt answers',
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
  vote: { type: 'boolean', description: 'the most frequent answer of the rollouts counts' },
} as const

export const thinkingNotes = 'Rollouts with noise are those of arXiv 2605.19943 (PTRM); they need no other training.'

/** The options of these that were given. */
export function thinkingOf({
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
