// silu(gate) ⊙ up with [gate | up] = W · x: a layer and its activation.
// Both are one kernel if nothing needs gate and up afterwards.
import type { Gated, MatmulSize } from '../../kernels/matmul.js'
import { swiglu as swigluKernel } from '../../kernels/swiglu.js'
import type { Tensor } from '../tensor.js'
import type { Family, Variant } from '../variants.js'
import { linear } from './linear.js'
import { MIN_WORKGROUPS, matmul, matmulFamily, type MatmulTensors, whole } from './matmul.js'
import { swiglu } from './swiglu.js'

export interface GatedSize extends MatmulSize {
  gated: Gated
}

const inSize = ({ m, n, batch = 1 }: MatmulSize) => m * n * batch

const tiled = (side: number): Variant<MatmulTensors, GatedSize> => ({
  ...whole(side),
  // The same rule as for the product alone: whole tiles, and enough of them.
  suits: size =>
    (side === 64 && size.m > 16) || (size.m > 64 && size.n > 64 && inSize(size) >= MIN_WORKGROUPS * 128 ** 2),
})

const composed: Variant<MatmulTensors, GatedSize> = {
  name: 'composed',
  available: () => true,
  apply(engine, { a, b, c }, { gated, ...size }) {
    const both = engine.tensor([inSize(size)], c.dtype)
    matmul({ a, b, c: both }, size)
    const { m, n, batch = 1 } = size
    engine.dispatch(
      swigluKernel,
      { x: both, y: c },
      gated === 'columns' ? { rows: batch * m, half: n / 2 } : { rows: batch, half: (m / 2) * n },
    )
    engine.release(both)
  },
}

/** a and b are those of the product; c is half as large as the product. The size is the product's. Not recorded. */
export const gatedFamily: Family<MatmulTensors, GatedSize> = {
  name: 'gated',
  variants: [tiled(128), tiled(64), composed],
  classOf: size => `${size.gated} ${matmulFamily.classOf(size)}`,
  sample(engine, size) {
    const { a, b } = matmulFamily.sample(engine, size)
    return { a, b, c: engine.tensor([inSize(size) / 2], size.f16A || size.f16B ? 'f16' : 'f32') }
  },
}

/**
 * `silu(gate) ⊙ up`. Gate and up are the halves of `x · Wᵀ` over the last axis, or of `W · x[b]` over the one before.
 * While gradients are recorded it is `linear` and `swiglu`, as the derivative needs gate and up.
 * @param x shape (…, in), or (batch, in, width) with axis −2
 * @param weight shape (2 · out, in); the gate is the first half
 * @returns shape (…, out), or (batch, out, width)
 * @throws when the shapes do not fit
 */
export function gated(x: Tensor, weight: Tensor, { axis = -1 }: { axis?: -1 | -2 } = {}): Tensor {
  const { engine } = x
  const [both, width] = weight.shape
  if (weight.shape.length !== 2 || both % 2 || x.shape.at(axis) !== width || (axis === -2 && x.shape.length !== 3)) {
    throw new Error(
      `gated: x of shape [${x.shape}] does not fit a weight of shape [${weight.shape}] over axis ${axis}, ` +
        `expected (2 · out, in) and (…, in), or (batch, in, width) with axis −2`,
    )
  }
  if (engine.isRecording) return swiglu(linear(x, weight, { axis }), { axis })
  const c = engine.tensor(x.shape.with(axis, both / 2), x.dtype)
  const [f16X, f16W] = [x.dtype === 'f16', weight.dtype === 'f16']
  if (axis === -1) {
    const size: GatedSize = {
      m: x.size / width,
      n: both,
      k: width,
      transposeB: true,
      gated: 'columns',
      f16A: f16X,
      f16B: f16W,
    }
    engine.variants.pick(gatedFamily, size).apply(engine, { a: x, b: weight, c }, size)
  } else {
    const size: GatedSize = {
      m: both,
      n: x.shape[2],
      k: width,
      batch: x.shape[0],
      sharedA: true,
      gated: 'rows',
      f16A: f16W,
      f16B: f16X,
    }
    engine.variants.pick(gatedFamily, size).apply(engine, { a: weight, b: x, c }, size)
  }
  return c
}
