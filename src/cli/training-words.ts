// What a training says: lines for people, and rows for metrics.jsonl.
import type { Engine } from '../engine/index.js'
import { duration, megabytes, percent } from '../formats/human.js'
import type { Evaluation } from '../trm/answers/evaluate.js'
import type { Precision, Trm } from '../trm/model.js'
import type { RunConfig } from '../trm/published/settings.js'
import type { TrainingState } from '../trm/training/resume.js'
import type { TrainingReport } from '../trm/training/train.js'
import { adapterName } from './adapter.js'

/** What is known of a training before its first step. */
export interface TrainingPlan {
  run: RunConfig
  model: Trm
  /** Float type of the activations: what `forward_dtype` became on this adapter. */
  dtype: Precision
  /** Slots computed at a time. */
  microBatch: number
  /** GPU memory that the training will take, in bytes. */
  predicted: number
  /** Kernel that computes each operation, by operation, where there are several. */
  variants: Readonly<Record<string, string>>
  /** The state that a resumed training goes on from. */
  resume?: TrainingState
  /** Whether the values come from the checkpoint that `run.from` names. */
  isLoaded: boolean
}

/** The lines with which a training begins. */
export function openingLines(plan: TrainingPlan): string[] {
  const { run, model, dtype, microBatch, predicted, resume } = plan
  const { options } = run
  const { engine } = model
  const pieces = microBatch < options.batchSize ? `, ${microBatch} slots at a time` : ''
  const lines = [`adapter: ${adapterName(engine)}`, modelLine(plan)]
  if (run.dtype === 'bf16') {
    const became = dtype === 'f16' ? 'float16, with loss scaling' : 'float32'
    lines.push(`forward_dtype bfloat16: activations are ${became}${reasonOf(dtype, engine, resume)}`)
  }
  lines.push(`GPU memory: ${megabytes(predicted)} predicted${pieces}${options.recompute ? ', recomputing' : ''}`)
  return resume ? [...lines, ...resumedLines(plan, resume)] : lines
}

function modelLine({ run: { config, options, from }, model, dtype, isLoaded }: TrainingPlan): string {
  const architecture = config.architecture === 'trm' ? '' : `${config.architecture}, `
  const mixing = config.tokenMixing ? 'token-mixing MLP' : 'attention'
  const float16 = dtype === 'f16' ? 'float16, ' : ''
  const count = model.parameters.count.toLocaleString('en')
  const source = isLoaded ? ` of ${from}` : ''
  const frozen = options.freezeNetwork ? ', frozen: puzzle embeddings alone are trained' : ''
  const network = `${architecture}${mixing}, hidden ${config.hidden}, ${float16}${count} parameters${source}${frozen}`
  return `model: ${network}; ${options.steps} steps of ${options.batchSize} slots`
}

/** Why bfloat16 became this precision, where a reader would ask. */
function reasonOf(dtype: Precision, { adapter }: Engine, resume: TrainingState | undefined): string {
  if (resume) return '; the run began with it'
  if (dtype === 'f16') return ''
  return adapter.isSoftware
    ? '; float16 is slower on a software adapter (arch.forward_dtype=float16 asks for it all the same)'
    : '; this adapter has no shader-f16'
}

/** Where a run goes on, and why its bits may differ from now on. */
function resumedLines({ run, model: { engine }, variants }: TrainingPlan, resume: TrainingState): string[] {
  const { steps } = run.options
  const lines = [`resumed at step ${resume.step} of ${steps}`]
  const mayDiffer = 'from here on its bits may be others'
  if (resume.adapter !== engine.adapter.description) lines.push(`the run began on ${resume.adapter}: ${mayDiffer}`)
  const kernels = Object.entries(resume.variants)
  const gone = kernels.find(([key, variant]) => variants[key] !== undefined && variants[key] !== variant)
  if (gone) {
    const [operation, variant] = gone
    const lost = `the run began with the kernel "${variant}" for ${operation}`
    lines.push(`${lost}, which this adapter or version does not run: ${mayDiffer}`)
  }
  if (resume.step >= steps) lines.push('nothing is left to do — --steps N makes the run longer')
  return lines
}

/** A report as a line of progress; `showsDepth` where the depth changes during the training. */
export function progressLine(report: TrainingReport, showsDepth: boolean): string {
  const { step, totalSteps, loss, exactAccuracy, cycles, latentSteps, stepsPerSecond } = report
  const depth = showsDepth ? [`depth ${cycles}×${latentSteps}`] : []
  return [
    `step ${step}/${totalSteps}`,
    `loss ${loss.toFixed(4)}`,
    `exact ${percent(exactAccuracy)}`,
    ...depth,
    `${stepsPerSecond.toFixed(2)} steps/s`,
    `${duration((totalSteps - step) / stepsPerSecond)} left`,
  ].join('  ')
}

/** A report as a row of metrics.jsonl. */
export function reportRow(report: TrainingReport, showsDepth: boolean): Record<string, unknown> {
  const { step, loss, lmLoss, qHaltLoss, qContinueLoss, count, accuracy, exactAccuracy } = report
  const { qHaltAccuracy, steps, learningRate, cycles, latentSteps, lossScale, stepsPerSecond } = report
  return {
    ...{ step, loss, lmLoss, qHaltLoss, qContinueLoss, count, accuracy, exactAccuracy },
    ...{ qHaltAccuracy, steps, learningRate },
    ...(showsDepth ? { cycles, latentSteps } : {}),
    ...lossScale,
    stepsPerSecond,
  }
}

/** An evaluation on the test split as a line. */
export function evaluationLine(step: number, { examples, labelled, exactAccuracy, cellAccuracy }: Evaluation): string {
  if (exactAccuracy === null)
    return `step ${step}: none of ${examples} held-out puzzles has labels: no accuracy, and no best.safetensors`
  const accuracy = `held-out exact accuracy ${percent(exactAccuracy)}, cells ${percent(cellAccuracy)}`
  const puzzles = labelled < examples ? `${labelled} puzzles with labels of ${examples}` : `${labelled} puzzles`
  return `step ${step}: ${accuracy} (${puzzles})`
}

/** An evaluation on the test split as a row of metrics.jsonl. */
export function evaluationRow(
  step: number,
  { examples, labelled, exactAccuracy, cellAccuracy }: Evaluation,
): Record<string, unknown> {
  return {
    step,
    evaluation: { examples, ...(labelled < examples ? { labelled } : {}), exactAccuracy, cellAccuracy },
  }
}

/** What is left to go on from after a failure; `savedAt` is the step of the checkpoint. */
export function remainsLine(savedAt: number | undefined): string {
  return savedAt === undefined
    ? 'no checkpoint was written yet, so begin again'
    : `the checkpoint of step ${savedAt} is whole: "trm train --resume" goes on from there`
}
