// Measures the peak of an adapter: multiply-adds in registers, products of subgroup matrices, copying memory.
import { defineKernel, type Engine, grid } from '../src/engine/index.js'
import type { MatrixKind } from '../src/engine/device.js'
import { divideUp, fill } from '../src/kernels/kernel.js'
import copySource from './copy.wgsl'
import matrixMultiplyAddSource from './matrix-multiply-add.wgsl'
import multiplyAddSource from './multiply-add.wgsl'
import { type Clock, measure, type MeasureOptions, WALL } from './measure.js'

const THREADS = 64

/** Steps of a chain in one iteration. */
const STEPS = 32

/** `chains` independent chains a thread. Too few wait for their own results; too many do not fit into the registers. */
export const multiplyAdd = defineKernel<{ threads: number; iterations: number; chains: number }>({
  name: 'multiply_add',
  source: ({ chains }) => fill(multiplyAddSource, { CHAINS: chains }),
  bindings: { constants: 'read', y: 'write' },
  constants: ({ iterations }) => ({ THREADS, ITERATIONS: iterations }),
  workgroups: ({ threads }) => grid(divideUp(threads, THREADS)),
})

const MATRIX_THREADS = 256
/** Chains of a subgroup, and steps of a chain in one iteration. */
const MATRIX_CHAINS = 16
const MATRIX_STEPS = 2

/** `groups` workgroups of 8 subgroups, at most 65,535. The tensor y has 256 values a workgroup. */
export const matrixMultiplyAdd = defineKernel<{ groups: number; iterations: number; kind: MatrixKind }>({
  name: 'matrix_multiply_add',
  source: ({ kind: { m, n, k } }) => fill(matrixMultiplyAddSource, { SIZE_M: m, SIZE_N: n, SIZE_K: k }),
  bindings: { y: 'write' },
  constants: ({ iterations }) => ({ ITERATIONS: iterations }),
  workgroups: ({ groups }) => [groups, 1, 1],
})

/** The result of the first thread of a subgroup: the sum of every 32nd value of all chains. */
export function matrixSum({ m, n, k }: MatrixKind, iterations: number): number {
  const operand = (i: number) => (((i * 7) % 13) - 5) / 8
  let sum = 0
  for (let chain = 0; chain < MATRIX_CHAINS; chain++) {
    const [left, right] = [8 * Math.floor(chain / 4), 32 + 8 * (chain % 4)]
    for (let e = 0; e < m * n; e += 32) {
      for (let l = 0; l < k; l++) sum += operand(left + Math.floor(e / n) * k + l) * operand(right + l * n + (e % n))
    }
  }
  return MATRIX_STEPS * iterations * sum
}

const PER_THREAD = 4

/** y = x; `count` is the number of vec4. */
export const copy = defineKernel<{ count: number }>({
  name: 'copy',
  source: copySource,
  bindings: { x: 'read', y: 'write' },
  constants: ({ count }) => ({ THREADS, PER_THREAD, COUNT: count }),
  workgroups: ({ count }) => grid(divideUp(count, THREADS * PER_THREAD)),
})

export interface Peak {
  /** 10⁹ FLOP per second; a multiply-add is two. */
  gflops: number
  /** 10⁹ bytes per second; bytes read and bytes written count. */
  gbs: number
  /** 10⁹ FLOP per second by subgroup matrices of float16 with sums in float32; only if the adapter has them. */
  matrixGflops?: number
  /** The first two by processor time of the computing threads; only if the clock has it. */
  gflopsCpu?: number
  gbsCpu?: number
}

/**
 * Work that brings an idle GPU to its full clock.
 * @returns a function that keeps the adapter busy for about so many ms; undefined on software adapters
 */
export function warmer(engine: Engine, { now }: Clock = WALL): ((ms: number) => Promise<void>) | undefined {
  if (engine.adapter.isSoftware) return undefined
  const [threads, iterations, chains] = [2 ** 18, 16, 12]
  const constants = engine.from(Float32Array.of(0.5, 0.25))
  const y = engine.lasting([threads])
  return async ms => {
    const start = now()
    // Several submits are pending at a time. Each takes long enough that the next one arrives before it ends.
    for (let runs = 1; now() - start < ms;) {
      const from = now()
      for (let i = 0; i < runs; i++) engine.dispatch(multiplyAdd, { constants, y }, { threads, iterations, chains })
      await engine.pace()
      if (now() - from < 5) runs *= 2
    }
    await engine.finish()
  }
}

