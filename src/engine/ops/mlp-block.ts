// A SwiGLU block with residual and norm, rms(s + down(silu(gate) · up)) with s = h + injection, with its derivative.
import { type MlpBlockSize, mlpBlockColumnsBackward, mlpBlockColumnsBackwardWeights, mlpBlockKernel } from '../../kernels/mlp-block.js'
import { rmsnorm, rmsnormBackward, rowLanes } from '../../kernels/rmsnorm.js'
import { swiglu, swigluBackward } from '../../kernels/swiglu.js'
import type { Engine } from '../engine.js'
import type { Gradient } from '../tape.js'
import type { Shape, Tensor } from '../tensor.js'
import type { Family, Variant } from '../variants.js'
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
  readonly scale: Tensor
  /** What the derivative needs; any small tensors of their own where nothing is kept. */
  readonly gatesUps: Tensor
  readonly activated: Tensor
}

const dtypeOf = ({ half }: MlpBlockSize) => (half ? 'f16' : 'f32')

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

const fused: Variant<BlockTensors, MlpBlockSize> = {
  name: 'fused',
  available: (adapter, size) => !size.half && hasDearLoads(adapter) && mlpBlockKernel(size) !== undefined,
  run: (engine, tensors, size) => engine.run(mlpBlockKernel(size)!, tensors, size),
}

export const mlpBlockFamily: Family<BlockTensors, MlpBlockSize> = {
  name: 'mlp block',
  variants: [
    ...(FOR_BROWSERS ? [] : [fused]),
    {
      name: 'composed',
      available: () => true,
      run(engine, { h, injection, gateUp, down, y, scale, ...kept }, size) {
        const { norm, gating, inward, layer } = partsOf(engine, size)
        const s = size.hasInjection ? add(engine, h, injection) : h
        const activated = size.keeps ? kept.activated : engine.tensor(inward, h.dtype)
        const o = engine.tensor(h.shape, h.dtype)
        if (size.keeps) {
          layer(gateUp).forward(s, kept.gatesUps)
          engine.run(swiglu, { x: kept.gatesUps, y: activated }, gating)
        } else layer(gateUp).gated(s, activated)
        layer(down).forward(activated, o)
        engine.run(rmsnorm, { x: o, residual: s, y, scale }, { ...norm, epsilon: size.epsilon, hasResidual: true })
        engine.release(o, ...(size.hasInjection ? [s] : []), ...(size.keeps ? [] : [activated]))
      },
    },
  ],
  classOf: ({ batch, length, width, inner, axis, keeps, half }) => `${half ? 'f16 ' : ''}${batch}×${length}×${width} by ${inner} axis ${axis}${keeps ? ' kept' : ''}`,
  sample(engine, size) {
    const { batch, length, width, inner, axis } = size
    const dtype = dtypeOf(size)
    const { norm, inward, outward } = partsOf(engine, size)
    const over = axis === -1 ? width : length
    const [h, injection, y] = [0, 1, 2].map(() => engine.tensor([batch, length, width], dtype))
    return { h, injection, y, gateUp: engine.tensor([2 * inner, over], dtype), down: engine.tensor([over, inner], dtype), scale: engine.tensor([norm.rows]), gatesUps: engine.tensor(outward, dtype), activated: engine.tensor(inward, dtype) }
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
  const isRecorded = engine.isRecording
  const hasInjection = injection !== undefined && !isRecorded && axis === -2
  if (injection && !hasInjection) h = add(engine, h, injection)
  const s = h
  const shape = { batch, length, width, inner, axis, hasInjection, epsilon, keeps: isRecorded, half: s.dtype === 'f16' }
  const variant = engine.variants.pick(mlpBlockFamily, shape)
  const recomputes = !FOR_BROWSERS && variant === fused && axis === -2
  const size: MlpBlockSize = { ...shape, keeps: isRecorded && !recomputes }
  const { norm, inward, outward } = partsOf(engine, size)
  const y = into ?? engine.tensor(s.shape, s.dtype)
  const scale = engine.tensor([norm.rows])
  const [gatesUps, activated] = (size.keeps ? [outward, inward] : [[1], [1]]).map(shape => engine.tensor(shape, s.dtype))
  variant.run(engine, { h: s, injection: injection ?? down, gateUp, down, y, scale, gatesUps, activated }, size)
  if (!size.keeps) engine.release(gatesUps, activated)
  if (!isRecorded) engine.release(scale)
  return engine.record(y, [gateUp, down, s], (dy, wanted) => {
    const ds = engine.tensor(s.shape, s.dtype)
    engine.run(rmsnormBackward, { y, scale, dy, ds }, norm)
    return (!FOR_BROWSERS && recomputes ? recomputedGradients : keptGradients)(engine, { s, ds, gateUp, down, gatesUps, activated }, size, wanted)
  })
}

interface DerivativeTensors {
  s: Tensor
  ds: Tensor
  gateUp: Tensor
  down: Tensor
  gatesUps: Tensor
  activated: Tensor
}

/** Gradients of gateUp, down and s from what the forward computation kept. */
function keptGradients(engine: Engine, { s, ds, gateUp, down, gatesUps, activated }: DerivativeTensors, size: MlpBlockSize): Gradient[] {
  const { gating, inward, outward, layer } = partsOf(engine, size)
  const dActivated = engine.tensor(inward, s.dtype)
  const dGatesUps = engine.tensor(outward, s.dtype)
  layer(down).toInput(ds, dActivated, false)
  engine.run(swigluBackward, { x: gatesUps, dy: dActivated, dx: dGatesUps }, gating)
  engine.release(dActivated)
  return [
    (into, accumulate) => layer(gateUp).toWeight(dGatesUps, s, into, accumulate),
    (into, accumulate) => layer(down).toWeight(ds, activated, into, accumulate),
    (into, accumulate) => {
      if (accumulate || into.dtype !== ds.dtype) addTo(engine, into, ds, accumulate)
      else engine.copy(ds, into)
      layer(gateUp).toInput(dGatesUps, into, true)
      engine.release(ds, dGatesUps)
    },
  ]
}

/** Gradients of gateUp, down and s by the kernels that compute again what lies between. */
function recomputedGradients(engine: Engine, { s, ds, gateUp, down }: DerivativeTensors, size: MlpBlockSize, wanted: readonly boolean[]): Gradient[] {
  const aims: [into: Tensor, accumulate: boolean][] = []
  // One kernel gives the gradients of both weights: it runs when both places are known.
  const aim = (index: number) => (into: Tensor, accumulate: boolean) => {
    aims[index] = [into, accumulate]
    const other = 1 - index
    if (wanted[other] && !aims[other]) return
    const [[dGateUp, accumulateGateUp], [dDown, accumulateDown]] = [gateUp, down].map(({ shape }, i) => aims[i] ?? [engine.tensor(shape), false])
    engine.run(mlpBlockColumnsBackwardWeights, { s, ds, gateUp, down, dGateUp, dDown }, { ...size, accumulateGateUp, accumulateDown })
  }
  return [
    aim(0),
    aim(1),
    (into, accumulate) => {
      engine.run(mlpBlockColumnsBackward, { s, ds, gateUp, down, dS: into }, { ...size, accumulate })
      engine.release(ds)
    },
  ]
}
