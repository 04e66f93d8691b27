// trm train: trains a model on a dataset directory, and leaves config, metrics and a checkpoint.
import { readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Examples } from '../data/dataset.js'
import { named } from '../formats/recognise.js'
import { isTorch } from '../formats/torch.js'
import { type Checkpoint, loadTensors, readCheckpointConfig, saveCheckpoint } from '../trm/published/checkpoint.js'
import { evaluate } from '../trm/answers/evaluate.js'
import { planMemory } from '../trm/training/memory.js'
import { type Precision, precisionOf, Trm } from '../trm/model.js'
import { configToOfficial } from '../trm/published/names.js'
import { readTraining, type TrainingState } from '../trm/training/resume.js'
import { mergeSettings, presets, resolveRun, type RunConfig, type RunSettings } from '../trm/published/settings.js'
import { train, type TrainingReport } from '../trm/training/train.js'
import { DeviceLost, type Engine } from '../engine/index.js'
import { megabytes } from '../formats/human.js'
import { adapterName, adapterOptions, openEngine } from './adapter.js'
import { parseArguments, UsageError } from './arguments.js'
import { keyOption, openCheckpoint, readAnyCheckpoint } from './checkpoint.js'
import { closeSplit, openSplit, openTestSplit, readGridTasks, sharedIdentifiers, trainingPaths } from './datasets.js'
import { withoutEffect } from './fields.js'
import {
  appendWhole,
  makeDirectory,
  readBytes,
  removePartials,
  WriteError,
  writeTogether,
  writeWhole,
} from './files.js'
import { duration, percent, Progress } from './progress.js'
import { checkResumable } from './resumable.js'
import { giveSettings, groupList, presetList } from './settings.js'
import { useKeptVariants, variantsOption } from './tuning.js'
import { writeYaml } from './yaml.js'

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
      description: `a preset (${Object.keys(presets).join(', ')}) or a YAML file with official field names (default small, with --from shaped like the checkpoint; with --resume that of the run)`,
    },
    from: {
      type: 'string',
      placeholder: 'F',
      description:
        'checkpoint whose values to begin with (safetensors or .pt); for another number of puzzle ids its embedding table is refilled with the mean row',
    },
    key: keyOption,
    resume: { type: 'boolean', description: 'go on, bit for bit, where the run in --out was left' },
    keep: {
      type: 'number',
      min: 0,
      default: 0,
      description: 'keep the last N checkpoints besides, as model-STEP.safetensors',
    },
    steps: { type: 'number', min: 1, description: 'optimiser steps; without it, what the config says' },
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
        'GPU memory that the training may take, e.g. 2GB: micro-batches are made to fit, or a micro_batch that does not fit is refused; else only the largest binding limits them',
    },
    json: { type: 'boolean', description: 'print one line of JSON per report instead of progress' },
    variants: variantsOption,
    ...adapterOptions,
  },
  positionals: ['[KEY=VALUE…]'],
  notes: `KEY=VALUE overrides a field of the config by its official name, e.g. arch.L_cycles=4 global_batch_size=64 lr=1e-4 ema=True.
Besides: optimizer=adamw, arch.loss.loss_type=softmax_cross_entropy, gradient_clip=NORM (0: none), depth_curriculum=cgar or
[[SHARE,H_cycles,L_cycles],…] (less depth up to that share of the steps), freeze_weights=True (puzzle embeddings alone are trained).
arch.forward_dtype=float32, float16 (with loss scaling) or bfloat16 says how activations are stored. WebGPU has no bfloat16: it becomes
float16 on GPUs with shader-f16, and float32 elsewhere. The published presets ask for bfloat16. config.yaml names what was used.
micro_batch=N computes N slots at a time; recompute=True keeps less for the gradients and computes it again: the same bits in less memory and more time.

${groupList}

${presetList}

model.safetensors is the model as it stands, best.safetensors the one that did best on the test split, training.safetensors all that
--resume needs. Without --resume, best.safetensors and training.safetensors of an earlier run in the same directory are removed.

Ctrl-C ends the training at the next report (log_interval) and leaves whole checkpoints.`,
} as const

