// One training from the first step to the last: it reports, evaluates on the test split, and keeps the checkpoints.
import type { Examples } from '../data/dataset.js'
import { DeviceLost, type Engine } from '../engine/index.js'
import { duration, megabytes } from '../formats/human.js'
import { evaluate } from '../trm/answers/evaluate.js'
import { precisionOf, Trm } from '../trm/model.js'
import { type Checkpoint, loadTensors, saveCheckpoint } from '../trm/published/checkpoint.js'
import { mergeSettings, type RunConfig, type RunSettings } from '../trm/published/settings.js'
import { planMemory } from '../trm/training/memory.js'
import type { TrainingState } from '../trm/training/resume.js'
import { train, type TrainingReport } from '../trm/training/train.js'
import { WriteError } from './files.js'
import { Progress } from './progress.js'
import { RunDirectory, type Spent } from './run-directory.js'
import {
  evaluationLine,
  evaluationRow,
  openingLines,
  progressLine,
  remainsLine,
  reportRow,
  type TrainingPlan,
} from './training-words.js'

export interface TrainingData {
  train: Examples
  /** The test split to evaluate on; without one, no best.safetensors is kept. */
  test?: Examples
}

export interface Output {
  /** Directory of the run. */
  out: string
  /** Test examples per evaluation. */
  evalLimit: number
  /** Print a line of JSON per report instead of progress. Default false. */
  json?: boolean
  /** Checkpoints to keep in addition to the newest and the best. Default 0. */
  keep?: number
  /** Further metadata of the checkpoints. */
  described?: Readonly<Record<string, string>>
  /** Values to begin with, of the run's configuration. */
  start?: Checkpoint
  /** The state to go on from; the files in `out` belong to it. */
  resume?: TrainingState
}

/** Trains a model and leaves its files in `output.out`; returns the model with the averaged parameters. */
export async function runTraining(engine: Engine, run: RunConfig, data: TrainingData, output: Output): Promise<Trm> {
  return new Training(await prepare(engine, run, data, output), data, output).run()
}

interface Prepared {
  plan: TrainingPlan
  /** What config.yaml gets: the settings of the run, with the precision that bfloat16 became. */
  settings: RunSettings
  directory: RunDirectory
}

/** Plans the memory, makes the model, and reads what an earlier run left. Writes nothing. */
async function prepare(engine: Engine, run: RunConfig, data: TrainingData, output: Output): Promise<Prepared> {
  const { config, options } = run
  const { out, keep = 0, resume, start, evalLimit } = output
  // A run keeps the precision that it began with. Its settings name it, so that it goes on with the same bits anywhere.
  const dtype = run.dtype === 'bf16' && resume ? resume.dtype! : precisionOf(engine, run.dtype)
  const named = { arch: { forward_dtype: dtype === 'f16' ? 'float16' : 'float32' } }
  const settings = run.dtype === 'bf16' ? mergeSettings(run.settings, named) : run.settings
  // A resumed run keeps the kernels and the micro-batches that it began with.
  if (resume) engine.variants.adopt(resume.variants)
  const wanted = options.microBatch ?? resume?.options.microBatch
  const { microBatch, trainer } = planMemory(engine, config, { ...options, microBatch: wanted, dtype })
  const dryRun = trainer.model.engine
  if (data.test) {
    const limit = Math.min(evalLimit, microBatch)
    await evaluate(trainer.averaged, data.test, { limit, batchSize: microBatch, loss: options.loss })
  }
  const predicted = dryRun.bytes
  const model = Trm.create(engine, config, { seed: options.seed, dtype })
  if (start) loadTensors(model, start.tensors, run.from!)
  const directory = await RunDirectory.open(out, { keep, resumedAt: resume?.step })
  const { used: variants } = dryRun.variants
  const plan = { run, model, dtype, microBatch, predicted, variants, resume, isLoaded: start !== undefined }
  return { plan, settings, directory }
}

/** A training that runs: what it has done so far, and what it does at each report. */
class Training {
  readonly #plan: TrainingPlan
  readonly #settings: RunSettings
  readonly #directory: RunDirectory
  readonly #data: TrainingData
  readonly #output: Output
  readonly #progress: Progress
  readonly #interrupt = new Interrupt(() => this.#say('stopping at the next report (Ctrl-C again: at once) …'))
  readonly #started = performance.now()
  readonly #processorStart = process.cpuUsage()
  /** The model that is evaluated and saved: with averaged parameters, where the run averages them. */
  #averaged: Trm

  constructor({ plan, settings, directory }: Prepared, data: TrainingData, output: Output) {
    this.#plan = plan
    this.#settings = settings
    this.#directory = directory
    this.#data = data
    this.#output = output
    this.#progress = new Progress(output.json ? false : undefined)
    this.#averaged = plan.model
  }

