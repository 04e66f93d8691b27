// trm train: trains a model on a dataset directory, and leaves config, metrics and checkpoints.
import type { Examples } from '../data/dataset.js'
import { named } from '../formats/recognise.js'
import { isTorch } from '../formats/torch.js'
import type { Checkpoint } from '../trm/published/checkpoint.js'
import { configToOfficial } from '../trm/published/names.js'
import { mergeSettings, presets, resolveRun, type RunConfig, type RunSettings } from '../trm/published/settings.js'
import { readTraining, type TrainingState } from '../trm/training/resume.js'
import { adapterOptions, openEngine } from './adapter.js'
import { type OptionValues, parseArguments, UsageError } from './arguments.js'
import { checkpointBytes, keyOption, openCheckpoint, readAnyCheckpoint } from './checkpoint.js'
import { closeSplit, openSplit, openTestSplit, readGridTasks, sharedIdentifiers, trainingPaths } from './datasets.js'
import { withoutEffect } from './fields.js'
import { makeDirectory, readBytes } from './files.js'
import { Progress } from './progress.js'
import { checkResumable } from './resumable.js'
import { configFile, stateFile } from './run-directory.js'
import { runTraining } from './run-training.js'
import { giveSettings, groupList, presetList } from './settings.js'
import { useKeptVariants, variantsOption } from './tuning.js'

const usage = {
  command: 'trm train',
  summary: 'Train a Tiny Recursive Model on a dataset directory.',
  options: {
    data: {
      type: 'strings',
      placeholder: 'DIR',
      description:
        'dataset directory, as "trm data" or the published builders write it; data_paths=[DIR,…] does the same',
    },
    out: {
      type: 'string',
      required: true,
      placeholder: 'RUN',
      description:
        'directory for config.yaml, metrics.jsonl, model.safetensors, best.safetensors and training.safetensors',
    },
    config: {
      type: 'string',
      placeholder: 'PRESET|F.yaml',
      description: `a preset (${Object.keys(presets).join(', ')}) or a YAML file with official field names`,
      otherwise: 'small; with --from, the shape of the checkpoint; with --resume, the settings of the run',
    },
    from: {
      type: 'string',
      placeholder: 'F',
      description:
        'checkpoint whose values to begin with (safetensors or .pt); ' +
        'for another number of puzzle ids its embedding table is filled with the mean row',
    },
    key: keyOption,
    resume: { type: 'boolean', description: 'go on, bit for bit, where the run in --out was left' },
    keep: {
      type: 'number',
      min: 0,
      default: 0,
      description: 'also keep the last N checkpoints, as model-STEP.safetensors',
    },
    steps: { type: 'number', min: 1, description: 'optimiser steps', otherwise: 'those of the config' },
    seed: {
      type: 'number',
      min: 0,
      max: 2 ** 32 - 1,
      description: 'seed of initial values, data order and halting exploration',
    },
    'eval-limit': { type: 'number', min: 1, default: 500, description: 'test examples per evaluation' },
    'memory-limit': {
      type: 'string',
      placeholder: 'SIZE',
      description:
        'GPU memory that the training may take, e.g. 2GB: micro-batches are made to fit, ' +
        'and a micro_batch that does not fit is refused',
      otherwise: 'only the largest binding limits them',
    },
    json: { type: 'boolean', description: 'print one line of JSON per report instead of progress' },
    variants: variantsOption,
    ...adapterOptions,
  },
  positionals: ['[KEY=VALUE…]'],
  notes: `KEY=VALUE overrides a field of the config by its official name:
  arch.L_cycles=4 global_batch_size=64 lr=1e-4 ema=True
Further fields:
  optimizer=adamw                                   AdamW in place of AdamATan2
  arch.loss.loss_type=softmax_cross_entropy         the loss of the cells
  gradient_clip=NORM                                clip gradients to this norm (0: do not clip)
  depth_curriculum=cgar                             begin with less depth, or with stages of your own:
  depth_curriculum=[[SHARE,H_cycles,L_cycles],…]    this depth up to that share of the steps
  freeze_weights=True                               train the puzzle embeddings alone
  micro_batch=N                                     compute N slots at a time
  recompute=True                                    store less for the gradients and compute it again:
                                                    the same bits in less memory and more time
  arch.forward_dtype=float32|float16|bfloat16       how activations are stored; float16 comes with loss scaling
WebGPU has no bfloat16, for which the published presets ask. It becomes float16 on GPUs with shader-f16, and float32
elsewhere. config.yaml names what was used.

${groupList}

${presetList}

model.safetensors is the newest model, best.safetensors the one with the highest accuracy on the test split.
training.safetensors holds everything that --resume needs. A run without --resume removes best.safetensors and
training.safetensors of an earlier run in the same directory.

Ctrl-C ends the training at the next report (log_interval) and leaves whole checkpoints.`,
} as const

