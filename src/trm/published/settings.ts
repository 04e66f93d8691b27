// Settings of a training run by the published code's names: defaults, presets, and what they mean here.
import type { DatasetMetadata } from '../../data/dataset.js'
import { isRecord } from '../../formats/json.js'
import { shown } from '../../formats/shown.js'
import type { TrmConfig } from '../config.js'
import { checkClass, configFromOfficial, officialField } from './names.js'
import { FieldReader, oneOf, refuse } from './read-fields.js'
import type { AskedPrecision } from '../model.js'
import type { TrainOptions } from '../training/train.js'
import { isRising, type Stage } from '../training/options.js'
import type { LossType } from '../slots.js'

/** A run's settings as in the official YAML: training fields at the top, the model's under `arch`. */
export interface RunSettings {
  [name: string]: unknown
  arch: Record<string, unknown>
}

/** The published defaults (config/cfg_pretrain.yaml), and those of this project's own. null: follows from others. */
export const RUN_DEFAULTS: RunSettings = {
  global_batch_size: 768,
  epochs: 100000,
  lr: 1e-4,
  lr_min_ratio: 1.0,
  lr_warmup_steps: 2000,
  beta1: 0.9,
  beta2: 0.95,
  weight_decay: 0.1,
  puzzle_emb_lr: 1e-2,
  puzzle_emb_weight_decay: 0.1,
  seed: 0,
  eval_interval: null,
  ema: false,
  ema_rate: 0.999,
  freeze_weights: false,
  load_checkpoint: null,
  // This project's own:
  steps: null,
  micro_batch: null,
  memory_limit: null,
  recompute: false,
  optimizer: 'atan2',
  gradient_clip: 0,
  depth_curriculum: null,
  log_interval: 10,
  checkpoint_interval: null,
  arch: { loss: { loss_type: 'stablemax_cross_entropy' } },
}

/** Official fields that do not change the computation. */
export const SILENT: readonly string[] = [
  'defaults',
  'hydra',
  'data_path',
  'data_paths',
  'data_paths_test',
  'evaluators',
  'project_name',
  'run_name',
  'checkpoint_path',
  'checkpoint_every_eval',
  'eval_save_outputs',
  'min_eval_interval',
]

/** Settings to start from, by name. The first five are the published runs. */
export const presets: Readonly<Record<string, { about: string; settings: RunSettings }>> = /* @__PURE__ */ allPresets()

