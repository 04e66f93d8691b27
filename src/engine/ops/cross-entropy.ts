// Mean cross-entropy of logits as a tensor of shares, with its derivative.
import * as kernels from '../../kernels/cross-entropy.js'
import { rowLanes } from '../../kernels/rows.js'
import type { Tensor } from '../tensor.js'

export interface CrossEntropyOptions {
  /** A target that does not count, such as the number of a padding token; negative targets never do. */
  ignore?: number
}

/**
 * `−log softmax(logits)[target] / n` for each target that counts, n of them, and 0 for the others.
 * The sum of the result is the mean cross-entropy, in nats.
 * @param logits shape (…, classes)
 * @param targets i32, of the shape of logits without its last axis, each below the number of classes. They are not
 * checked, as they lie on the GPU: a target of `classes` or more makes the loss 3.4e38
 * @returns f32, of the shape of targets
 * @throws when the shapes do not fit
 */
export function crossEntropy(logits: Tensor, targets: Tensor, { ignore = -1 }: CrossEntropyOptions = {}): Tensor {
  const { engine } = logits
  const width = logits.shape.at(-1) ?? 1
  const rows = logits.size / width
  if (targets.size !== rows || targets.dtype !== 'i32')
    throw new Error(
      `crossEntropy: targets of shape [${targets.shape}] and type ${targets.dtype} do not fit ` +
        `logits of shape [${logits.shape}], expected i32 of shape [${logits.shape.slice(0, -1)}]`,
    )
  const lanes = rowLanes({ width, stride: 1 }, engine.adapter.isSoftware)
  const size = { rows, width, lanes, ignored: ignore }
  const counted = engine.tensor([1])
  const totals = engine.tensor([rows, 2])
  const shares = engine.tensor(targets.shape)
  engine.dispatch(kernels.countTargets, { targets, counted }, size)
  engine.dispatch(kernels.crossEntropy, { logits, targets, counted, totals, shares }, size)
  return engine.record(shares, [logits], dShares => {
    const dLogits = engine.tensor(logits.shape, logits.dtype)
    engine.dispatch(kernels.crossEntropyBackward, { logits, targets, counted, totals, dShares, dLogits }, size)
    return [dLogits]
  })
}
