// The settings of a training run under the published code's names: defaults, presets, overrides, and what they mean here.
import type { DatasetMetadata } from '../../data/dataset.js'
import { isRecord } from '../../formats/json.js'
import { shown } from '../../formats/shown.js'
import { isNumber, type TrmConfig } from '../config.js'
import { checkClass, configFromOfficial, officialField } from './names.js'
import type { AskedPrecision } from '../model.js'
import type { TrainOptions } from '../training/train.js'
import { isRising, type Stage } from '../training/options.js'

/** A run's settings as in the official YAML: training fields at the top, the model's under `arch`. */
export interface RunSettings {
  [name: string]: unknown
  arch: Record<string, unknown>
}

/** The published defaults (config/cfg_pretrain.yaml), and this project's own fields with theirs (null: follows from others). */
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

/** Official fields that say nothing about the computation. */
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

/** The fields of the model among settings, under `arch` or, as those of the data, at the top; and the names at the top that are others. */
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
 * @throws on an unknown field, and on one of another type, out of range or unfit for the others, whether it counts or not
 */
export function resolveRun(given: Partial<RunSettings>, metadata: DatasetMetadata): RunConfig {
  const settings = mergeSettings(RUN_DEFAULTS, given)
  for (const name of Object.keys(settings)) {
    if (!Object.hasOwn(RUN_DEFAULTS, name) && !SILENT.includes(name)) {
      throw new Error(
        `config: unknown field ${shown(name)}, expected one of ${Object.keys(RUN_DEFAULTS).join(', ')} — fields of the model stand under arch, e.g. arch.L_cycles`,
      )
    }
  }
  const refuse = (name: string, value: unknown, expected: string): never => {
    throw new Error(`config: ${name} is ${shown(value)}, expected ${expected}`)
  }
  const number = (name: string, least: number, most = Number.MAX_SAFE_INTEGER, fraction = false): number => {
    const value = settings[name]
    const range = `of at least ${least}${most < Number.MAX_SAFE_INTEGER ? ` and at most ${most}` : ''}`
    return isNumber(value, least, most, fraction)
      ? value
      : refuse(name, value, `a ${fraction ? '' : 'whole '}number ${range}`)
  }
  /** Null means that it follows from others. */
  const optional = (name: string) => (settings[name] === null ? undefined : number(name, 1))
  const flag = (name: string): boolean => {
    const value = settings[name]
    return typeof value === 'boolean' ? value : refuse(name, value, 'true or false')
  }
  const one = <T extends string>(name: string, value: unknown, names: readonly T[]): T =>
    names.find(known => known === value) ?? refuse(name, value, names.join(', '))
  const { load_checkpoint: path } = settings
  if (path !== null && typeof path !== 'string') refuse('load_checkpoint', path, 'the path of a checkpoint')
  const from = (path as string | null) ?? undefined
  if (!isRecord(settings.arch)) throw new Error(archHint(settings.arch))
  const { loss, forward_dtype: forwardDtype = 'float32', ...arch } = settings.arch
  const dtypes = Object.keys(FORWARD_DTYPES) as (keyof typeof FORWARD_DTYPES)[]
  const dtype = FORWARD_DTYPES[one('arch.forward_dtype', forwardDtype, dtypes)]
  const { loss_type: lossType, name: lossName = LOSS, ...others } = isRecord(loss) ? loss : {}
  one('arch.loss.loss_type', lossType, ['stablemax_cross_entropy', 'softmax_cross_entropy'])
  if (!/^(?:models\.)?losses[@:]ACTLossHead$/.test(String(lossName))) refuse('arch.loss.name', lossName, LOSS)
  for (const name of Object.keys(others))
    refuse(`arch.loss.${name}`, others[name], 'loss_type and name alone under arch.loss')
  const optimizer = one('optimizer', settings.optimizer, ['atan2', 'adamw'])
  const { vocabulary, cells, puzzles } = metadata
  const data = { vocab_size: vocabulary, seq_len: cells, num_puzzle_identifiers: puzzles }
  for (const [name, value] of Object.entries(data)) {
    if (name in arch && arch[name] !== value)
      refuse(`arch.${name}`, arch[name], `what the data says, ${value} — leave it out`)
  }
  const config = configFromOfficial({ ...arch, ...data }, 'arch.')
  if (arch.name !== undefined) checkClass(arch.name)
  const curriculum = curriculumOf(settings.depth_curriculum)
  for (const { cycles, latentSteps } of curriculum) {
    const stage = configFromOfficial(
      { ...arch, ...data, H_cycles: cycles, L_cycles: latentSteps },
      'depth_curriculum: ',
    )
    const depth = `none, as this architecture has one depth, ${stage.cycles} × ${stage.latentSteps}`
    if (stage.cycles !== cycles || stage.latentSteps !== latentSteps)
      refuse('depth_curriculum', settings.depth_curriculum, depth)
  }
  const ends = curriculum.map(({ until }) => until)
  if (ends.some((end, i) => !(end > (ends[i - 1] ?? 0) && end <= 1))) {
    const stages = `the stages of the curriculum end at ${ends.join(', ')} of the steps`
    throw new Error(`config: depth_curriculum: ${stages}, expected rising shares of up to 1`)
  }
  const freezeNetwork = flag('freeze_weights')
  if (freezeNetwork && config.puzzleWidth === 0) {
    const nothing = 'freeze_weights leaves nothing to train in a model without puzzle embeddings'
    throw new Error(`config: ${nothing} — give it an arch.puzzle_emb_ndim`)
  }
  const batchSize = number('global_batch_size', 1)
  const stepsOf = (epochs: number) =>
    Math.max(1, Math.floor((epochs * metadata.totalGroups * metadata.meanPuzzleExamples) / batchSize))
  // Each is checked, whether it counts or not.
  const [epochs, asked, interval] = [number('epochs', 1), optional('steps'), optional('eval_interval')]
  const [ema, emaRate] = [flag('ema'), number('ema_rate', 0, 0.9999999, true)]
  const steps = asked ?? stepsOf(epochs)
  // The official interval counts epochs; with `steps` it counts steps.
  const evalInterval = interval === undefined ? steps : asked === undefined ? stepsOf(interval) : interval
  const checkpointInterval = optional('checkpoint_interval') ?? evalInterval
  return {
    config,
    options: {
      batchSize,
      microBatch: optional('micro_batch'),
      memoryLimit: settings.memory_limit === null ? undefined : parseBytes(settings.memory_limit),
      recompute: flag('recompute'),
      steps,
      learningRate: number('lr', 0, 10, true),
      minLearningRateRatio: number('lr_min_ratio', 0, 1, true),
      warmupSteps: number('lr_warmup_steps', 0),
      beta1: number('beta1', 0, 0.99999, true),
      beta2: number('beta2', 0, 0.99999, true),
      weightDecay: number('weight_decay', 0, 100, true),
      puzzleLearningRate: number('puzzle_emb_lr', 0, 10, true),
      puzzleWeightDecay: number('puzzle_emb_weight_decay', 0, 100, true),
      emaRate: ema ? emaRate : 0,
      optimizer,
      loss: lossType === 'stablemax_cross_entropy' ? 'stablemax' : 'softmax',
      clipNorm: number('gradient_clip', 0, 1e30, true),
      curriculum,
      freezeNetwork,
      seed: number('seed', 0, 2 ** 32 - 1),
      logInterval: number('log_interval', 1),
      epochsPerPass: asked === undefined ? interval : undefined,
    },
    dtype,
    from,
    evalInterval,
    checkpointInterval,
    settings,
  }
}