export const trainCommand = {
  name: 'train',
  summary: 'train a model on a dataset directory',
  async run(args: string[]): Promise<void> {
    const parsed = parseArguments(args, usage)
    if (!parsed) return
    const {
      data,
      out,
      config,
      resume,
      from,
      key,
      keep,
      steps,
      seed,
      'eval-limit': evalLimit,
      'memory-limit': memoryLimit,
      json,
      variants,
    } = parsed.values
    if (from !== undefined && resume)
      throw new UsageError(
        `${usage.command}: --from begins a run, --resume goes on with one: expected one of them, got both`,
      )
    const stateFile = join(out, 'training.safetensors')
    const state = resume ? await readState(stateFile) : undefined
    const { settings, notes } = await giveSettings({
      command: usage.command,
      config: config ?? (resume ? join(out, 'config.yaml') : undefined),
      namesData: data.length > 0,
      pairs: [...parsed.positionals, ...(steps === undefined ? [] : [`steps=${steps}`])],
      preset: 'small',
      shape: from !== undefined && config === undefined ? await shapeOf(from, key) : undefined,
    })
    const given = mergeSettings(settings, {
      ...(from === undefined ? {} : { load_checkpoint: from }),
      ...(seed === undefined ? {} : { seed }),
      ...(memoryLimit === undefined ? {} : { memory_limit: memoryLimit }),
    })
    const paths = trainingPaths(data, given, usage.command)
    const directories = [...paths.train, ...(paths.test ?? [])]
    notes.push(...(await sharedIdentifiers(directories)))
    const dataset = await openSplit(paths.train, 'train')
    const test = await openTestSplit(paths, notes)
    const run = resolveRun(given, dataset.metadata)
    if (state) checkResumable(state, run)
    const grids = await readGridTasks(directories)
    const start =
      run.from !== undefined && !state ? await readAnyCheckpoint(run.from, { key, config: run.config }) : undefined
    for (const note of [...notes, ...withoutEffect(settings, run.config)]) (json ? console.error : console.log)(note)
    const takeBack = await makeDirectory(out)
    const engine = await openEngine(parsed.values).catch(async error => {
      await takeBack()
      throw error
    })
    try {
      // A resumed run goes on with the kernels that it began with.
      if (variants === 'measured' && !state)
        await useKeptVariants(
          engine,
          () => openEngine(parsed.values),
          run,
          new Progress(json ? false : undefined),
          json,
        )
      await runTraining(
        engine,
        run,
        { train: dataset, test },
        { out, evalLimit, json, keep, resume: state, start, described: grids && { grids: JSON.stringify(grids) } },
      )
    } finally {
      engine.close()
      // Nothing stays of a run that was refused.
      await takeBack()
      for (const split of [dataset, test]) await closeSplit(split)
    }
  },
}

export interface Output {
  out: string
  evalLimit: number
  json?: boolean
  /** Checkpoints to keep besides the newest and the best. Default 0. */
  keep?: number
  /** Further metadata of the checkpoints. */
  described?: Readonly<Record<string, string>>
  /** Values to begin with, of the run's configuration. */
  start?: Checkpoint
  /** The state to go on from; the files of `out` belong to it. */
  resume?: TrainingState
}

