// trm train: trains a model on a dataset directory, and leaves config, metrics and a checkpoint.
import { appendFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import YAML from 'yaml'
import { type Dataset, readDataset } from '../data/dataset.js'
import { saveCheckpoint } from '../trm/checkpoint.js'
import { evaluate } from '../trm/evaluate.js'
import { Trm } from '../trm/model.js'
import { mergeSettings, presets, resolveRun, type Run } from '../trm/run.js'
import { train } from '../trm/train.js'
import type { Engine } from '../engine/index.js'
import { adapterOption, openEngine } from './adapter.js'
import { parseArguments } from './arguments.js'
import { datasetFiles, makeDirectory, writeWhole } from './files.js'
import { duration, percent, Progress } from './progress.js'
import { overrides, presetList, readSettings } from './settings.js'

const usage = {
  command: 'trm train',
  summary: 'Train a Tiny Recursive Model on a dataset directory.',
  options: {
    data: { type: 'string', required: true, placeholder: 'DIR', description: 'dataset directory, as "trm data" or the published builders write it' },
    out: { type: 'string', required: true, placeholder: 'RUN', description: 'directory for config.yaml, metrics.jsonl and model.safetensors' },
    config: { type: 'string', placeholder: 'PRESET|F.yaml', default: 'small', description: `a preset (${Object.keys(presets).join(', ')}) or a YAML file with official field names` },
    steps: { type: 'number', min: 1, description: 'optimiser steps; without it, what the config says' },
    seed: { type: 'number', min: 0, max: 2 ** 32 - 1, description: 'seed of initial values, data order and halting exploration' },
    'eval-limit': { type: 'number', min: 1, default: 500, description: 'test examples per evaluation' },
    json: { type: 'boolean', description: 'print one line of JSON per report instead of progress' },
    adapter: adapterOption,
  },
  positionals: ['[KEY=VALUE…]'],
  notes: `KEY=VALUE overrides a field of the config by its official name, e.g. arch.L_cycles=4 global_batch_size=64 lr=1e-4 ema=True.

${presetList}

Ctrl-C ends the training after the current step and leaves a whole checkpoint.`,
} as const

export const trainCommand = {
  name: 'train',
  summary: 'train a model on a dataset directory',
  async run(args: string[]): Promise<void> {
    const parsed = parseArguments(args, usage)
    if (!parsed) return
    const { data, out, config, steps, seed, 'eval-limit': evalLimit, json, adapter } = parsed.values
    const given = mergeSettings(await readSettings(config, usage.command), overrides(parsed.positionals, usage.command), {
      ...(steps === undefined ? {} : { steps }),
      ...(seed === undefined ? {} : { seed }),
    })
    const read = datasetFiles(data)
    const dataset = await readDataset(read, 'train', data)
    const test = await readDataset(read, 'test', data)
    const run = resolveRun(given, dataset.metadata)
    await makeDirectory(out)
    const engine = await openEngine({ adapter })
    try {
      await runTraining(engine, run, { train: dataset, test }, { out, evalLimit, json })
    } finally {
      engine.close()
    }
  },
}

export interface Output {
  out: string
  evalLimit: number
  json?: boolean
}

/** Trains, evaluates, and keeps the checkpoint up to date; returns the trained model with its averaged parameters. */
export async function runTraining(engine: Engine, run: Run, data: { train: Dataset; test: Dataset }, { out, evalLimit, json = false }: Output): Promise<Trm> {
  const { config, options, settings, evalInterval, checkpointInterval } = run
  const checkpoint = join(out, 'model.safetensors')
  const metricsFile = join(out, 'metrics.jsonl')
  const progress = new Progress(json ? false : undefined)
  const say = (text: string) => json || progress.note(text)
  const model = Trm.create(engine, config, { seed: options.seed })
  let best = model
  await writeWhole(join(out, 'config.yaml'), YAML.stringify(settings))
  await rm(metricsFile, { force: true })
  const log = async (row: Record<string, unknown>) => {
    const line = JSON.stringify(row)
    await appendFile(metricsFile, `${line}\n`)
    if (json) console.log(line)
  }
  let stopped = false
  const stop = () => {
    if (stopped) process.exit(130)
    stopped = true
    say('stopping after this step (Ctrl-C again: at once) …')
  }
  process.on('SIGINT', stop)
  process.on('SIGTERM', stop)
  const started = performance.now()
  say(`adapter: ${engine.adapter.description}`)
  say(`model: ${config.tokenMixing ? 'token-mixing MLP' : 'attention'}, hidden ${config.hidden}, ${model.parameters.count.toLocaleString('en')} parameters; ${options.steps} steps of ${options.batchSize} slots`)
  try {
    let saved = -1
    const save = async (step: number) => {
      if (saved === step) return
      await writeWhole(checkpoint, await saveCheckpoint(best, { step: String(step), seed: String(options.seed), adapter: engine.adapter.description }))
      saved = step
    }
    for await (const report of train(model, data.train, { ...options, logInterval: stepOf(options.logInterval, evalInterval, checkpointInterval) })) {
      const { step, totalSteps, loss, lmLoss, qHaltLoss, accuracy, exactAccuracy, qHaltAccuracy, steps, count, learningRate, stepsPerSecond } = report
      best = report.averaged
      const left = (totalSteps - step) / stepsPerSecond
      await log({ step, loss, lmLoss, qHaltLoss, count, accuracy, exactAccuracy, qHaltAccuracy, steps, learningRate, stepsPerSecond })
      const text = `step ${step}/${totalSteps}  loss ${loss.toFixed(4)}  exact ${percent(exactAccuracy)}  ${stepsPerSecond.toFixed(2)} steps/s  ${duration(left)} left`
      if (!json) progress.show(step, totalSteps, text)
      if (step % evalInterval === 0 || step === totalSteps) {
        const result = await evaluate(best, data.test, { limit: evalLimit, loss: options.loss, onProgress: (done, total) => json || progress.glimpse(done, total, `evaluating ${done}/${total}`) })
        await log({ step, evaluation: { examples: result.examples, exactAccuracy: result.exactAccuracy, cellAccuracy: result.cellAccuracy } })
        say(`step ${step}: held-out exact accuracy ${percent(result.exactAccuracy)}, cells ${percent(result.cellAccuracy)} (${result.examples} puzzles)`)
      }
      if (step % checkpointInterval === 0 || step === totalSteps || stopped) await save(step)
      if (stopped) {
        say(`stopped at step ${step}; checkpoint: ${checkpoint}`)
        process.exitCode = 130
        break
      }
    }
    progress.end()
    if (!stopped) say(`trained in ${duration((performance.now() - started) / 1000)}; checkpoint: ${checkpoint}`)
    return best
  } finally {
    progress.end()
    process.off('SIGINT', stop)
    process.off('SIGTERM', stop)
  }
}

/** A logging interval that meets every evaluation and checkpoint. */
function stepOf(...intervals: number[]): number {
  return intervals.reduce((a, b) => {
    while (b) [a, b] = [b, a % b]
    return a
  })
}
