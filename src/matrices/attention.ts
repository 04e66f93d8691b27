// The variant of attention by subgroup matrices.
import { addTo } from '../engine/accumulate.js'
import type { AdapterSummary } from '../engine/engine.js'
import forward from '../../shaders/matrices/attention.wgsl'
import backward from '../../shaders/matrices/attention_backward.wgsl'
import { type AttentionStep, attentionVariant, dispatchStep, readable } from '../engine/ops/attention.js'
import type { Kernel } from '../kernels/kernel.js'
import { attentionKernels, type AttentionMatricesSize, partsOf, shareOf } from './attention-kernels.js'

const hasMatrices = ({ subgroupMatrices }: AdapterSummary) =>
  subgroupMatrices.some(({ component, m, n, k }) => component === 'f16' && m === 16 && n === 16 && k === 16)

const inParts =
  (kernel: Kernel<AttentionMatricesSize>, share: typeof shareOf): AttentionStep =>
  (engine, tensors, size) => {
    const shared = share(size, engine.adapter)!
    for (let part = 0; part < partsOf(size); part++)
      dispatchStep(engine, kernel, readable(tensors, size), { ...size, ...shared, part })
  }

/** Attention and its derivative by these kernels. */
export const attentionSteps = (
  kernels: ReturnType<typeof attentionKernels>,
  share = shareOf,
): Record<'forward' | 'backward', AttentionStep> => ({
  forward: inParts(kernels.forward, share),
  backward(engine, tensors, size) {
    let { dO } = tensors
    if (dO.dtype !== 'f16') {
      dO = engine.tensor(dO.shape, 'f16')
      addTo(dO, tensors.dO, false)
    }
    for (const kernel of [kernels.backwardQ, kernels.backwardKv])
      inParts(kernel, share)(engine, { ...tensors, dO }, size)
    if (dO !== tensors.dO) engine.release(dO)
  },
})

export const attentionMatrices = attentionVariant({
  name: 'matrices',
  available: (adapter, size) => size.f16 === true && hasMatrices(adapter) && shareOf(size, adapter) !== undefined,
  suits: ({ length }) => length >= 16,
  ...attentionSteps(attentionKernels({ forward, backward })),
})
