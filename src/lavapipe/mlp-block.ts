// A SwiGLU block with residual and norm in one dispatch on lavapipe, over either axis, with its derivative.
import columns from '../../shaders/lavapipe/mlp_block_columns.wgsl'
import columnsBackward from '../../shaders/lavapipe/mlp_block_columns_backward.wgsl'
import columnsBackwardWeights from '../../shaders/lavapipe/mlp_block_columns_backward_weights.wgsl'
import rows from '../../shaders/lavapipe/mlp_block_rows.wgsl'
import { addTo } from '../engine/accumulate.js'
import type { Engine } from '../engine/engine.js'
import { add } from '../engine/ops/add.js'
import { rowLayer } from '../engine/ops/linear.js'
import type { BlockTensors, MlpBlockSize } from '../engine/ops/mlp-block.js'
import type { Backward, Gradient } from '../engine/tape.js'
import type { Tensor } from '../engine/tensor.js'
import type { Variant } from '../engine/variants.js'
import { defineKernel, divideUp, fill, grid } from '../kernels/kernel.js'
import { rmsnormBackward } from '../kernels/rmsnorm.js'
import { rowLanes } from '../kernels/rows.js'
import { swigluBackward } from '../kernels/swiglu.js'
import { isLavapipe } from './adapter.js'
import { runByTextures, TEXELS, TEXELS_PER_ROW } from './textures.js'

/** Values of the lines of the kernels over the positions. */
const lengthLines = ({ length }: MlpBlockSize) => ({ TEXELS_PER_ROW, LENGTH: length, PARTS: divideUp(length, 8) })
const tiles = ({ batch, width }: MlpBlockSize) => (batch * width) / 32

/** Rows that a subgroup owns. */
const ROWS = 16

const rowTiles = (size: MlpBlockSize) => divideUp(size.batch * size.length, ROWS)

/** The block over the positions, in registers: at most 24 positions, a multiple of 32 columns. */
const columnsKernel = defineKernel<MlpBlockSize & { hasInjection: boolean }>({
  name: 'mlp_block_columns',
  source: size => fill(columns, { EPSILON: size.epsilon, ...lengthLines(size) }),
  bindings: { h: TEXELS, injection: TEXELS, gateUp: TEXELS, down: TEXELS, y: 'write', rstd: 'write' },
  uniforms: size => ({
    length: size.length,
    width: size.width,
    inner: size.inner,
    groups: tiles(size),
    has_injection: Number(size.hasInjection),
  }),
  constants: () => ({}),
  workgroups: size => grid(tiles(size)),
})

/** The gradient of s from ds, the gradient of the norm's input: the residual's share and the layers' share together. */
const columnsBackwardKernel = defineKernel<MlpBlockSize & { accumulate: boolean }>({
  name: 'mlp_block_columns_backward',
  source: size => fill(columnsBackward, lengthLines(size)),
  bindings: { s: TEXELS, ds: TEXELS, gateUp: TEXELS, down: TEXELS, dS: 'write' },
  uniforms: size => ({
    length: size.length,
    width: size.width,
    inner: size.inner,
    groups: tiles(size),
    accumulate: Number(size.accumulate),
  }),
  constants: () => ({}),
  workgroups: size => grid(tiles(size)),
})

const columnsBackwardWeightsKernel = defineKernel<
  MlpBlockSize & { accumulateGateUp: boolean; accumulateDown: boolean }
>({
  name: 'mlp_block_columns_backward_weights',
  source: size => fill(columnsBackwardWeights, lengthLines(size)),
  bindings: { s: TEXELS, ds: TEXELS, gateUp: TEXELS, down: TEXELS, dGateUp: 'write', dDown: 'write' },
  uniforms: size => ({
    length: size.length,
    width: size.width,
    inner: size.inner,
    tiles: tiles(size),
    accumulate_gate_up: Number(size.accumulateGateUp),
    accumulate_down: Number(size.accumulateDown),
  }),
  constants: () => ({}),
  workgroups: size => grid(size.inner / 4),
})

/** The block over the last axis: 32, 64, 96 or 128 columns. If `recorded`, it stores gate, up and silu(gate) · up. */
const rowsKernel = defineKernel<MlpBlockSize>({
  name: 'mlp_block_rows',
  source: size => fill(rows, { TEXELS_PER_ROW, EPSILON: size.epsilon, ROWS, GROUPS: ROWS / 8, SETS: size.width / 32 }),
  bindings: {
    h: TEXELS,
    gateUp: TEXELS,
    down: TEXELS,
    y: 'write',
    rstd: 'write',
    gatesUps: 'write',
    activated: 'write',
  },
  uniforms: size => ({
    rows: size.batch * size.length,
    inner: size.inner,
    groups: rowTiles(size),
    keeps: Number(size.recorded),
  }),
  constants: () => ({}),
  workgroups: size => grid(rowTiles(size)),
})

/** Whether a kernel computes this size in one dispatch. */
function fits({ axis, length, width, inner }: MlpBlockSize): boolean {
  if (width % 32) return false
  return axis === -2 ? length <= 24 && inner % 4 === 0 : width <= 128 && inner % 32 === 0
}