/** Trains, evaluates where there is a test split, and keeps the checkpoints up to date; returns the trained model with its averaged parameters. */
export async function runTraining(
  engine: Engine,
  run: RunConfig,
  data: { train: Examples; test?: Examples },
  { out, evalLimit, json = false, keep = 0, resume, start, described }: Output,
): Promise<Trm> {
  const { config, options, dtype: asked, evalInterval, checkpointInterval } = run
  const checkpoint = join(out, 'model.safetensors')
  const trainingFile = join(out, 'training.safetensors')
  const bestFile = join(out, 'best.safetensors')
  const metricsFile = join(out, 'metrics.jsonl')
  const progress = new Progress(json ? false : undefined)
  const say = (text: string) => json || progress.note(text)
  // A run keeps the precision that it began with, and its settings name that one, so that it goes on with the same bits on any adapter.
  const dtype = asked === 'bf16' && resume ? resume.dtype! : precisionOf(engine, asked)
  const settings =
    asked === 'bf16'
      ? mergeSettings(run.settings, { arch: { forward_dtype: dtype === 'f16' ? 'float16' : 'float32' } })
      : run.settings
  // A resumed run has the kernels and the micro-batches that it began with.
  if (resume) engine.variants.adopt(resume.variants)
  const plan = planMemory(engine, config, {
    ...options,
    microBatch: options.microBatch ?? resume?.options.microBatch,
    dtype,
  })
  const { microBatch } = plan
  const evaluation = { limit: evalLimit, batchSize: microBatch, loss: options.loss }
  if (data.test)
    await evaluate(plan.trainer.averaged, data.test, { ...evaluation, limit: Math.min(evalLimit, microBatch) })
  const predicted = plan.trainer.model.engine.bytes
  const model = Trm.create(engine, config, { seed: options.seed, dtype })
  if (start) loadTensors(model, start.tensors, run.from!)
  let averaged = model
  const kept = resume ? await keptSteps(out, resume.step) : []
  let bestAccuracy = resume ? await bestSoFar(bestFile) : -1
  const before = resume ? spentUpTo(await rowsUpTo(metricsFile, resume.step)) : { seconds: 0, processorSeconds: 0 }
  const spent = () => {
    const { user, system } = process.cpuUsage(processorStart)
    return {
      seconds: tenth(before.seconds + (performance.now() - started) / 1000),
      processorSeconds: tenth(before.processorSeconds + (user + system) / 1e6),
    }
  }
  const log = async (row: Record<string, unknown>) => {
    const line = JSON.stringify({ ...row, ...spent() })
    await appendWhole(metricsFile, `${line}\n`)
    if (json) console.log(line)
  }
  let stopped = false
  const stop = () => {
    if (stopped) process.exit(130)
    stopped = true
    say('stopping at the next report (Ctrl-C again: at once) …')
  }
  process.on('SIGINT', stop)
  process.on('SIGTERM', stop)
  const [started, processorStart] = [performance.now(), process.cpuUsage()]
  say(`adapter: ${adapterName(engine)}`)
  say(
    `model: ${config.architecture === 'trm' ? '' : `${config.architecture}, `}${config.tokenMixing ? 'token-mixing MLP' : 'attention'}, hidden ${config.hidden}, ${dtype === 'f16' ? 'float16, ' : ''}${model.parameters.count.toLocaleString('en')} parameters${start ? ` of ${run.from}` : ''}${options.freezeNetwork ? ', frozen: puzzle embeddings alone are trained' : ''}; ${options.steps} steps of ${options.batchSize} slots`,
  )
  if (asked === 'bf16')
    say(
      `forward_dtype bfloat16: activations are ${dtype === 'f16' ? 'float16, with loss scaling' : 'float32'}${reasonOf(dtype, engine, resume)}`,
    )
  say(
    `GPU memory: ${megabytes(predicted)} predicted${microBatch < options.batchSize ? `, ${microBatch} slots at a time` : ''}${options.recompute ? ', recomputing' : ''}`,
  )
  if (resume) {
    say(`resumed at step ${resume.step} of ${options.steps}`)
    if (resume.adapter !== engine.adapter.description)
      say(`the run began on ${resume.adapter}: from here on its bits may be others`)
    const { used } = plan.trainer.model.engine.variants
    const gone = Object.entries(resume.variants).find(
      ([key, variant]) => used[key] !== undefined && used[key] !== variant,
    )
    if (gone)
      say(
        `the run began with the kernel "${gone[1]}" for ${gone[0]}, which this adapter or version does not run: from here on its bits may be others`,
      )
    if (resume.step >= options.steps) say('nothing is left to do — --steps N makes the run longer')
  }
  let saved = resume?.step
  try {
    const save = async ({ step, saveTraining }: TrainingReport) => {
      const bytes = await saveCheckpoint(averaged, {
        ...described,
        step: String(step),
        seed: String(options.seed),
        adapter: engine.adapter.description,
      })
      const more = keep > 0 ? [[keptFile(out, step), bytes] as const] : []
      await writeTogether([...more, [checkpoint, bytes], [trainingFile, await saveTraining(described)]])
      saved = step
      if (more.length) kept.push(step)
      for (const old of more.length ? kept.splice(0, Math.max(0, kept.length - keep)) : [])
        await rm(keptFile(out, old), { force: true })
    }
    // What stands in the directory changes only after a first report: nothing is lost where settings, data or state do not fit.
    const begin = async () => {
      await removePartials(out)
      if (resume) await writeWhole(metricsFile, await rowsUpTo(metricsFile, resume.step))
      await writeWhole(join(out, 'config.yaml'), writeYaml(settings))
      if (!resume) for (const file of [metricsFile, bestFile, trainingFile]) await rm(file, { force: true })
    }
    let begun = false
    for await (const report of train(model, data.train, {
      ...options,
      microBatch,
      resume,
      logInterval: stepOf(options.logInterval, evalInterval, checkpointInterval),
    })) {
      if (!begun) await begin()
      begun = true
      const {
        step,
        totalSteps,
        loss,
        lmLoss,
        qHaltLoss,
        qContinueLoss,
        accuracy,
        exactAccuracy,
        qHaltAccuracy,
        steps,
        count,
        learningRate,
        cycles,
        latentSteps,
        stepsPerSecond,
        lossScale,
      } = report
      const depth = options.curriculum?.length ? { cycles, latentSteps } : undefined
      averaged = report.averaged
      const left = (totalSteps - step) / stepsPerSecond
      await log({
        step,
        loss,
        lmLoss,
        qHaltLoss,
        qContinueLoss,
        count,
        accuracy,
        exactAccuracy,
        qHaltAccuracy,
        steps,
        learningRate,
        ...depth,
        ...lossScale,
        stepsPerSecond,
      })
      const text = `step ${step}/${totalSteps}  loss ${loss.toFixed(4)}  exact ${percent(exactAccuracy)}${depth ? `  depth ${cycles}×${latentSteps}` : ''}  ${stepsPerSecond.toFixed(2)} steps/s  ${duration(left)} left`
      if (!json) progress.show(step, totalSteps, text)
      if (data.test && (step % evalInterval === 0 || step === totalSteps)) {
        const result = await evaluate(averaged, data.test, {
          ...evaluation,
          onProgress: (done, total) => json || progress.glimpse(done, total, `evaluating ${done}/${total}`),
        })
        const { examples, labelled, exactAccuracy, cellAccuracy } = result
        await log({
          step,
          evaluation: { examples, ...(labelled < examples ? { labelled } : {}), exactAccuracy, cellAccuracy },
        })
        if (exactAccuracy === null)
          say(`step ${step}: none of ${examples} held-out puzzles has labels: no accuracy, and no best.safetensors`)
        else
          say(
            `step ${step}: held-out exact accuracy ${percent(exactAccuracy)}, cells ${percent(cellAccuracy)} (${labelled} puzzles${labelled < examples ? ` with labels of ${examples}` : ''})`,
          )
        if (exactAccuracy !== null && exactAccuracy > bestAccuracy) {
          bestAccuracy = exactAccuracy
          await writeWhole(
            bestFile,
            await saveCheckpoint(averaged, {
              ...described,
              step: String(step),
              seed: String(options.seed),
              adapter: engine.adapter.description,
              exactAccuracy: String(bestAccuracy),
            }),
          )
        }
      }
      if (step % checkpointInterval === 0 || step === totalSteps || stopped) await save(report)
      if (stopped) {
        say(`stopped at step ${step}; checkpoint: ${checkpoint}`)
        process.exitCode = 130
        break
      }
    }
    progress.end()
    say(`GPU memory: ${megabytes(engine.bytes)} used, ${megabytes(predicted)} predicted`)
    if (!stopped) say(`trained in ${duration((performance.now() - started) / 1000)}; checkpoint: ${checkpoint}`)
    return averaged
  } catch (error) {
    if (error instanceof WriteError) throw new Error(`${error.message} — ${stands(saved)}`)
    const lost = await lossOf(engine, error)
    throw lost ? new Error(`train: ${lost.message.replace(/ — .*/, '')} — ${stands(saved)}`) : error
  } finally {
    progress.end()
    process.off('SIGINT', stop)
    process.off('SIGTERM', stop)
  }
}