// A function, so that programs that use no preset can do without them.
function allPresets(): typeof presets {
  const trmArch = { L_layers: 2, H_cycles: 3, L_cycles: 6, forward_dtype: 'bfloat16' }
  const puzzlePreset = {
    epochs: 50000,
    eval_interval: 5000,
    weight_decay: 1.0,
    puzzle_emb_lr: 1e-4,
    puzzle_emb_weight_decay: 1.0,
    ema: true,
  }
  const arcPreset = { ema: true, arch: { ...trmArch, L_cycles: 4 } }
  const smallPreset = { ema: true, ema_rate: 0.99, lr_warmup_steps: 100, weight_decay: 0.1, puzzle_emb_lr: 1e-3 }
  return {
    'sudoku-mlp': {
      about: 'Sudoku-Extreme as published, token-mixing MLP (87.4 %), 5.0 M parameters',
      settings: { ...puzzlePreset, arch: { ...trmArch, mlp_t: true, pos_encodings: 'none' } },
    },
    'sudoku-attention': {
      about: 'Sudoku-Extreme as published, attention (74.7 %), 6.8 M parameters',
      settings: { ...puzzlePreset, arch: trmArch },
    },
    maze: {
      about: 'Maze-Hard as published (85.3 %)',
      settings: { ...puzzlePreset, arch: { ...trmArch, L_cycles: 4 } },
    },
    'arc-1': { about: 'ARC-AGI-1 as published (44.6 %)', settings: arcPreset },
    'arc-2': { about: 'ARC-AGI-2 as published (7.8 %)', settings: arcPreset },
    tiny: {
      about: 'Sudoku 4×4 in minutes on two cores: the network of the demo, 76 k parameters',
      settings: {
        ...smallPreset,
        steps: 400,
        global_batch_size: 32,
        lr: 6e-3,
        lr_warmup_steps: 20,
        lr_min_ratio: 0.1,
        eval_interval: 100,
        arch: {
          hidden_size: 32,
          num_heads: 2,
          expansion: 1,
          H_cycles: 1,
          L_cycles: 2,
          halt_max_steps: 4,
          mlp_t: true,
          pos_encodings: 'none',
          puzzle_emb_ndim: 32,
          puzzle_emb_len: 1,
        },
      },
    },
    small: {
      about: 'token-mixing MLP of width 64 for machines without a GPU, e.g. for Sudoku 6×6',
      settings: {
        ...smallPreset,
        steps: 1000,
        global_batch_size: 32,
        lr: 4e-3,
        lr_warmup_steps: 50,
        lr_min_ratio: 0.1,
        eval_interval: 250,
        arch: {
          hidden_size: 64,
          num_heads: 2,
          expansion: 1,
          H_cycles: 1,
          L_cycles: 2,
          halt_max_steps: 8,
          mlp_t: true,
          pos_encodings: 'none',
          puzzle_emb_ndim: 64,
          puzzle_emb_len: 1,
        },
      },
    },
    'small-attention': {
      about: 'attention of width 64 for machines without a GPU',
      settings: {
        ...smallPreset,
        steps: 2000,
        global_batch_size: 16,
        lr: 1e-3,
        eval_interval: 500,
        arch: {
          hidden_size: 64,
          num_heads: 2,
          expansion: 1,
          H_cycles: 2,
          L_cycles: 2,
          halt_max_steps: 4,
          puzzle_emb_ndim: 64,
          puzzle_emb_len: 1,
        },
      },
    },
  }
}

/** Precisions by their official names, the values of `forward_dtype`. */
export const FORWARD_DTYPES = { float32: 'f32', float16: 'f16', bfloat16: 'bf16' } as const satisfies Record<
  string,
  AskedPrecision
>

/** The only loss head, as `arch.loss.name` writes it. */
const LOSS = 'losses@ACTLossHead'
/** The curriculum of the CGAR paper, arXiv 2511.08653. */
const CGAR = [
  [0.3, 1, 2],
  [0.6, 2, 4],
]

/** A run's settings made concrete for a dataset. */
export interface RunConfig {
  config: TrmConfig
  /** How the model is asked to store its activations. */
  dtype: AskedPrecision
  options: TrainOptions & { steps: number; seed: number; logInterval: number }
  /** Path of a checkpoint to begin with instead of random values. */
  from: string | undefined
  /** Steps between two evaluations, and between two checkpoints. */
  evalInterval: number
  checkpointInterval: number
  /** Complete settings, to be written down. */
  settings: RunSettings
}

/** Later settings over earlier ones; `arch` and `arch.loss` field by field. */
export function mergeSettings(...layers: readonly Partial<RunSettings>[]): RunSettings {
  const merge = (into: Record<string, unknown>, from: Record<string, unknown>) => {
    for (const [name, value] of Object.entries(from)) {
      const old = Object.hasOwn(into, name) ? into[name] : undefined
      const merged = isRecord(old) && isRecord(value) ? merge({ ...old }, value) : value
      // A plain assignment to __proto__ would not make a field.
      Object.defineProperty(into, name, { value: merged, enumerable: true, writable: true, configurable: true })
    }
    return into
  }
  return layers.reduce<Record<string, unknown>>((all, layer) => merge(all, layer as Record<string, unknown>), {
    arch: {},
  }) as RunSettings
}

/** Splits settings into the model's fields, under `arch` or at the top, and the names of other fields at the top. */
export function modelFields(settings: Partial<RunSettings>): { fields: Record<string, unknown>; rest: string[] } {
  const { arch, ...top } = mergeSettings(settings)
  const { loss: _loss, ...fields } = arch
  const rest: string[] = []
  for (const [name, value] of Object.entries(top)) {
    if (officialField(name)) fields[name] = value
    else rest.push(name)
  }
  return { fields, rest }
}

