// Times work on the GPU. A repeat records enough work that neither the wait at its end nor the clock matters.
import type { Engine } from '../src/engine/index.js'
import { summarize, type Summary } from './statistics.js'

export interface Clock {
  /** Milliseconds since some moment. */
  now(): number
  /**
   * Processor time of the computing threads divided by the number of cores, ms: what a software adapter would take on a
   * machine of its own. Only where it is known. Other programs disturb it less than `now`.
   */
  cpu?(): number
  /** Processor time of the thread that records, ms. Default: `now`. */
  host?(): number
}

export const WALL: Clock = { now: () => performance.now() }

export interface MeasureOptions {
  /** Number of repeats. Default 7, or 3 if one takes longer than a second. */
  repeats?: number
  /** A repeat records the work so often that it takes at least this long, ms. Default 20. */
  minimumMs?: number
  clock?: Clock
  /** Time limit of all rounds together, ms; repeats that would exceed it are left out. Default: no limit. */
  limitMs?: number
  /** Awaited before the repeats: brings an idle GPU to its full clock. The work then runs untimed for a while. */
  warm?(): Promise<void>
}

/** A measurement; all times are those of one run of the work, ms. */
export interface Measurement extends Summary {
  leastMs: number
  /** The same by `Clock.cpu`. */
  cpuMs?: number
  cpuSpread?: [number, number]
  leastCpuMs?: number
  /** Median time that the host spends on recording, and on submitting if the work submits. */
  hostMs: number
  /** Dispatches and submits of one run. */
  dispatches: number
  submits: number
  repeats: number
  /** The limit left fewer repeats than asked for; or none, and then the first run counts, compilation included. */
  limited?: 'repeats' | 'first run'
  /** Runs of the work in the last repeat. */
  runs: number
}

/** How long a GPU's work runs before the repeats, ms. Meanwhile the JavaScript that records it is compiled. */
const RECORDING_MS = 300

/** The most runs of a repeat. */
const MAX_RUNS = 1 << 16

/** Records `work` repeatedly and waits with `engine.finish()`. The first round, which compiles, does not count. */
export async function measure(engine: Engine, work: () => void, options: MeasureOptions = {}): Promise<Measurement> {
  const { repeats, minimumMs = 20, clock = WALL, limitMs = Infinity, warm } = options
  const round = async (runs: number) => {
    const host = () => (clock.host ? clock.host() : clock.now())
    const [cpuFrom, hostFrom, from] = [clock.cpu?.(), host(), clock.now()]
    for (let i = 0; i < runs; i++) work()
    const hostMs = host() - hostFrom
    await engine.finish()
    return { ms: clock.now() - from, cpuMs: cpuFrom === undefined ? undefined : clock.cpu!() - cpuFrom, hostMs }
  }
  const start = clock.now()
  const left = () => limitMs - (clock.now() - start)
  let before = { ...engine.stats }
  let runs = 1
  const first = await round(runs)
  const samples: (typeof first)[] = []
  let limited: Measurement['limited']
  if (left() <= 0) {
    limited = 'first run'
    samples.push(first)
  } else if (warm) {
    await warm()
    const from = clock.now()
    // One more run and a repeat must fit into the limit.
    for (let { ms } = first; clock.now() - from < RECORDING_MS && 2 * ms < left();) ({ ms } = await round(1))
  }
  let wanted = repeats ?? 7
  while (!limited && samples.length < wanted) {
    before = { ...engine.stats }
    const { ms, cpuMs, hostMs } = await round(runs)
    if (ms < minimumMs && runs < MAX_RUNS) {
      // 1.3 times the runs that are needed. The first time of something short is inaccurate: at most ten times as many.
      runs = Math.min(MAX_RUNS, Math.ceil(runs * Math.min(10, (1.3 * minimumMs) / Math.max(ms, 0.01))))
      continue
    }
    if (repeats === undefined && ms > 1000) wanted = 3
    samples.push({ ms: ms / runs, cpuMs: cpuMs === undefined ? undefined : cpuMs / runs, hostMs: hostMs / runs })
    if (samples.length < wanted && left() < ms) limited = 'repeats'
  }
  const times = samples.map(({ ms }) => ms)
  const cpuTimes = samples.flatMap(({ cpuMs }) => (cpuMs === undefined ? [] : [cpuMs]))
  const cpu = cpuTimes.length ? summarize(cpuTimes) : undefined
  return {
    ...summarize(times),
    leastMs: Math.min(...times),
    ...(cpu ? { cpuMs: cpu.median, cpuSpread: cpu.spread, leastCpuMs: Math.min(...cpuTimes) } : {}),
    hostMs: summarize(samples.map(({ hostMs }) => hostMs)).median,
    dispatches: (engine.stats.dispatches - before.dispatches) / runs,
    submits: (engine.stats.submits - before.submits) / runs,
    repeats: samples.length,
    ...(limited ? { limited } : {}),
    runs,
  }
}
