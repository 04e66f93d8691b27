// A network: its layers over h + injection, composed of operations; without gradient as one operation, for which there may be other kernels.
import type { NetworkSize } from '../kernels/network.js'
import { add, attention, type Engine, type Family, linear, mlpBlock, rmsnorm, type Shape, Tensor, type Variant } from '../engine/index.js'
import { bytesOf } from '../engine/tensor.js'

export type LayerSizes = Pick<NetworkSize, 'length' | 'width' | 'heads' | 'inner' | 'mixInner'>

/** Names and shapes of a layer's weights, in the order in which they are drawn. */
export function layerShapes({ length, width, heads, inner, mixInner }: LayerSizes): Record<string, Shape> {
  return {
    ...(heads ? { 'attention.qkv': [3 * width, width], 'attention.output': [width, width] } : { 'mix.gateUp': [2 * mixInner, length], 'mix.down': [length, mixInner] }),
    'mlp.gateUp': [2 * inner, width],
    'mlp.down': [width, inner],
  }
}

/**
 * The layers over h + injection, recorded.
 * @param weight of layer k
 * @param table of the angles, where positions turn
 * @param into receives the result instead of a new tensor; it may be h, it may not be the injection
 */
export function layers(
  engine: Engine,
  h: Tensor,
  injection: Tensor | undefined,
  { heads, layers, epsilon }: Pick<NetworkSize, 'heads' | 'layers' | 'epsilon'>,
  weight: (k: number, name: string) => Tensor,
  table: Tensor | undefined,
  into?: Tensor,
): Tensor {
  for (let k = 0; k < layers; k++) {
    const added = k === 0 ? injection : undefined
    if (heads === 0) {
      h = mlpBlock(engine, h, weight(k, 'mix.gateUp'), weight(k, 'mix.down'), { injection: added, axis: -2, epsilon })
    } else {
      if (added) h = add(engine, h, added)
      const seen = attention(engine, linear(engine, h, weight(k, 'attention.qkv')), heads, { rope: table })
      h = rmsnorm(engine, linear(engine, seen, weight(k, 'attention.output')), { residual: h, epsilon })
    }
    h = mlpBlock(engine, h, weight(k, 'mlp.gateUp'), weight(k, 'mlp.down'), { axis: -1, epsilon, into: k === layers - 1 ? into : undefined })
  }
  return h
}

/** y = net(… net(h + injection) … + injection). */
export interface NetworkTensors {
  readonly [name: string]: Tensor
  readonly h: Tensor
  /** May be h; may not be the injection. */
  readonly y: Tensor
  /** Any tensors where the size says that there are none. */
  readonly injection: Tensor
  readonly table: Tensor
  /** All parameters, flat. */
  readonly weights: Tensor
}

const composed: Variant<NetworkTensors, NetworkSize> = {
  name: 'composed',
  available: () => true,
  run(engine, { h, y, injection, table, weights }, size) {
    const shapes = Object.entries(layerShapes(size))
    const weight = (k: number, name: string) => {
      const i = shapes.findIndex(([other]) => other === name)
      return new Tensor(shapes[i][1], weights.dtype, weights.storage, weights.offset + bytesOf(size.starts[i] + k * size.stride, weights.dtype))
    }
    for (let i = 0; i < size.times; i++) {
      engine.scope(() => layers(engine, i === 0 ? h : y, size.hasInjection ? injection : undefined, size, weight, size.turns ? table : undefined, y))
    }
  },
}

/** The default, and what a program offers besides; see fused-network.ts. */
export const networkVariants = [composed]

/** For what is not recorded. */
export const networkFamily: Family<NetworkTensors, NetworkSize> = {
  name: 'network',
  variants: networkVariants,
  classOf: ({ batch, length, width, heads, inner, mixInner, layers, times, hasInjection, turns, half }) =>
    `${half ? 'f16 ' : ''}${times} × ${layers} layers of ${heads ? `${heads} heads${turns ? ' turned' : ''}` : `mixing by ${mixInner}`} by ${inner} on ${batch}×${length}×${width}${hasInjection ? ' + injection' : ''}`,
  sample(engine, { batch, length, width, heads, inner, starts, stride, layers, turns, half }) {
    const dtype = half ? 'f16' : 'f32'
    const h = engine.tensor([batch, length, width], dtype)
    const weights = engine.tensor([starts.at(-1)! + (layers - 1) * stride + width * inner], dtype)
    return { h, y: h, injection: engine.tensor(h.shape, dtype), table: turns ? engine.tensor([length, width / heads]) : weights, weights }
  },
}
