// Dynamic loss scaling: float16 gradients keep their small values, and a step that overflows is skipped, all on the GPU.
import { lossScale, LOSS_SCALE, nonFinite, scale } from '../kernels/loss-scale.js'
import type { Engine } from './engine.js'
import type { Adam, SparseSignSgd } from './optimizer.js'
import type { Tensor } from './tensor.js'

/** Scale to begin with; PyTorch's. */
const INITIAL = 65536

export class LossScaler {
  /** f32, columns as `LOSS_SCALE`: what a resumed training must remember. */
  readonly state: Tensor
  readonly #found: Tensor
  readonly #unused: Tensor

  /** @param interval good steps in a row after which the scale doubles; 2000 by default */
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

  /** Multiplies gradients of the loss by the scale, in place; all that follow from them are scaled then. */
  scale(...gradients: readonly Tensor[]): void {
    for (const x of gradients) this.engine.dispatch(scale, { factor: this.state, x }, { count: x.size })
  }

  /**
   * Looks through all scaled gradients, between the last of them and the optimisers' steps, and lets these take the scale out or skip.
   * The optimisers' numbers of this step must be there.
   * @param more gradients besides those of Adam
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

  /** Lets its memory be reused. */
  release(): void {
    this.engine.release(this.state, this.#found, this.#unused)
  }

  /** The scale of the coming step, and how many steps were skipped so far. Reads back. */
  async read(): Promise<{ scale: number; skippedSteps: number }> {
    const values = await this.engine.read(this.state)
    return { scale: values[LOSS_SCALE.indexOf('scale')], skippedSteps: values[LOSS_SCALE.indexOf('skippedSteps')] }
  }
}
