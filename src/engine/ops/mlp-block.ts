// A SwiGLU block with residual and norm, rms(s + down(silu(gate) · up)) with s = h + injection, with its derivative.
import { type MlpBlockSize, mlpBlockKernel } from '../../kernels/mlp-block.js'
import { rmsnorm, rmsnormBackward, rowLanes } from '../../kernels/rmsnorm.js'
import { swiglu, swigluBackward } from '../../kernels/swiglu.js'
import type { Engine } from '../engine.js'
import type { Shape, Tensor } from '../tensor.js'
import type { Family } from '../variants.js'
import { add, addTo } from './add.js'
import { columnLayer, type Layer, rowLayer } from './linear.js'
import { hasDearLoads } from './matmul.js'

export interface MlpBlockOptions {
  /** Added to h first; of its shape. */
  injection?: Tensor
  /** Axis that the block works on: the last one, or the positions before it. */
  axis: -1 | -2
  /** Added to the mean square in the norm. */
  epsilon: number
  /** Receives the result instead of a new tensor; not h, not the injection. */
  into?: Tensor
}

interface BlockTensors {
  readonly [name: string]: Tensor
  readonly h: Tensor
  /** Any tensor where there is none. */
  readonly injection: Tensor
  readonly gateUp: Tensor
  readonly down: Tensor
  readonly y: Tensor
  /** What the derivative needs; any small tensors of their own where it is not wanted. */
  readonly scale: Tensor
  readonly gatesUps: Tensor
  readonly activated: Tensor
}

/** How the parts see a block of this size. */
function partsOf(engine: Engine, { batch, length, width, inner, axis }: MlpBlockSize) {
  const [over, beside] = axis === -1 ? [width, 1] : [length, width]
  const rows = (batch * length * width) / over
  const inward: Shape = axis === -1 ? [batch, length, inner] : [batch, inner, width]
  return {
    layer: (weight: Tensor): Layer => (axis === -1 ? rowLayer(engine, weight, rows) : columnLayer(engine, weight, batch, width)),
    inward,
    outward: (axis === -1 ? [batch, length, 2 * inner] : [batch, 2 * inner, width]) as Shape,
    norm: { rows, width: over, inner: beside, lanes: rowLanes({ width: over, inner: beside }, engine.adapter.isSoftware) },
    gating: axis === -1 ? { rows: batch * length, inner } : { rows: batch, inner: inner * width },
  }
}

export const mlpBlockFamily: Family<BlockTensors, MlpBlockSize> = {
  name: 'mlp block',
  variants: [
    {
      name: 'fused',
      available: (adapter, size) => hasDearLoads(adapter) && mlpBlockKernel(size) !== undefined,
      run: (engine, tensors, size) => engine.run(mlpBlockKernel(size)!, tensors, size),
    },
    {
      name: 'composed',
      available: () => true,
      run(engine, { h, injection, gateUp, down, y, ...kept }, size) {
        const { norm, gating, inward, outward, layer } = partsOf(engine, size)
        const s = size.hasInjection ? add(engine, h, injection) : h
        const [gatesUps, activated, scale] = size.keeps ? [kept.gatesUps, kept.activated, kept.scale] : [engine.tensor(outward), engine.tensor(inward), engine.tensor([norm.rows])]
        const o = engine.tensor(h.shape)
        layer(gateUp).forward(s, gatesUps)
        engine.run(swiglu, { x: gatesUps, y: activated }, gating)
        layer(down).forward(activated, o)
        engine.run(rmsnorm, { x: o, residual: s, y, scale }, { ...norm, epsilon: size.epsilon, hasResidual: true })
        engine.release(o, ...(size.hasInjection ? [s] : []), ...(size.keeps ? [] : [gatesUps, activated, scale]))
      },
    },
  ],
  classOf: ({ batch, length, width, inner, axis, keeps }) => `${batch}×${length}×${width} by ${inner} axis ${axis}${keeps ? ' kept' : ''}`,
  sample(engine, size) {
    const { batch, length, width, inner, axis } = size
    const { norm, inward, outward } = partsOf(engine, size)
    const over = axis === -1 ? width : length
    const [h, injection, y] = [0, 1, 2].map(() => engine.tensor([batch, length, width]))
    return { h, injection, y, gateUp: engine.tensor([2 * inner, over]), down: engine.tensor([over, inner]), scale: engine.tensor([norm.rows]), gatesUps: engine.tensor(outward), activated: engine.tensor(inward) }
  },
}

/**
 * @param h shape (batch, length, width)
 * @param gateUp shape (2 · inner, n), n being width with axis −1, length with axis −2; the gate is the first half
 * @param down shape (n, inner)
 * @returns h's shape
 */
export function mlpBlock(engine: Engine, h: Tensor, gateUp: Tensor, down: Tensor, { injection, axis, epsilon, into }: MlpBlockOptions): Tensor {
  const [batch, length, width] = h.shape
  const over = axis === -1 ? width : length
  const inner = down.shape[1]
  if (h.shape.length !== 3 || gateUp.shape[0] !== 2 * inner || gateUp.shape[1] !== over || down.shape[0] !== over) {
    throw new Error(`mlpBlock: h of shape [${h.shape}] does not fit weights of shapes [${gateUp.shape}] and [${down.shape}] over axis ${axis}, expected (batch, length, width), (2 · inner, ${over}) and (${over}, inner)`)
  }
  const keeps = engine.isRecording
  if (injection && keeps) h = add(engine, h, injection)
  const size: MlpBlockSize = { batch, length, width, inner, axis, hasInjection: injection !== undefined && !keeps, epsilon, keeps }
  const { norm, gating, inward, outward, layer } = partsOf(engine, size)
  const y = into ?? engine.tensor(h.shape)
  const [scale, gatesUps, activated] = (keeps ? [[norm.rows], outward, inward] : [[1], [1], [1]]).map(shape => engine.tensor(shape))
  engine.variants.pick(mlpBlockFamily, size).run(engine, { h, injection: injection ?? down, gateUp, down, y, scale, gatesUps, activated }, size)
  if (!keeps) engine.release(scale, gatesUps, activated)
  const s = h
  return engine.record(y, [down, gateUp, s], dy => {
    const ds = engine.tensor(s.shape)
    engine.run(rmsnormBackward, { y, scale, dy, ds }, norm)
    const dActivated = engine.tensor(inward)
    layer(down).toInput(ds, dActivated, false)
    const dGatesUps = engine.tensor(outward)
    engine.run(swigluBackward, { x: gatesUps, dy: dActivated, dx: dGatesUps }, gating)
    engine.release(dActivated)
    return [
      (into, accumulate) => layer(down).toWeight(ds, activated, into, accumulate),
      (into, accumulate) => layer(gateUp).toWeight(dGatesUps, s, into, accumulate),
      (into, accumulate) => {
        if (accumulate) addTo(engine, into, ds, true)
        else engine.copy(ds, into)
        layer(gateUp).toInput(dGatesUps, into, true)
        engine.release(ds, dGatesUps)
      },
    ]
  })
}
