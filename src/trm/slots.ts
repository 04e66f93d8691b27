// The slots of a batch under deep supervision, on the GPU: a slot holds a puzzle and its carry until it halts.
import { embedding, type Engine, type Tensor } from '../engine/index.js'
import { continueTarget, halt, METRICS, resetState, swapData } from '../kernels/slots.js'
import { SLOT_RESULTS, supervisionLoss } from '../kernels/supervision-loss.js'
import type { Carry, Outputs, Trm } from './model.js'

/** B puzzles with their labels; as `Batch` of webgpu-trm/data. */
export interface Puzzles {
  /** Token ids, (B × cells). */
  inputs: Int32Array
  /** Token ids, (B × cells); −100: not scored. */
  labels: Int32Array
  /** Rows of the puzzle embedding, (B). */
  puzzleIds: Int32Array
}

/** What the loss kernel computes: gradients of the heads' outputs, and results per slot. */
export interface LossOutputs {
  /** (slots, L, vocabulary) */
  dLogits: Tensor
  /** (slots, 2) */
  dQ: Tensor
  /** Token ids, i32 (slots, cells). */
  predictions: Tensor
  /** (slots, 7), columns as `SLOT_RESULTS`. */
  results: Tensor
}

export type LossType = 'stablemax' | 'softmax'

export class Slots {
  readonly carry: Carry
  readonly steps: Tensor
  readonly halted: Tensor
  readonly inputs: Tensor
  readonly labels: Tensor
  readonly puzzleIds: Tensor
  /** The new batch's rows: [inputs | labels | puzzle id]. */
  readonly #offered: Tensor
  readonly #numbers: Tensor
  readonly #engine: Engine

  /** `count` halted slots, which are numbers `first` … of the whole batch. */
  constructor(
    private readonly model: Trm,
    readonly count: number,
    readonly first = 0,
  ) {
    const { engine, config, length } = model
    this.#engine = engine
    this.carry = model.carryOf(state => engine.lasting([count, length, config.hidden], model.dtype, `carry ${state}`))
    this.steps = engine.zeros([count], 'u32')
    this.halted = engine.from(new Uint32Array(count).fill(1))
    this.inputs = engine.zeros([count, config.cells], 'i32')
    this.labels = engine.zeros([count, config.cells], 'i32')
    this.puzzleIds = engine.zeros([count], 'i32')
    this.#offered = engine.zeros([count, 2 * config.cells + 1], 'i32')
    this.#numbers = engine.from(Uint32Array.from({ length: count }, (_, i) => first + i))
  }

