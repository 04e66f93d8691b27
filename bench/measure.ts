// Times work on the GPU: enough of it recorded at once that neither the wait nor the clock matters.
import type { Engine } from '../src/engine/index.js'
import { summarize, type Summary } from './statistics.js'

export interface Clock {
  /** Milliseconds since some moment. */
  now(): number
  /**
   * Processor time of the threads that compute, in ms, divided by the number of cores: what a software adapter would take on a
   * machine of its own. Only where it can be known; other programs disturb it less than `now`.
   */
  cpu?(): number
  /** Processor time of the thread that records, in ms; where it is unknown, `now` stands for it. */
  host?(): number
}

export const WALL: Clock = { now: () => performance.now() }

export interface MeasureOptions {
  /** Repeats that count. Default 7, and 3 where one lasts longer than a second. */
  repeats?: number
  /** A repeat records the work as often as it takes to last this long. */
  minimumMs?: number
  clock?: Clock
  /** Time for all rounds together, ms; repeats that would not fit are left out. Default: no limit. */
  limitMs?: number
  /** Awaited before what counts is timed: brings an idle GPU to its full clock. */
  warm?(): Promise<void>
}

/** Times are of one run of the work, in ms. */
export interface Measurement extends Summary {
  leastMs: number
  /** By `Clock.cpu`. */
  cpuMs?: number
  cpuSpread?: [number, number]
  leastCpuMs?: number
  /** Time that the host spends recording (and submitting, where the work does), median. */
  hostMs: number
  /** Per run of the work. */
  dispatches: number
  submits: number
  repeats: number
  /** The limit left fewer repeats than were asked for; or none, then the first run counts, compilation included. */
  limited?: 'repeats' | 'first run'
  /** Runs in the last repeat. */
  runs: number
}

const MOST_RUNS = 1 << 16

/** Records `work` over and over and waits with `engine.finish()`; the first round, which compiles, does not count. */
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
  } else await warm?.()
  let wanted = repeats ?? 7
  while (!limited && samples.length < wanted) {
    before = { ...engine.stats }
    const { ms, cpuMs, hostMs } = await round(runs)
    if (ms < minimumMs && runs < MOST_RUNS) {
      // A little more than needed; a first look at something short says little, so not more than ten times as often at once.
      runs = Math.min(MOST_RUNS, Math.ceil(runs * Math.min(10, (1.3 * minimumMs) / Math.max(ms, 0.01))))
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
