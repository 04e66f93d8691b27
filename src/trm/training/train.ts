// Training as an asynchronous generator, the one loop of command line, page and scripts; `break` stops it.
import { TrainingBatches } from '../../data/batches.js'
import type { Examples } from '../../data/dataset.js'
import { OutOfMemory } from '../../engine/index.js'
import { megabytes } from '../../formats/human.js'
import { type MemoryOptions, planMemory } from './memory.js'
import { checkFit } from '../config.js'
import type { Trm } from '../model.js'
import { fingerprint, restoreTraining, saveTraining, type TrainingState } from './resume.js'
import { Trainer, type TrainingMetrics } from './trainer.js'

export interface TrainOptions extends Omit<MemoryOptions, 'dtype'> {
  /** Optimiser steps. `totalSteps`, the schedule's length, is equal by default; a resumed training keeps its own. */
  steps: number
  /** Steps between two reports; each report reads the metrics back. Default 10. */
  logInterval?: number
  /** Seconds between two reports, instead of `logInterval`, where the speed is not known in advance. */
  logSeconds?: number
  /** Epochs after which a short batch is dropped; see `TrainingBatches`. Default 1. */
  epochsPerPass?: number
  /**
   * The state to continue from, of `readTraining`. The model must have its `dtype`; its values are overwritten.
   * Micro-batches are by default those of the state.
   */
  resume?: TrainingState
}

/** A report: means over the steps since the last report. */
export interface TrainingReport extends TrainingMetrics {
  /** Steps done. */
  step: number
  /** Steps of the whole training. */
  totalSteps: number
  learningRate: number
  /** Depth of this step; the model's own without a curriculum. */
  cycles: number
  latentSteps: number
  stepsPerSecond: number
  /** In float16: the scale of the next step's loss, and how many steps were skipped because they overflowed. */
  lossScale?: { scale: number; skippedSteps: number }
  /**
   * The model with the moving average of its parameters, for evaluation and checkpoints. It lags: after k steps at rate
   * r, a share of r^k is still the initial values. In a training of fewer than 3 / (1 − r) steps, the model is better.
   */
  averaged: Trm
  /** The training itself. It holds memory on the GPU until its `release`. */
  trainer: Trainer
  /**
   * The state after this step as a file for `readTraining`. Call it before the generator continues.
   * @param metadata further entries
   */
  saveTraining(metadata?: Readonly<Record<string, string>>): Promise<Uint8Array<ArrayBuffer>>
}

/**
 * Trains a model on the training split of a dataset, from the beginning or from a state.
 * @throws when model and data do not fit, when the batch does not fit the adapter or its memory, when the state is of
 * another training, or when a gradient, a parameter or the loss is no longer a finite number
 */
export async function* train(
  model: Trm,
  dataset: Examples,
  options: TrainOptions,
): AsyncGenerator<TrainingReport, void, undefined> {
  const { steps, logInterval = 10, logSeconds, epochsPerPass, resume, memoryLimit, ...rest } = options
  checkFit(model, dataset)
  const { engine } = model
  const { batchSize, seed = 0, totalSteps = resume?.options.totalSteps ?? steps } = rest
  const settings = { ...rest, totalSteps, microBatch: rest.microBatch ?? resume?.options.microBatch }
  if (resume) engine.variants.adopt(resume.variants)
  const {
    microBatch,
    bytes,
    trainer: planned,
  } = planMemory(engine, model.config, { ...settings, memoryLimit, dtype: model.dtype })
  /** The trainer, until a report hands it to the caller, who then releases it. */
  let unseen: Trainer | undefined
  try {
    await engine.compile(planned.model.engine)
    const trainer = (unseen = new Trainer(model, { ...settings, microBatch }))
    let data: string | undefined
    const known = resume?.variants
    let batches: TrainingBatches
    if (resume) {
      data = await fingerprint(dataset)
      batches = restoreTraining(trainer, dataset, resume, { data, epochsPerPass })
    } else {
      batches = new TrainingBatches(dataset, { batchSize, seed, epochsPerPass })
    }
    const save = async (metadata?: Readonly<Record<string, string>>) =>
      saveTraining(trainer, batches, { data: (data ??= await fingerprint(dataset)), known, metadata })
    let [since, sinceStep] = [performance.now(), trainer.stepsDone]
    let skipped = resume ? ((await trainer.lossScaler?.read())?.skippedSteps ?? 0) : 0
    while (trainer.stepsDone < steps) {
      const { learningRate } = trainer.rates()
      const { cycles, latentSteps } = trainer.atDepth.config
      trainer.step(await batches.next())
      await engine.pace()
      const { stepsDone: step } = trainer
      const isDue = logSeconds === undefined ? step % logInterval === 0 : performance.now() - since >= 1000 * logSeconds
      if (!isDue && step !== steps) continue
      const [metrics, lossScale] = await readChecked(trainer, learningRate, skipped, sinceStep)
      skipped = lossScale?.skippedSteps ?? 0
      const now = performance.now()
      const stepsPerSecond = ((step - sinceStep) * 1000) / (now - since)
      unseen = undefined
      yield {
        ...metrics,
        step,
        totalSteps: steps,
        learningRate,
        cycles,
        latentSteps,
        stepsPerSecond,
        ...(lossScale && { lossScale }),
        averaged: trainer.averaged,
        trainer,
        saveTraining: save,
      }
      ;[since, sinceStep] = [performance.now(), step]
    }
  } catch (error) {
    if (!(error instanceof OutOfMemory)) throw error
    const remedy = 'set a lower memory limit (--memory-limit SIZE, memoryLimit), a smaller micro_batch, or recompute'
    throw new OutOfMemory(
      `train: out of GPU memory with micro_batch ${microBatch}, which takes ${megabytes(bytes)}, ` +
        `on ${engine.adapter.description} — ${remedy}`,
    )
  } finally {
    unseen?.release()
  }
}

/**
 * Reads the metrics of the steps since the last report.
 * @param skipped steps that were skipped up to then
 * @param since number of the step of that report
 * @throws when a number is not finite, or when all these steps overflowed in float16
 */
async function readChecked(trainer: Trainer, learningRate: number, skipped: number, since: number) {
  const { stepsDone: step } = trainer
  const [metrics, broken, lossScale] = await Promise.all([
    trainer.readMetrics(),
    trainer.optimizer.firstNotFinite(),
    trainer.lossScaler?.read(),
  ])
  const hint = `lower the learning rate (now ${learningRate}), lengthen the warm-up or clip the gradients`
  if (broken) {
    const first = `the first in the ${broken.what} of ${broken.name}`
    throw new Error(`train: step ${broken.step} left ${broken.count} numbers that are not finite, ${first} — ${hint}`)
  }
  if (!Number.isFinite(metrics.loss)) throw new Error(`train: the loss is ${metrics.loss} at step ${step} — ${hint}`)
  if (lossScale?.scale === 1 && lossScale.skippedSteps - skipped === step - since)
    throw new Error(`train: in float16 all steps up to ${step} overflowed — ${hint}, or use float32`)
  return [metrics, lossScale] as const
}
