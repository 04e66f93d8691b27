// The layers of a network over h + injection, composed of operations.
import { add, attention, linear, mlpBlock, rmsnorm, type Shape, type Tensor } from '../engine/index.js'

export interface LayerSizes {
  length: number
  width: number
  /** Attention heads; 0 where the layers mix tokens. */
  heads: number
  /** Width of all heads together; at most `width`. */
  headsWidth: number
  /** Inner width of the SwiGLU over the values of a position. */
  inner: number
  /** Inner width of the SwiGLU over the positions. */
  mixInner: number
}

/** Names and shapes of a layer's weights, in the order in which they are drawn. */
export function layerShapes({ length, width, heads, headsWidth, inner, mixInner }: LayerSizes): Record<string, Shape> {
  return {
    ...(heads
      ? { 'attention.qkv': [3 * headsWidth, width], 'attention.output': [width, headsWidth] }
      : { 'mix.gateUp': [2 * mixInner, length], 'mix.down': [length, mixInner] }),
    'mlp.gateUp': [2 * inner, width],
    'mlp.down': [width, inner],
  }
}

/**
 * Runs the layers over h + injection, each of shape (batch, length, width).
 * @param weight returns a weight of layer k
 * @param table sines and cosines of the rotary positions, where the model has them
 * @param into receives the result instead of a new tensor; it may be h, it may not be the injection
 */
export function layers(
  h: Tensor,
  injection: Tensor | undefined,
  { heads, layers, epsilon }: { heads: number; layers: number; epsilon: number },
  weight: (k: number, name: string) => Tensor,
  table: Tensor | undefined,
  into?: Tensor,
): Tensor {
  for (let k = 0; k < layers; k++) {
    const added = k === 0 ? injection : undefined
    if (heads === 0) {
      h = mlpBlock(h, weight(k, 'mix.gateUp'), weight(k, 'mix.down'), { injection: added, axis: -2, epsilon })
    } else {
      if (added) h = add(h, added)
      const attended = attention(linear(h, weight(k, 'attention.qkv')), heads, { rope: table })
      h = rmsnorm(linear(attended, weight(k, 'attention.output')), { residual: h, epsilon })
    }
    h = mlpBlock(h, weight(k, 'mlp.gateUp'), weight(k, 'mlp.down'), {
      axis: -1,
      epsilon,
      into: k === layers - 1 ? into : undefined,
    })
  }
  return h
}