  /** Uploads this chunk's rows of a batch, for `restart` to give to halted slots. This is a host write. */
  offer({ inputs, labels, puzzleIds }: Puzzles): void {
    const { cells } = this.model.config
    const rows = new Int32Array(this.count * (2 * cells + 1))
    for (let i = 0; i < this.count; i++) {
      const at = i * (2 * cells + 1)
      const slot = this.first + i
      rows.set(inputs.subarray(slot * cells, (slot + 1) * cells), at)
      rows.set(labels.subarray(slot * cells, (slot + 1) * cells), at + cells)
      rows[at + 2 * cells] = puzzleIds[slot]
    }
    this.model.engine.write(this.#offered, rows)
  }

  /** Halts all slots: the next restart fills all of them. */
  haltAll(): void {
    this.model.engine.write(this.halted, new Uint32Array(this.count).fill(1))
  }

  /** Halted slots take the puzzle that was offered and the start states. */
  restart(): void {
    const { engine, length, config, starts } = this.model
    const { halted, inputs, labels, puzzleIds, steps, carry, count } = this
    const size = { slots: count, length, width: config.hidden }
    for (const [name, state] of Object.entries(carry))
      engine.dispatch(resetState, { halted, start: starts[name], state }, size)
    engine.dispatch(
      swapData,
      { halted, offered: this.#offered, inputs, labels, puzzleIds, steps },
      { slots: count, cells: config.cells },
    )
  }

  /** The slots' rows of the puzzle table, (count, puzzleWidth). */
  puzzleRows(): Tensor | undefined {
    const { puzzleTable } = this.model
    return puzzleTable && embedding(puzzleTable, this.puzzleIds)
  }

  /** A supervision step without gradient: overwrites the carry. @returns what the heads read off it */
  advance(): Outputs {
    const { model, carry } = this
    model.withoutGradient(carry, model.embed(this.inputs, this.puzzleRows()), model.config.cycles)
    return model.heads(carry.y)
  }

  /**
   * Targets of q_continue, where the architecture trains it: they come from the q of one more supervision step.
   * It needs the carry that `beforeGradient` left, and does not change it.
   * @param x the embedded input
   * @param model the model of the slots, or the same at another depth
   * @returns (count)
   */
  continueTargets(x: Tensor, model = this.model): Tensor | undefined {
    const { carry, count, steps } = this
    const { engine, config, recursion } = model
    if (!recursion.trainsContinue || config.supervisionSteps === 1) return undefined
    const targets = engine.tensor([count])
    engine.scope(() => {
      // Nothing records here: this ends the supervision step in new tensors, then takes one more step.
      const next = model.withGradient(carry, x)
      model.withoutGradient(next, x, config.cycles)
      engine.dispatch(
        continueTarget,
        { nextQ: model.heads(next.y).q, steps, targets },
        { slots: count, maxSteps: config.supervisionSteps },
      )
    })
    return targets
  }

  /**
   * Compares the heads' outputs with the slots' labels.
   * @param scale multiplies the gradients
   * @param targets of q_continue, where it is trained
   */
  loss({ logits, q }: Outputs, type: LossType, scale: number, targets?: Tensor): LossOutputs {
    const { engine, config, prefix } = this.model
    const { count, labels } = this
    const outputs: LossOutputs = {
      dLogits: engine.tensor(logits.shape),
      dQ: engine.tensor(q.shape),
      predictions: engine.tensor([count, config.cells], 'i32'),
      results: engine.tensor([count, SLOT_RESULTS.length]),
    }
    const size = {
      batch: count,
      cells: config.cells,
      prefix,
      vocabulary: config.vocabulary,
      stablemax: type === 'stablemax',
      trainsContinue: targets !== undefined,
      scale,
    }
    engine.dispatch(supervisionLoss, { logits, q, labels, targets: targets ?? q, ...outputs }, size)
    return outputs
  }

  /** Counts the step, decides which slots halt, and adds to the metrics. */
  halt(q: Tensor, results: Tensor, clock: Tensor, metrics: Tensor, training: boolean): void {
    const { engine, config, recursion } = this.model
    const { steps, halted, count } = this
    const size = {
      slots: count,
      maxSteps: config.supervisionSteps,
      exploration: config.exploration,
      training,
      aboveContinue: recursion.haltsAbove === 'continue',
    }
    engine.dispatch(halt, { q, results, clock, numbers: this.#numbers, steps, halted, metrics }, size)
  }

  /** Gives back the memory of the slots and of `more` tensors. */
  release(...more: Tensor[]): void {
    const { carry, steps, halted, inputs, labels, puzzleIds } = this
    this.#engine.release(
      ...Object.values(carry),
      steps,
      halted,
      inputs,
      labels,
      puzzleIds,
      this.#offered,
      this.#numbers,
      ...more,
    )
  }
}

/** A tensor for the sums of `METRICS`. */
export function metricsTensor(engine: Engine): Tensor {
  return engine.zeros([METRICS.length])
}

/** The sums of a tensor of `metricsTensor`, by name. */
export const metricsOf = (sums: Float32Array): Record<(typeof METRICS)[number], number> =>
  Object.fromEntries(METRICS.map((name, i) => [name, sums[i]])) as Record<(typeof METRICS)[number], number>