/** Measures the peak on an engine of its own. */
export async function measurePeak(open: () => Promise<Engine>, options: MeasureOptions = {}): Promise<Peak> {
  const engine = await open()
  try {
    const { isSoftware, maxTensorBytes } = engine.adapter
    const arithmetic = await measureMultiplyAdds(engine, options)
    const matrixGflops = await measureMatrices(engine, options)
    // More than the caches of the processor hold.
    const count = Math.min(maxTensorBytes, isSoftware ? 2 ** 26 : 2 ** 28) / 16
    const [from, to] = [engine.zeros([count, 4]), engine.lasting([count, 4])]
    const copying = () => engine.dispatch(copy, { x: from, y: to }, { count })
    const moved = await measure(engine, copying, { repeats: 7, ...options })
    const bytes = 32 * count
    // The best repeat counts: disturbances only make a peak smaller.
    return {
      gflops: arithmetic.gflops,
      gbs: bytes / moved.leastMs / 1e6,
      ...(matrixGflops ? { matrixGflops } : {}),
      ...(arithmetic.gflopsCpu && moved.leastCpuMs
        ? { gflopsCpu: arithmetic.gflopsCpu, gbsCpu: bytes / moved.leastCpuMs / 1e6 }
        : {}),
    }
  } finally {
    engine.close()
  }
}

/** @throws when an adapter computes a wrong result */
function checkSum({ adapter }: Engine, found: number, expected: number): void {
  if (Math.abs(found - expected) <= 1e-3 * Math.max(1, Math.abs(expected))) return
  const name = adapter.description || 'this adapter'
  throw new Error(
    `bench: ${name} computes ${found} instead of ${expected} — the null backend is no GPU, choose another adapter`,
  )
}

/** The best of several numbers of chains. @throws when the result is wrong, as on the null backend */
export async function measureMultiplyAdds(
  engine: Engine,
  options: MeasureOptions = {},
): Promise<Pick<Peak, 'gflops' | 'gflopsCpu'>> {
  const { isSoftware } = engine.adapter
  const threads = isSoftware ? 2 ** 12 : 2 ** 20
  const iterations = isSoftware ? 64 : 256
  const constants = engine.from(Float32Array.of(0.5, 0.25))
  const y = engine.lasting([threads])
  let best = { gflops: 0, gflopsCpu: 0 }
  for (const chains of [8, 12, 16]) {
    const flop = 2 * STEPS * chains * threads * iterations
    const work = () => engine.dispatch(multiplyAdd, { constants, y }, { threads, iterations, chains })
    const { leastMs, leastCpuMs } = await measure(engine, work, { repeats: 7, ...options })
    // All chains converge to 1/2.
    checkSum(engine, (await engine.read(y))[0], chains / 2)
    best = {
      gflops: Math.max(best.gflops, flop / leastMs / 1e6),
      gflopsCpu: Math.max(best.gflopsCpu, leastCpuMs ? flop / leastCpuMs / 1e6 : 0),
    }
  }
  engine.release(constants, y)
  return { gflops: best.gflops, ...(best.gflopsCpu ? { gflopsCpu: best.gflopsCpu } : {}) }
}

/** The peak of the largest float16 matrices; undefined if the adapter has none. @throws when the result is wrong */
async function measureMatrices(engine: Engine, options: MeasureOptions): Promise<number | undefined> {
  const kinds = engine.adapter.subgroupMatrices.filter(({ component }) => component === 'f16')
  if (!kinds.length) return undefined
  const volume = ({ m, n, k }: MatrixKind) => m * n * k
  const kind = kinds.reduce((a, b) => (volume(b) > volume(a) ? b : a))
  const [groups, iterations] = [2048, 256]
  const y = engine.lasting([groups, MATRIX_THREADS])
  const work = () => engine.dispatch(matrixMultiplyAdd, { y }, { groups, iterations, kind })
  const { leastMs } = await measure(engine, work, { repeats: 7, ...options })
  checkSum(engine, (await engine.read(y))[0], matrixSum(kind, iterations))
  engine.release(y)
  return (2 * volume(kind) * MATRIX_CHAINS * MATRIX_STEPS * iterations * groups * (MATRIX_THREADS / 32)) / leastMs / 1e6
}

/** The larger value of each; values that one of them lacks are left out. */
export function largerPeak(a: Peak, b: Peak): Peak {
  const larger = <Name extends keyof Peak>(name: Name) => {
    const [x, y] = [a[name], b[name]]
    return (x === undefined || y === undefined ? {} : { [name]: Math.max(x, y) }) as Pick<Peak, Name>
  }
  return {
    ...larger('gflops'),
    ...larger('gbs'),
    ...larger('matrixGflops'),
    ...larger('gflopsCpu'),
    ...larger('gbsCpu'),
  }
}