/** What is said where `arch` is not fields. */
export function archHint(given: unknown): string {
  const remedy = 'a group is chosen by defaults: [arch: NAME], or by arch=NAME on the command line'
  return `config: arch is ${shown(given)}, expected fields of the model — ${remedy}`
}

/** Stages as [share of the steps, H_cycles, L_cycles] each; "cgar" is the paper's. */
function curriculumOf(given: unknown): Stage[] {
  const rows =
    given === 'cgar'
      ? [
          [0.3, 1, 2],
          [0.6, 2, 4],
        ]
      : (given ?? [])
  if (
    !Array.isArray(rows) ||
    !rows.every(row => Array.isArray(row) && row.length === 3 && row.every(Number.isFinite))
  ) {
    throw new Error(
      `config: depth_curriculum is ${shown(given)}, expected cgar or a list of [share of the steps, H_cycles, L_cycles], e.g. [[0.3, 1, 2], [0.6, 2, 4]]`,
    )
  }
  return rows.map(([until, cycles, latentSteps]) => ({ until, cycles, latentSteps }))
}

/** A number of bytes, or one with a unit of a thousand, a million or a thousand millions: 500MB, 1.5GB. */
export function parseBytes(given: unknown): number {
  const [, digits, unit] = /^(\d+(?:\.\d+)?) *([kMG]?)B?$/i.exec(String(given)) ?? []
  const bytes = Number(digits) * 1000 ** ['', 'K', 'M', 'G'].indexOf(unit?.toUpperCase())
  if (!(bytes >= 1))
    throw new Error(`config: memory_limit is ${shown(given)}, expected bytes as in 2000000000, 500MB or 2GB`)
  return bytes
}