export const mlpBlockTextures: Variant<BlockTensors, MlpBlockSize, Tensor> = {
  name: 'textures',
  available: (adapter, size) => !size.f16 && isLavapipe(adapter) && fits(size),
  apply: (engine, tensors, size) => (size.axis === -2 ? runColumns : runRows)(engine, tensors, size),
}

/** The gradient of the norm's input, which is also the residual's share in the gradient of s. */
function throughNorm(
  engine: Engine,
  { y, rstd, dy }: Record<'y' | 'rstd' | 'dy', Tensor>,
  { batch, length, width, axis }: MlpBlockSize,
): Tensor {
  const ds = engine.tensor(y.shape)
  const [normed, stride] = axis === -1 ? [width, 1] : [length, width]
  const norm = { rows: (batch * length * width) / normed, width: normed, stride }
  engine.dispatch(rmsnormBackward, { y, rstd, dy, ds }, { ...norm, lanes: rowLanes(norm, true) })
  return ds
}

/** The block over the positions. The derivative computes gate and up again. */
function runColumns(engine: Engine, { h, injection, gateUp, down, into }: BlockTensors, size: MlpBlockSize): Tensor {
  const { batch, width, recorded } = size
  const isAdded = injection !== undefined && recorded
  const s = isAdded ? add(h, injection) : h
  const y = into ?? engine.tensor(h.shape)
  const rstd = engine.tensor([batch * width])
  const hasInjection = injection !== undefined && !isAdded
  runByTextures(
    engine,
    columnsKernel,
    { h: s, injection: injection ?? down, gateUp, down, y, rstd },
    { ...size, hasInjection },
  )
  if (!recorded) engine.release(rstd)
  return engine.record(y, [gateUp, down, s], recomputing(engine, { s, y, rstd, gateUp, down }, size))
}

/** The gradients of gateUp, down and s, by kernels that compute gate and up again. */
function recomputing(
  engine: Engine,
  { s, y, rstd, gateUp, down }: Record<'s' | 'y' | 'rstd' | 'gateUp' | 'down', Tensor>,
  size: MlpBlockSize,
): Backward {
  return (dy, wanted) => {
    const ds = throughNorm(engine, { y, rstd, dy }, size)
    const targets: [into: Tensor, accumulate: boolean][] = []
    // One kernel computes the gradients of both weights: it runs as soon as both targets are known.
    const toWeight =
      (index: number): Gradient =>
      (into, accumulate) => {
        targets[index] = [into, accumulate]
        const other = 1 - index
        if (wanted[other] && !targets[other]) return
        const [[dGateUp, accumulateGateUp], [dDown, accumulateDown]] = [gateUp, down].map(
          ({ shape }, i) => targets[i] ?? [engine.tensor(shape), false],
        )
        runByTextures(
          engine,
          columnsBackwardWeightsKernel,
          { s, ds, gateUp, down, dGateUp, dDown },
          { ...size, accumulateGateUp, accumulateDown },
        )
      }
    return [
      toWeight(0),
      toWeight(1),
      (into, accumulate) => {
        runByTextures(engine, columnsBackwardKernel, { s, ds, gateUp, down, dS: into }, { ...size, accumulate })
        engine.release(ds)
      },
    ]
  }
}

/** The block over the last axis. gate, up and silu(gate) · up are kept for the derivative. */
function runRows(engine: Engine, { h, injection, gateUp, down, into }: BlockTensors, size: MlpBlockSize): Tensor {
  const { batch, length, inner, recorded } = size
  const s = injection ? add(h, injection) : h
  const y = into ?? engine.tensor(h.shape)
  const rstd = engine.tensor([batch * length])
  const gatesUps = engine.tensor(recorded ? [batch, length, 2 * inner] : [1])
  const activated = engine.tensor(recorded ? [batch, length, inner] : [1])
  runByTextures(engine, rowsKernel, { h: s, gateUp, down, y, rstd, gatesUps, activated }, size)
  if (!recorded) engine.release(rstd, gatesUps, activated, ...(injection ? [s] : []))
  return engine.record(y, [gateUp, down, s], dy => {
    const ds = throughNorm(engine, { y, rstd, dy }, size)
    const [toGateUp, toDown] = [gateUp, down].map(weight => rowLayer(weight, batch * length))
    const dActivated = engine.tensor(activated.shape)
    const dGatesUps = engine.tensor(gatesUps.shape)
    toDown.toInput(ds, dActivated, false)
    engine.dispatch(
      swigluBackward,
      { x: gatesUps, dy: dActivated, dx: dGatesUps },
      { rows: batch * length, half: inner },
    )
    engine.release(dActivated)
    return [
      (into, accumulate) => toGateUp.toWeight(dGatesUps, s, into, accumulate),
      (into, accumulate) => toDown.toWeight(ds, activated, into, accumulate),
      (into, accumulate) => {
        if (accumulate) addTo(into, ds, true)
        else engine.copy(ds, into)
        toGateUp.toInput(dGatesUps, into, true)
        engine.release(ds, dGatesUps)
      },
    ]
  })
}