  async run(): Promise<Trm> {
    const { model, predicted, resume, run } = this.#plan
    for (const line of openingLines(this.#plan)) this.#say(line)
    // On a cold shader cache the first report may take a while.
    if (!this.#output.json)
      this.#progress.glimpse(resume?.step ?? 0, run.options.steps, 'compiling kernels, first steps …')
    try {
      await this.#followReports()
      this.#progress.end()
      this.#say(`GPU memory: ${megabytes(model.engine.bytes)} used, ${megabytes(predicted)} predicted`)
      const time = duration((performance.now() - this.#started) / 1000)
      if (!this.#interrupt.isAsked) this.#say(`trained in ${time}; checkpoint: ${this.#directory.checkpoint}`)
      return this.#averaged
    } catch (error) {
      throw await this.#explained(error)
    } finally {
      this.#progress.end()
      this.#interrupt.release()
    }
  }

  /** Trains, and handles each report, until the last step or an interrupt. */
  async #followReports(): Promise<void> {
    const { run, model, microBatch, resume } = this.#plan
    const { options, evalInterval, checkpointInterval } = run
    const logInterval = greatestCommonDivisor(options.logInterval, evalInterval, checkpointInterval)
    let hasBegun = false
    for await (const report of train(model, this.#data.train, { ...options, microBatch, resume, logInterval })) {
      // The directory changes only after a first report: nothing is lost where settings, data or state do not fit.
      if (!hasBegun) await this.#directory.begin(this.#settings)
      hasBegun = true
      const { step, averaged } = report
      const isLast = step === report.totalSteps
      this.#averaged = averaged
      await this.#report(report)
      if (this.#data.test && (step % evalInterval === 0 || isLast)) await this.#evaluate(step, this.#data.test)
      if (step % checkpointInterval === 0 || isLast || this.#interrupt.isAsked) await this.#save(report)
      if (!this.#interrupt.isAsked) continue
      this.#say(`stopped at step ${step}; checkpoint: ${this.#directory.checkpoint}`)
      process.exitCode = 130
      break
    }
  }

  async #report(report: TrainingReport): Promise<void> {
    const showsDepth = Boolean(this.#plan.run.options.curriculum?.length)
    await this.#log(reportRow(report, showsDepth))
    if (this.#output.json) return
    this.#progress.show(report.step, report.totalSteps, progressLine(report, showsDepth))
  }

  /** Evaluates on the test split, and keeps the model where it is the best so far. */
  async #evaluate(step: number, test: Examples): Promise<void> {
    const { run, microBatch } = this.#plan
    const result = await evaluate(this.#averaged, test, {
      limit: this.#output.evalLimit,
      batchSize: microBatch,
      loss: run.options.loss,
      onProgress: (done, total) =>
        this.#output.json || this.#progress.glimpse(done, total, `evaluating ${done}/${total}`),
    })
    await this.#log(evaluationRow(step, result))
    this.#say(evaluationLine(step, result))
    const { exactAccuracy } = result
    if (exactAccuracy === null || !this.#directory.isBest(exactAccuracy)) return
    const checkpoint = await this.#checkpoint(step, { exactAccuracy: String(exactAccuracy) })
    await this.#directory.saveBest(exactAccuracy, checkpoint)
  }

  async #save({ step, saveTraining }: TrainingReport): Promise<void> {
    const checkpoint = await this.#checkpoint(step)
    await this.#directory.save(step, checkpoint, await saveTraining(this.#output.described))
  }

  /** The bytes of a checkpoint of the averaged model. */
  #checkpoint(step: number, more: Readonly<Record<string, string>> = {}): Promise<Uint8Array> {
    const { run, model } = this.#plan
    return saveCheckpoint(this.#averaged, {
      ...this.#output.described,
      step: String(step),
      seed: String(run.options.seed),
      adapter: model.engine.adapter.description,
      ...more,
    })
  }

  /** Adds a row to metrics.jsonl. */
  async #log(row: Record<string, unknown>): Promise<void> {
    const line = JSON.stringify({ ...row, ...this.#spent() })
    await this.#directory.log(line)
    if (this.#output.json) console.log(line)
  }

  /** Time that the run took so far, in all its processes. */
  #spent(): Spent {
    const { seconds, processorSeconds } = this.#directory.spent
    const { user, system } = process.cpuUsage(this.#processorStart)
    return {
      seconds: tenths(seconds + (performance.now() - this.#started) / 1000),
      processorSeconds: tenths(processorSeconds + (user + system) / 1e6),
    }
  }

  #say(text: string): void {
    if (!this.#output.json) this.#progress.note(text)
  }

  /** An error, with what is left to go on from where a file could not be written or the device was lost. */
  async #explained(error: unknown): Promise<unknown> {
    const remains = remainsLine(this.#directory.savedAt)
    if (error instanceof WriteError) return new Error(`${error.message} — ${remains}`)
    const lost = await lossOf(this.#plan.model.engine, error)
    return lost ? new Error(`train: ${lost.message.replace(/ — .*/, '')} — ${remains}`) : error
  }
}

/** Ctrl-C: the first asks the training to stop at its next report, the second ends the process at once. */
class Interrupt {
  isAsked = false
  readonly #stop: () => void

  /** @param onAsked called at the first Ctrl-C */
  constructor(onAsked: () => void) {
    this.#stop = () => {
      if (this.isAsked) process.exit(130)
      this.isAsked = true
      onAsked()
    }
    process.on('SIGINT', this.#stop)
    process.on('SIGTERM', this.#stop)
  }

  /** Gives Ctrl-C its usual effect again. */
  release(): void {
    process.off('SIGINT', this.#stop)
    process.off('SIGTERM', this.#stop)
  }
}

/** The loss of the device that caused an error, undefined for other causes. Dawn may report it a moment later. */
async function lossOf(engine: Engine, error: unknown): Promise<Error | undefined> {
  if (error instanceof DeviceLost) return error
  if (!engine.isLost) await Promise.race([engine.device.lost, new Promise(resolve => setTimeout(resolve, 100))])
  if (!engine.isLost) return undefined
  return engine.finish().then(
    () => undefined,
    lost => lost as Error,
  )
}

const tenths = (seconds: number) => Math.round(10 * seconds) / 10

/** The longest logging interval that meets every evaluation and every checkpoint. */
function greatestCommonDivisor(...intervals: number[]): number {
  return intervals.reduce((a, b) => {
    while (b) [a, b] = [b, a % b]
    return a
  })
}