/** What is left to go on from where a training fails. */
function stands(saved: number | undefined): string {
  return saved === undefined
    ? 'no checkpoint was written yet, so begin again'
    : `the checkpoint of step ${saved} is whole: "trm train --resume" goes on from there`
}

/** The loss of the device that an error came of. Dawn may tell it a moment after the error. */
async function lossOf(engine: Engine, error: unknown): Promise<Error | undefined> {
  if (error instanceof DeviceLost) return error
  if (!engine.isLost) await Promise.race([engine.device.lost, new Promise(resolve => setTimeout(resolve, 100))])
  return engine.isLost
    ? engine.finish().then(
        () => undefined,
        lost => lost as Error,
      )
    : undefined
}

/** Why bfloat16 became this precision, where that is not plain. */
function reasonOf(dtype: Precision, { adapter }: Engine, resume: TrainingState | undefined): string {
  if (resume) return '; the run began with it'
  if (dtype === 'f16') return ''
  return adapter.isSoftware
    ? '; float16 is slower on a software adapter (arch.forward_dtype=float16 takes it all the same)'
    : '; this adapter has no shader-f16'
}

/** Seconds of the clock and of the processors (all threads) that a training took up to the last of these rows. */
function spentUpTo(rows: string): { seconds: number; processorSeconds: number } {
  const { seconds = 0, processorSeconds = 0 } = JSON.parse(rows.trim().split('\n').at(-1) || '{}') as Record<
    string,
    number
  >
  return { seconds, processorSeconds }
}

