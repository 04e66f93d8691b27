// Checks that a run's settings are those that its state was left with; messages use the official names of the fields.
import { configToOfficial } from '../trm/published/names.js'
import type { TrainingState } from '../trm/training/resume.js'
import { FORWARD_DTYPES, type RunConfig } from '../trm/published/settings.js'

/** Options that a resumed training must share, with their official fields. */
const FIELDS = {
  batchSize: 'global_batch_size',
  learningRate: 'lr',
  minLearningRateRatio: 'lr_min_ratio',
  warmupSteps: 'lr_warmup_steps',
  beta1: 'beta1',
  beta2: 'beta2',
  weightDecay: 'weight_decay',
  puzzleLearningRate: 'puzzle_emb_lr',
  puzzleWeightDecay: 'puzzle_emb_weight_decay',
  emaRate: 'ema_rate (0 without ema)',
  optimizer: 'optimizer',
  loss: 'arch.loss.loss_type',
  clipNorm: 'gradient_clip',
  curriculum: 'depth_curriculum',
  freezeNetwork: 'freeze_weights',
  seed: 'seed',
} as const satisfies Partial<Record<keyof RunConfig['options'], string>>

const officialDtype = (dtype: RunConfig['dtype']) =>
  Object.entries(FORWARD_DTYPES).find(([, ours]) => ours === dtype)?.[0]

/** @throws where a run's settings differ from its state's, with the first field that does */
export function checkResumable({ name, config, options, dtype = 'f32', sampler }: TrainingState, run: RunConfig): void {
  const compare = (field: string, was: unknown, is: unknown) => {
    if (JSON.stringify(was) === JSON.stringify(is)) return
    const remedy = 'resume with the settings that the run began with, or begin a new one'
    const [theirs, ours] = [was, is].map(value => JSON.stringify(value))
    throw new Error(`${name}: it is of a training with ${field} ${theirs}, this one has ${ours} — ${remedy}`)
  }
  const [theirs, ours] = [configToOfficial(config), configToOfficial(run.config)]
  for (const field of new Set(['name', ...Object.keys(theirs), ...Object.keys(ours)])) {
    compare(`arch.${field}`, theirs[field], ours[field])
  }
  for (const [option, field] of Object.entries(FIELDS)) {
    const key = option as keyof typeof FIELDS
    if (options[key] !== undefined) compare(field, options[key], run.options[key])
  }
  // bfloat16 may mean any precision: the run keeps the one of its state.
  if (run.dtype !== 'bf16') compare('arch.forward_dtype', officialDtype(dtype), officialDtype(run.dtype))
  compare('eval_interval in epochs (1 where steps are counted)', sampler.epochsPerPass, run.options.epochsPerPass ?? 1)
}
