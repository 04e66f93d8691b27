// Metrics of a step against the golden's log, and how much of them rounding may decide either way.
import { metricsOf } from '../trm/slots.js'
import type { TrmConfig } from '../trm/config.js'
import { rms } from './arrays.js'
import type { Golden } from './golden.js'

/** Fields of the golden's logs that are compared, and the number of the step. */
const COMPARED_METRICS = new Set([
  'step',
  'lr',
  'puzzle_emb_lr',
  'count',
  'exact_accuracy',
  'q_halt_accuracy',
  'steps',
  'accuracy',
  'lm_loss',
  'q_halt_loss',
  'q_continue_loss',
  'loss',
])

/** What may fall either way because rounding decides it. */
export interface Undecided {
  /** How much the sum of the slots' accuracies may differ. */
  accuracy: number
  /** Slots that may or may not halt; 0 in float32. */
  slots: number
  /** Slots that may or may not count as exact, or as rightly judged. */
  exact: number
}

/**
 * Compares the sums of METRICS with the golden's log. Counts may differ by what is undecided; exact accuracy, q_halt
 * accuracy and steps are counts. Losses and shares may differ by the allowed relative error.
 */
export function compareMetrics(
  golden: Golden,
  name: string,
  sums: Float32Array,
  log: Record<string, number>,
  allowed: number,
  { accuracy, slots, exact }: Undecided,
  { supervisionSteps }: TrmConfig,
): void {
  const ours = metricsOf(sums)
  const differ = (field: string, value: number, most: number) =>
    golden.row(`${name}.${field}`, Math.abs(value - log[field]), most)
  const relative = (field: string, value: number) =>
    golden.row(`${name}.${field}`, Math.abs(value / log[field] - 1), allowed)
  differ('count', ours.count, slots)
  differ('exact_accuracy', ours.exactAccuracy, exact)
  differ('q_halt_accuracy', ours.qHaltAccuracy, exact)
  differ('steps', ours.steps, slots * supervisionSteps)
  differ('accuracy', ours.accuracy, slots + accuracy + allowed * log.accuracy)
  relative('lm_loss', ours.lmLoss)
  relative('q_halt_loss', ours.qHaltLoss)
  if ('q_continue_loss' in log) relative('q_continue_loss', ours.qContinueLoss)
  relative('loss', ours.lmLoss + 0.5 * (ours.qHaltLoss + ours.qContinueLoss))
  for (const metric of Object.keys(log))
    if (!COMPARED_METRICS.has(metric)) golden.row(`${name}.${metric} (not recomputed)`, Infinity, 0)
}

/**
 * Counts what is undecided. A labelled cell is, where its label's logit and the best other one are close.
 * In float16 so is a slot whose q_halt is close to 0 or to q_continue.
 * Close means: within `allowed` times the root mean square of the logits.
 */
export function undecided(
  { dtype, config: { cells, vocabulary } }: Golden,
  logits: Float32Array,
  labels: ArrayLike<number>,
  q: Float32Array,
  allowed: number,
): Undecided {
  const close = allowed * rms(logits)
  const closeQ = dtype === 'f16' ? allowed * rms(q) : 0
  const total: Undecided = { accuracy: 0, slots: 0, exact: 0 }
  for (let slot = 0; slot < labels.length / cells; slot++) {
    let [labelled, tied] = [0, 0]
    for (let i = slot * cells; i < (slot + 1) * cells; i++) {
      if (labels[i] < 0) continue
      labelled++
      const row = logits.subarray(i * vocabulary, (i + 1) * vocabulary)
      const [best, second] = row.slice().sort().reverse()
      if (best - second <= close && best - row[labels[i]] <= close) tied++
    }
    total.accuracy += tied / Math.max(labelled, 1)
    if (dtype === 'f32') continue
    const isClose = Math.min(Math.abs(q[2 * slot]), Math.abs(q[2 * slot] - q[2 * slot + 1])) <= closeQ
    total.slots += Number(isClose)
    total.exact += Number(isClose || tied > 0)
  }
  return total
}
