// Attention by subgroup matrices, for GPUs that offer them.
import { addTo } from '../engine/accumulate.js'
import type { AdapterSummary, Engine } from '../engine/engine.js'
import { attentionVariant, readable } from '../engine/ops/attention.js'
import type { AnyTensors } from '../engine/variants.js'
import type { AttentionSize } from '../kernels/attention.js'
import type { Kernel } from '../kernels/kernel.js'
import {
  attentionMatrices as forward, attentionMatricesBackwardKv, attentionMatricesBackwardQ, type AttentionMatricesSize, partsOf, subgroupsOf,
} from './attention-kernels.js'

const isKnown = ({ subgroupMatrices }: AdapterSummary) => subgroupMatrices.some(({ component, m, n, k }) => component === 'f16' && m === 16 && n === 16 && k === 16)

function run(engine: Engine, kernel: Kernel<AttentionMatricesSize>, tensors: AnyTensors, size: AttentionSize): void {
  const subgroups = subgroupsOf(size, engine.adapter)
  for (let part = 0; part < partsOf(size); part++) engine.run(kernel, readable(tensors, size), { ...size, subgroups, part })
}

export const attentionMatrices = attentionVariant({
  name: 'matrices',
  available: (adapter, size) => size.half === true && isKnown(adapter) && subgroupsOf(size, adapter) > 0,
  suits: ({ length }) => length >= 16,
  forward: (engine, tensors, size) => run(engine, forward, tensors, size),
  backward(engine, tensors, size) {
    let { dO } = tensors
    if (dO.dtype !== 'f16') {
      dO = engine.tensor(dO.shape, 'f16')
      addTo(engine, dO, tensors.dO, false)
    }
    for (const kernel of [attentionMatricesBackwardQ, attentionMatricesBackwardKv]) run(engine, kernel, { ...tensors, dO }, size)
    if (dO !== tensors.dO) engine.release(dO)
  },
})