/**
 * What settings mean for a dataset: the model's configuration and the training options.
 * @throws on an unknown field, and on a field that has a wrong type, is out of range or does not fit the others
 */
export function resolveRun(given: Partial<RunSettings>, metadata: DatasetMetadata): RunConfig {
  const settings = mergeSettings(RUN_DEFAULTS, given)
  const fields = Object.keys(RUN_DEFAULTS)
  for (const name of Object.keys(settings)) {
    if (fields.includes(name) || SILENT.includes(name)) continue
    const expected = `expected one of ${fields.join(', ')} — fields of the model stand under arch, e.g. arch.L_cycles`
    throw new Error(`config: unknown field ${shown(name)}, ${expected}`)
  }
  const read = new FieldReader(settings)
  const from = read.path('load_checkpoint')
  const { config, arch, dtype, loss } = modelOf(settings, metadata)
  const optimizer = oneOf('optimizer', settings.optimizer, ['atan2', 'adamw'])
  const curriculum = curriculumOf(settings.depth_curriculum, arch)
  const freezeNetwork = read.flag('freeze_weights')
  if (freezeNetwork && config.puzzleWidth === 0) {
    const nothing = 'freeze_weights leaves nothing to train in a model without puzzle embeddings'
    throw new Error(`config: ${nothing} — give it an arch.puzzle_emb_ndim`)
  }
  const batchSize = read.number('global_batch_size', 1)
  const { evalInterval, checkpointInterval, ...length } = runLength(read, batchSize, metadata)
  // The rate is checked where no average is kept, too.
  const [ema, emaRate] = [read.flag('ema'), read.number('ema_rate', 0, 0.9999999, true)]
  return {
    config,
    options: {
      batchSize,
      microBatch: read.optional('micro_batch'),
      memoryLimit: settings.memory_limit === null ? undefined : parseBytes(settings.memory_limit),
      recompute: read.flag('recompute'),
      learningRate: read.number('lr', 0, 10, true),
      minLearningRateRatio: read.number('lr_min_ratio', 0, 1, true),
      warmupSteps: read.number('lr_warmup_steps', 0),
      beta1: read.number('beta1', 0, 0.99999, true),
      beta2: read.number('beta2', 0, 0.99999, true),
      weightDecay: read.number('weight_decay', 0, 100, true),
      puzzleLearningRate: read.number('puzzle_emb_lr', 0, 10, true),
      puzzleWeightDecay: read.number('puzzle_emb_weight_decay', 0, 100, true),
      emaRate: ema ? emaRate : 0,
      optimizer,
      loss,
      clipNorm: read.number('gradient_clip', 0, 1e30, true),
      curriculum,
      freezeNetwork,
      seed: read.number('seed', 0, 2 ** 32 - 1),
      logInterval: read.number('log_interval', 1),
      ...length,
    },
    dtype,
    from,
    evalInterval,
    checkpointInterval,
    settings,
  }
}

/** The fields under `arch`: the model's configuration, how it stores activations, and the loss. */
function modelOf({ arch: given }: RunSettings, { vocabulary, cells, puzzles }: DatasetMetadata) {
  if (!isRecord(given)) throw new Error(archHint(given))
  const { loss, forward_dtype: forwardDtype = 'float32', ...fields } = given
  const dtypes = Object.keys(FORWARD_DTYPES) as (keyof typeof FORWARD_DTYPES)[]
  const dtype = FORWARD_DTYPES[oneOf('arch.forward_dtype', forwardDtype, dtypes)]
  const lossType = lossOf(loss)
  const data = { vocab_size: vocabulary, seq_len: cells, num_puzzle_identifiers: puzzles }
  for (const [name, value] of Object.entries(data)) {
    if (name in fields && fields[name] !== value)
      refuse(`arch.${name}`, fields[name], `what the data says, ${value} — leave it out`)
  }
  const arch = { ...fields, ...data }
  const config = configFromOfficial(arch, 'arch.')
  if (fields.name !== undefined) checkClass(fields.name)
  return { config, arch, dtype, loss: lossType }
}