type Values = OptionValues<typeof usage.options>

export const trainCommand = {
  name: 'train',
  summary: 'train a model on a dataset directory',
  async run(args: string[]): Promise<void> {
    const parsed = parseArguments(args, usage)
    if (!parsed) return
    const { values } = parsed
    const { out, json, keep, 'eval-limit': evalLimit } = values
    const { run, train, test, state, start, described, notes } = await readInputs(values, parsed.positionals)
    for (const note of notes) (json ? console.error : console.log)(note)
    const takeBack = await makeDirectory(out)
    const engine = await openEngine(values).catch(async error => {
      await takeBack()
      throw error
    })
    try {
      // A resumed run goes on with the kernels that it began with.
      if (values.variants === 'measured' && !state) {
        const progress = new Progress(json ? false : undefined)
        await useKeptVariants(engine, () => openEngine(values), run, progress, json)
      }
      const output = { out, evalLimit, json, keep, resume: state, start, described }
      await runTraining(engine, run, { train, test }, output)
    } finally {
      engine.close()
      // Nothing stays of a run that was refused.
      await takeBack()
      for (const split of [train, test]) await closeSplit(split)
    }
  },
}

interface Inputs {
  run: RunConfig
  train: Examples
  test: Examples | undefined
  /** The state that a resumed run goes on from. */
  state: TrainingState | undefined
  /** The checkpoint whose values a new run begins with. */
  start: Checkpoint | undefined
  /** Metadata for the checkpoints. */
  described: Record<string, string> | undefined
  /** Sentences for the user: where settings come from, what has no effect. */
  notes: string[]
}

/** Reads all that the command line names, and checks that it fits together, before anything is opened or written. */
async function readInputs(values: Values, pairs: readonly string[]): Promise<Inputs> {
  const { data, out, resume, from, key } = values
  if (from !== undefined && resume)
    throw new UsageError(
      `${usage.command}: --from begins a run, --resume goes on with one: expected one of them, got both`,
    )
  const state = resume ? await readState(stateFile(out)) : undefined
  const { settings, notes } = await settingsOf(values, pairs)
  const given = withOptions(settings, values)
  const paths = trainingPaths(data, given, usage.command)
  const directories = [...paths.train, ...(paths.test ?? [])]
  notes.push(...(await sharedIdentifiers(directories)))
  const train = await openSplit(paths.train, 'train')
  const test = await openTestSplit(paths, notes)
  const run = resolveRun(given, train.metadata)
  if (state) checkResumable(state, run)
  const grids = await readGridTasks(directories)
  const described = grids && { grids: JSON.stringify(grids) }
  const start =
    run.from !== undefined && !state ? await readAnyCheckpoint(run.from, { key, config: run.config }) : undefined
  notes.push(...withoutEffect(settings, run.config))
  return { run, train, test, state, start, described, notes }
}

/** The settings that the config, KEY=VALUE and --steps give. */
async function settingsOf(
  { data, out, config, resume, from, key, steps }: Values,
  pairs: readonly string[],
): Promise<{ settings: RunSettings; notes: string[] }> {
  return giveSettings({
    command: usage.command,
    config: config ?? (resume ? configFile(out) : undefined),
    namesData: data.length > 0,
    pairs: [...pairs, ...(steps === undefined ? [] : [`steps=${steps}`])],
    preset: 'small',
    shape: from !== undefined && config === undefined ? await shapeOf(from, key) : undefined,
  })
}

/** Settings with the fields that options give. */
function withOptions(settings: RunSettings, { from, seed, 'memory-limit': memoryLimit }: Values): RunSettings {
  return mergeSettings(settings, {
    ...(from === undefined ? {} : { load_checkpoint: from }),
    ...(seed === undefined ? {} : { seed }),
    ...(memoryLimit === undefined ? {} : { memory_limit: memoryLimit }),
  })
}

async function readState(file: string): Promise<TrainingState> {
  const bytes = await readBytes(file, 'resume')
  return named(bytes, file, 'a state of a training: a safetensors file', () => readTraining(bytes, file))
}

/** The settings of a checkpoint's model, without what the data decides. */
async function shapeOf(checkpoint: string, key?: string): Promise<Partial<RunSettings>> {
  const bytes = await checkpointBytes(checkpoint)
  if (isTorch(bytes)) {
    const expected = 'a .pt file holds no configuration, expected --config PRESET|F.yaml with it'
    throw new UsageError(`${usage.command}: --from ${checkpoint}: ${expected}`)
  }
  const { config } = await openCheckpoint(checkpoint, key)
  const { vocab_size: _, seq_len: __, num_puzzle_identifiers: ___, ...arch } = configToOfficial(config)
  return { arch }
}
