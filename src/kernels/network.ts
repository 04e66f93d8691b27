// Whole applications of a network in one dispatch, a workgroup a sequence.
import source from '../../shaders/network.wgsl'
import { defineKernel, divideUp, grid } from './kernel.js'

export interface NetworkSize {
  batch: number
  length: number
  width: number
  /** Attention heads; 0 where the layers mix tokens. */
  heads: number
  /** Inner widths of the SwiGLU over a position's values and of that over the positions. */
  inner: number
  mixInner: number
  layers: number
  /** Applications in a row. */
  times: number
  hasInjection: boolean
  /** Turns queries and keys by their position. */
  turns: boolean
  epsilon: number
  /** Where the four weights of the first layer begin in the tensor of all parameters, in elements; those of the next one lie `stride` further. */
  starts: readonly number[]
  stride: number
  /** Tensors are float16. */
  half?: boolean
}

/** How a workgroup goes about it. */
export interface NetworkPlan {
  threads: number
  /** Values of workgroup memory for an area; 1 where it does not fit, so that it is a part of `scratch`. */
  local: number
  /** Values of an area. */
  area: number
  pitch: number
  /** Inner values of the SwiGLUs, and queries of attention, at a time. */
  chunk: number
  mixChunk: number
  queries: number
}

/** Of `total` inner values so many at a time that every thread has two tiles of 2 × 4 of them, but at most `most`, in parts as equal as can be. */
function chunkOf(total: number, rows: number, threads: number, most: number): number {
  const wanted = Math.max(16, (4 * threads) / divideUp(rows, 4))
  const parts = divideUp(total, Math.max(1, Math.min(wanted, most / rows)))
  return Math.min(total, 4 * divideUp(total, 4 * parts))
}

/**
 * @param workgroupBytes of workgroup memory that the adapter has
 * @param threads of a workgroup, a power of two
 */
export function planNetwork(size: NetworkSize, workgroupBytes: number, threads: number): NetworkPlan {
  const { length, width, heads, inner, mixInner } = size
  const plan = (pitch: number, most: number) => {
    const room = most - 2 * length * pitch
    const packed = heads ? (3 * length * width) / heads : 0
    const queries = heads ? Math.max(1, Math.min(length, 64, Math.floor((room - packed) / (length + 1)))) : 1
    const [chunk, mixChunk] = [chunkOf(inner, length, threads, room), heads ? 1 : chunkOf(mixInner, width, threads, room)]
    const between = Math.max(chunk * length, heads ? packed + (length + 1) * queries : mixChunk * width)
    return { threads, pitch, chunk, mixChunk, queries, area: 2 * length * pitch + between }
  }
  // Rows of an odd pitch start in different banks of workgroup memory.
  const most = Math.floor(workgroupBytes / 4) - threads
  const local = plan(width + 1 - (width % 2), most)
  if (local.area > most) return { ...plan(width, Infinity), local: 1 }
  // Half of the memory or all of it: so two pipelines serve all sizes.
  return { ...local, local: local.area > most / 2 ? most : Math.floor(most / 2) }
}

/** Threads that share a row of a norm: as many as there are for each, a power of two. */
const lanesOf = (rows: number, threads: number) => 2 ** Math.floor(Math.log2(Math.max(1, threads / rows)))

/** Whoever does not offer it does not get it: bundlers heed the mark of `defineKernel` within a file only. `h` becomes the result; `scratch` holds an area for each sequence where the plan says so. */
export const network = /* @__PURE__ */ defineKernel<NetworkSize & NetworkPlan>({
  name: 'network',
  source,
  bindings: { h: 'write', injection: 'read', weights: 'read', singles: 'read', table: 'read', scratch: 'write' },
  // One pipeline for all sizes whose areas are about as large: it is slow to compile.
  parameters: size => {
    const { batch, times, layers, hasInjection, turns, length, width, heads, inner, mixInner, stride, pitch, area, chunk, mixChunk, queries, threads } = size
    const [first, second, up, down] = size.starts
    const sum = length * pitch
    return {
      batch, times, layers, injected: Number(hasInjection), turns: Number(turns), length, width, heads, inner, mixInner, stride, first, second, up, down,
      pitch, sum, between: 2 * sum, area, chunk, mixChunk, queries, lanes: lanesOf(length, threads), mixLanes: lanesOf(width, threads),
    }
  },
  constants: ({ threads, heads, local, epsilon }) => ({ THREADS: threads, LOCAL: local, ATTENDS: Number(heads > 0), EPSILON: epsilon }),
  lines: ({ local }) => ({ IN_SCRATCH: `${local === 1}` }),
  workgroups: ({ batch }) => grid(batch),
})