/** The fields under `arch.loss`. */
function lossOf(given: unknown): LossType {
  const { loss_type: type, name = LOSS, ...others } = isRecord(given) ? given : {}
  const loss = oneOf('arch.loss.loss_type', type, ['stablemax_cross_entropy', 'softmax_cross_entropy'])
  if (!/^(?:models\.)?losses[@:]ACTLossHead$/.test(String(name))) refuse('arch.loss.name', name, LOSS)
  for (const other of Object.keys(others))
    refuse(`arch.loss.${other}`, others[other], 'loss_type and name alone under arch.loss')
  return loss === 'stablemax_cross_entropy' ? 'stablemax' : 'softmax'
}

/** Steps of a run, and between evaluations and checkpoints. Fields without effect are checked too. */
function runLength(read: FieldReader, batchSize: number, { totalGroups, meanPuzzleExamples }: DatasetMetadata) {
  const stepsOf = (epochs: number) => Math.max(1, Math.floor((epochs * totalGroups * meanPuzzleExamples) / batchSize))
  const [epochs, asked, interval] = [read.number('epochs', 1), read.optional('steps'), read.optional('eval_interval')]
  const steps = asked ?? stepsOf(epochs)
  // The official interval counts epochs; with `steps` it counts steps.
  const evalInterval = interval === undefined ? steps : asked === undefined ? stepsOf(interval) : interval
  return {
    steps,
    epochsPerPass: asked === undefined ? interval : undefined,
    evalInterval,
    checkpointInterval: read.optional('checkpoint_interval') ?? evalInterval,
  }
}

/** The message for an `arch` that is no group of fields. */
export function archHint(given: unknown): string {
  const remedy = 'a group is chosen by defaults: [arch: NAME], or by arch=NAME on the command line'
  return `config: arch is ${shown(given)}, expected fields of the model — ${remedy}`
}

/**
 * Stages, given as [share of the steps, H_cycles, L_cycles] each; "cgar" names those of the paper.
 * @param arch the model's fields, for stages that its architecture cannot have
 */
function curriculumOf(given: unknown, arch: Readonly<Record<string, unknown>>): Stage[] {
  const rows = given === 'cgar' ? CGAR : (given ?? [])
  if (
    !Array.isArray(rows) ||
    !rows.every(row => Array.isArray(row) && row.length === 3 && row.every(Number.isFinite))
  ) {
    const example = '[share of the steps, H_cycles, L_cycles], e.g. [[0.3, 1, 2], [0.6, 2, 4]]'
    refuse('depth_curriculum', given, `cgar or a list of ${example}`)
  }
  const stages: Stage[] = rows.map(([until, cycles, latentSteps]) => ({ until, cycles, latentSteps }))
  for (const { cycles, latentSteps } of stages) {
    const depth = configFromOfficial({ ...arch, H_cycles: cycles, L_cycles: latentSteps }, 'depth_curriculum: ')
    if (depth.cycles !== cycles || depth.latentSteps !== latentSteps) {
      const only = `this architecture has one depth, ${depth.cycles} × ${depth.latentSteps}`
      refuse('depth_curriculum', given, `none, as ${only}`)
    }
  }
  const ends = stages.map(({ until }) => until)
  if (!isRising(ends)) {
    const stagesEnd = `the stages of the curriculum end at ${ends.join(', ')} of the steps`
    throw new Error(`config: depth_curriculum: ${stagesEnd}, expected rising shares of up to 1`)
  }
  return stages
}

/** A number of bytes, as is or with a decimal unit: 2000000000, 500MB, 1.5GB. */
export function parseBytes(given: unknown): number {
  const [, digits, unit] = /^(\d+(?:\.\d+)?) *([kMG]?)B?$/i.exec(String(given)) ?? []
  const bytes = Number(digits) * 1000 ** ['', 'K', 'M', 'G'].indexOf(unit?.toUpperCase())
  if (!(bytes >= 1))
    throw new Error(`config: memory_limit is ${shown(given)}, expected bytes as in 2000000000, 500MB or 2GB`)
  return bytes
}
