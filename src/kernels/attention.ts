// Bidirectional softmax attention over packed rows of queries, keys and values, and its derivative.
import forward from '../../shaders/attention.wgsl'
import backwardKv from '../../shaders/attention_backward_kv.wgsl'
import backwardQ from '../../shaders/attention_backward_q.wgsl'
import deltaSource from '../../shaders/attention_delta.wgsl'
import { defineKernel, divideUp, fill, grid } from './kernel.js'

const THREADS = 32

export interface AttentionSize {
  batch: number
  length: number
  heads: number
  headDim: number
  /** Rotary position embedding of queries and keys. */
  rope?: boolean
  /** The tensors are float16. */
  f16?: boolean
}

const rows = ({ batch, length, heads }: AttentionSize) => batch * length * heads

export interface ThreadSize extends AttentionSize {
  /** Unroll the loops over a head, so that its rows stay in registers. Software adapters take long to compile that. */
  unrolled?: boolean
}

const withWidth =
  (text: string) =>
  ({ headDim, unrolled }: ThreadSize) =>
    fill(text, { HEAD_DIM: headDim }, unrolled)
const workgroups = (size: AttentionSize) => grid(divideUp(rows(size), THREADS))

export const attention = defineKernel<ThreadSize>({
  name: 'attention',
  source: withWidth(forward),
  bindings: { qkv: 'read', o: 'write', lse: 'write' },
  constants: size => ({ THREADS, QUERIES: rows(size), LENGTH: size.length, HEADS: size.heads }),
  workgroups,
})

export const attentionBackwardQ = defineKernel<ThreadSize>({
  name: 'attention_backward_q',
  source: withWidth(backwardQ),
  bindings: { qkv: 'read', o: 'read', lse: 'read', dO: 'read', dQkv: 'write', delta: 'write' },
  constants: size => ({ THREADS, QUERIES: rows(size), LENGTH: size.length, HEADS: size.heads }),
  workgroups,
})

export const attentionBackwardKv = defineKernel<ThreadSize>({
  name: 'attention_backward_kv',
  source: withWidth(backwardKv),
  bindings: { qkv: 'read', lse: 'read', dO: 'read', delta: 'read', dQkv: 'write' },
  constants: size => ({ THREADS, KEYS: rows(size), LENGTH: size.length, HEADS: size.heads }),
  workgroups,
})

/** δ = Σ d_o · o, for derivatives that do not compute it themselves. */
export const attentionDelta = defineKernel<AttentionSize>({
  name: 'attention_delta',
  source: deltaSource,
  bindings: { o: 'read', dO: 'read', delta: 'write' },
  constants: size => ({ THREADS, COUNT: rows(size), LENGTH: size.length, HEADS: size.heads, HEAD_DIM: size.headDim }),
  workgroups,
})
