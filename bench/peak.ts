// What an adapter can do at most: multiply-adds in registers, and copying memory; both as kernels, as everything here is one.
import { defineKernel, type Engine, grid } from '../src/engine/index.js'
import { divideUp, fill } from '../src/kernels/kernel.js'
import copySource from './copy.wgsl'
import multiplyAddSource from './multiply-add.wgsl'
import { type Clock, measure } from './measure.js'

const THREADS = 64

/** Steps of a chain in one iteration. */
const STEPS = 32

/** `chains` independent chains a thread: too few wait for their own results, too many do not fit the registers. */
export const multiplyAdd = defineKernel<{ threads: number; iterations: number; chains: number }>({
  name: 'multiply_add',
  source: ({ chains }) => fill(multiplyAddSource, { CHAINS: chains }),
  bindings: { constants: 'read', y: 'write' },
  constants: ({ iterations }) => ({ THREADS, ITERATIONS: iterations }),
  workgroups: ({ threads }) => grid(divideUp(threads, THREADS)),
})

const PER_THREAD = 4

/** @param count of vec4 */
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
  /** 10⁹ bytes per second, read and written. */
  gbs: number
  /** The same by processor time of the computing threads; only where the clock has it. */
  gflopsCpu?: number
  gbsCpu?: number
}

/** Measures both on an engine of its own. */
export async function measurePeak(open: () => Promise<Engine>, clock: Clock, repeats = 7): Promise<Peak> {
  const engine = await open()
  try {
    const { isSoftware, maxTensorBytes } = engine.adapter
    const arithmetic = await measureMultiplyAdds(engine, clock, repeats)
    // More than the processor's caches hold.
    const count = Math.min(maxTensorBytes, isSoftware ? 2 ** 26 : 2 ** 28) / 16
    const [from, to] = [engine.zeros([count, 4]), engine.lasting([count, 4])]
    const moved = await measure(engine, () => engine.run(copy, { x: from, y: to }, { count }), { clock, repeats })
    const bytes = 32 * count
    // The best repeat: a peak is what is possible, and whatever disturbs makes it smaller.
    return {
      gflops: arithmetic.gflops,
      gbs: bytes / moved.leastMs / 1e6,
      ...(arithmetic.gflopsCpu && moved.leastCpuMs ? { gflopsCpu: arithmetic.gflopsCpu, gbsCpu: bytes / moved.leastCpuMs / 1e6 } : {}),
    }
  } finally {
    engine.close()
  }
}

/** The best of several numbers of chains. @throws where the adapter computes something else, as the null backend does */
export async function measureMultiplyAdds(engine: Engine, clock: Clock, repeats = 7): Promise<Pick<Peak, 'gflops' | 'gflopsCpu'>> {
  const { isSoftware } = engine.adapter
  const threads = isSoftware ? 2 ** 12 : 2 ** 20
  const iterations = isSoftware ? 64 : 256
  const constants = engine.from(Float32Array.of(0.5, 0.25))
  const y = engine.lasting([threads])
  let best = { gflops: 0, gflopsCpu: 0 }
  for (const chains of [8, 12, 16]) {
    const flop = 2 * STEPS * chains * threads * iterations
    const { leastMs, leastCpuMs } = await measure(engine, () => engine.run(multiplyAdd, { constants, y }, { threads, iterations, chains }), { clock, repeats })
    // All chains run towards 1/2.
    const [found] = await engine.read(y)
    if (Math.abs(found - chains / 2) > 1e-3) throw new Error(`bench: ${engine.adapter.description || 'this adapter'} computes ${found} instead of ${chains / 2} — the null backend is no GPU, choose another adapter`)
    best = { gflops: Math.max(best.gflops, flop / leastMs / 1e6), gflopsCpu: Math.max(best.gflopsCpu, leastCpuMs ? flop / leastCpuMs / 1e6 : 0) }
  }
  engine.release(constants, y)
  return { gflops: best.gflops, ...(best.gflopsCpu ? { gflopsCpu: best.gflopsCpu } : {}) }
}

/** The larger of each. */
export function largerPeak(a: Peak, b: Peak): Peak {
  const most = (x: number | undefined, y: number | undefined) => (x === undefined || y === undefined ? undefined : Math.max(x, y))
  const [gflopsCpu, gbsCpu] = [most(a.gflopsCpu, b.gflopsCpu), most(a.gbsCpu, b.gbsCpu)]
  return {
    gflops: Math.max(a.gflops, b.gflops),
    gbs: Math.max(a.gbs, b.gbs),
    ...(gflopsCpu && gbsCpu ? { gflopsCpu, gbsCpu } : {}),
  }
}
