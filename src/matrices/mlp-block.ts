// The variant of SwiGLU blocks by subgroup matrices. No pass of its own computes the gate or its derivative.
import { add } from '../engine/ops/add.js'
import { layerOf } from '../engine/ops/linear.js'
import { type BlockTensors, composedBlock, type MlpBlockSize } from '../engine/ops/mlp-block.js'
import { rmsnorm } from '../engine/ops/rmsnorm.js'
import type { Tensor } from '../engine/tensor.js'
import type { Variant } from '../engine/variants.js'
import type { Gated, MatmulSize } from '../kernels/matmul.js'
import { matmulGateUp, matmulSwigluBackward } from './matmul-kernels.js'
import { gatedVariants, product, wholeTile } from './matmul.js'

/** The product of gate and up, and the one whose result is the gradient of silu(gate) ⊙ up. */
function productsOf({ batch, length, width, inner, axis }: MlpBlockSize) {
  const f16 = { f16A: true, f16B: true }
  const [toBoth, toInner]: MatmulSize[] =
    axis === -1
      ? [
          { m: batch * length, n: 2 * inner, k: width, transposeB: true },
          { m: batch * length, n: inner, k: width },
        ]
      : [
          { m: 2 * inner, n: width, k: length, batch, sharedA: true },
          { m: inner, n: width, k: length, transposeA: true, batch, sharedA: true },
        ]
  const along: Gated = axis === -1 ? 'columns' : 'rows'
  return { forward: { ...toBoth, ...f16, gated: along }, backward: { ...toInner, ...f16, halves: along } }
}

/** The block by these kernels, with tiles of this size. */
export const blockVariant = (
  name: string,
  kernels: { gateUp: typeof matmulGateUp; swigluBackward: typeof matmulSwigluBackward },
  tileOf: typeof wholeTile,
): Pick<Variant<BlockTensors, MlpBlockSize, Tensor>, 'name' | 'apply'> => ({
  name,
  apply(engine, tensors, size) {
    const { h, injection, gateUp, down, into } = tensors
    const { axis, inner, epsilon } = size
    // Weights of float32 keep their digits.
    if (gateUp.dtype !== 'f16' || down.dtype !== 'f16') return composedBlock.apply(engine, tensors, size)
    const products = productsOf(size)
    const tile = (product: MatmulSize) => tileOf(engine.adapter, product)
    /** The weight of a layer and its input as the operands of a product. */
    const operands = (weight: Tensor, x: Tensor) => (axis === -1 ? { a: x, b: weight } : { a: weight, b: x })
    const s = injection ? add(h, injection) : h
    const both = engine.tensor(h.shape.with(axis, 2 * inner), 'f16')
    const active = engine.tensor(h.shape.with(axis, inner), 'f16')
    const f = engine.tensor(h.shape, 'f16')
    const [toBoth, toF] = [layerOf(gateUp, s, axis), layerOf(down, active, axis)]
    product(
      engine,
      { ...operands(gateUp, s), c: active, both },
      { ...products.forward, ...tile(products.forward) },
      kernels.gateUp,
    )
    toF.forward(active, f)
    // Only these two operations read `active`, and it never leaves: the tape keeps the gradient of gate and up for it.
    engine.record(active, [s, gateUp], dBoth => [
      (into, accumulate) => toBoth.toInput(dBoth, into, accumulate),
      (into, accumulate) => toBoth.toWeight(dBoth, s, into, accumulate),
    ])
    engine.record(f, [active, down], (df, [isWanted]) => {
      if (isWanted)
        product(
          engine,
          { ...operands(down, df), c: both },
          { ...products.backward, ...tile(products.backward) },
          kernels.swigluBackward,
        )
      return [both, (into, accumulate) => toF.toWeight(df, active, into, accumulate)]
    })
    return rmsnorm(f, { residual: s, axis, epsilon, into })
  },
})

/** Rows of gate, up and silu(gate) ⊙ up must have a multiple of 8 elements. */
const isAligned = ({ axis, inner, width }: MlpBlockSize) => (axis === -1 ? inner : width) % 8 === 0

/** For steps that record: others do not store gate and up. */
export const mlpBlockMatrices: Variant<BlockTensors, MlpBlockSize, Tensor> = {
  ...blockVariant('matrices', { gateUp: matmulGateUp, swigluBackward: matmulSwigluBackward }, wholeTile),
  onlyHardware: true,
  available: (adapter, size) =>
    size.recorded &&
    size.f16 &&
    isAligned(size) &&
    gatedVariants.some(({ available }) => available(adapter, productsOf(size).forward)),
  suits: size => gatedVariants.some(({ suits }) => suits!(productsOf(size).forward)),
}
