// Dynamic loss scaling on the GPU: float16 gradients keep their small values, and a step that overflows is skipped.
import { lossScale, LOSS_SCALE, nonFinite, scale } from '../kernels/loss-scale.js'
import type { Engine } from './engine.js'
import type { Adam, SparseSignSgd } from './optimizer.js'
import type { Tensor } from './tensor.js'

/** The first scale, as in PyTorch. */
const INITIAL = 65536

export class LossScaler {
  /** f32, columns as `LOSS_SCALE`. A resumed training needs it. */
  readonly state: Tensor
  readonly #found: Tensor
  readonly #unused: Tensor

  /** @param interval finite steps in a row after which the scale doubles. Default 2000 */
  constructor(
    private readonly engine: Engine,
    private readonly adam: Adam,
    private readonly sparse?: SparseSignSgd,
    private readonly interval?: number,
  ) {
    this.state = engine.from(Float32Array.of(INITIAL, 0, 1, 1, 0), [LOSS_SCALE.length], 'loss scale')
    this.#found = engine.zeros([1], 'u32')
    this.#unused = engine.zeros([3])
  }

  /** Multiplies gradients of the loss by the scale, in place. All gradients that follow from them are scaled too. */
  scale(...gradients: readonly Tensor[]): void {
    for (const x of gradients) this.engine.dispatch(scale, { factor: this.state, x }, { count: x.size })
  }

  /**
   * Looks for overflow in all scaled gradients, and tells the optimisers to divide by the scale or to skip the step.
   * Call it after the last gradient and after the optimisers' `prepare`, and before their `step`.
   * @param more gradients, in addition to those of Adam
   */
  check(...more: readonly Tensor[]): void {
    const { engine, adam, sparse, state } = this
    const found = this.#found
    for (const x of [adam.gradients.flat, ...more]) engine.dispatch(nonFinite, { x, found }, { count: x.size })
    const { beta1, beta2 } = adam.options
    engine.dispatch(
      lossScale,
      { found, state, schedule: adam.schedule.tensor, puzzleSchedule: sparse?.schedule.tensor ?? this.#unused },
      { beta1, beta2, interval: this.interval },
    )
  }

  /** Gives its memory back. */
  release(): void {
    this.engine.release(this.state, this.#found, this.#unused)
  }

  /** The scale of the coming step, and the number of skipped steps so far. It reads back. */
  async read(): Promise<{ scale: number; skippedSteps: number }> {
    const values = await this.engine.read(this.state)
    return { scale: values[LOSS_SCALE.indexOf('scale')], skippedSteps: values[LOSS_SCALE.indexOf('skippedSteps')] }
  }
}