const tenth = (seconds: number) => Math.round(10 * seconds) / 10

async function readState(file: string): Promise<TrainingState> {
  const bytes = await readBytes(file, 'resume')
  return named(bytes, file, 'a state of a training: a safetensors file', () => readTraining(bytes, file))
}

/** The settings of a checkpoint's model, without what the data decides; none where the file holds no configuration. */
async function shapeOf(checkpoint: string, key?: string): Promise<Partial<RunSettings>> {
  const bytes = await readBytes(checkpoint, 'checkpoint')
  if (isTorch(bytes))
    throw new UsageError(
      `${usage.command}: --from ${checkpoint}: a .pt file holds no configuration, expected --config PRESET|F.yaml with it`,
    )
  const {
    vocab_size: _,
    seq_len: __,
    num_puzzle_identifiers: ___,
    ...arch
  } = configToOfficial((await openCheckpoint(checkpoint, key)).config)
  return { arch }
}

/** A logging interval that meets every evaluation and checkpoint. */
function stepOf(...intervals: number[]): number {
  return intervals.reduce((a, b) => {
    while (b) [a, b] = [b, a % b]
    return a
  })
}

const keptFile = (out: string, step: number) => join(out, `model-${step}.safetensors`)

/** Steps of the checkpoints that this run kept before, oldest first. */
async function keptSteps(out: string, last: number): Promise<number[]> {
  const steps = (await readdir(out)).map(file => Number(/^model-(\d+)\.safetensors$/.exec(file)?.[1] ?? NaN))
  return steps.filter(step => step <= last).sort((a, b) => a - b)
}

/** The held-out accuracy that best.safetensors was kept for; −1 without one. */
async function bestSoFar(file: string): Promise<number> {
  const bytes = await readFile(file).catch(() => undefined)
  return bytes ? Number(readCheckpointConfig(new Uint8Array(bytes), file).metadata.exactAccuracy ?? -1) : -1
}

/** The lines of metrics.jsonl up to a step; what comes after it, or was torn, is left out. */
async function rowsUpTo(file: string, step: number): Promise<string> {
  const text = await readFile(file, 'utf8').catch(() => '')
  const isWanted = (line: string) => {
    try {
      return (JSON.parse(line) as { step: number }).step <= step
    } catch {
      return false
    }
  }
  return text
    .split('\n')
    .filter(isWanted)
    .map(line => `${line}\n`)
    .join('')
}
