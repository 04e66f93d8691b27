// Runs the cases one after the other, each on an engine of its own, with the adapter's peak measured before and after. Knows no Node: a page can run it.
import { type AdapterSummary, type Engine, OutOfMemory } from '../src/engine/index.js'
import { Trm } from '../src/trm/model.js'
import { Trainer } from '../src/trm/trainer.js'
import { allCases, type Case, missingCases, planner, randomPuzzles, type Size, SIZES, SMALL } from './cases.js'
import { type Clock, measure, type MeasureOptions, type Measurement, WALL } from './measure.js'
import { largerPeak, measurePeak, type Peak } from './peak.js'
import { summarize } from './statistics.js'
import { trainingWork } from './work.js'

/** One line of a result; times in ms of one run. */
export interface Row {
  case: string
  size: Size
  medianMs: number
  /** First and third quartile, ms. */
  spread: [number, number]
  /** Work of one run. */
  flop: number
  bytes: number
  gflops: number
  gbs: number
  /** Time that the work would take at the adapter's peak, as a share of the median: by arithmetic or by memory, whichever takes longer. */
  percentOfPeak: number
  /** Bytes of all tensors of the case. */
  peakBytes: number
  repeats: number
  /** By processor time, where it is known: see `Clock.cpu`. */
  cpuMs?: number
  cpuSpread?: [number, number]
  percentOfPeakCpu?: number
  /** Host time of recording and submitting, ms of one run; dispatches and submits of one run. */
  hostMs: number
  dispatches: number
  submits: number
}

export interface SuiteResult {
  adapter: string
  features: readonly string[]
  /** What was not measured for want of a feature or of memory, a line each. */
  missing?: readonly string[]
  peak: Peak & { before: Peak; after: Peak }
  rows: Row[]
}

export interface SuiteOptions {
  /** A new engine each time. */
  open(): Promise<Engine>
  /** Only cases whose "size name" contains one of these, in any case. */
  only?: readonly string[]
  sizes?: readonly Size[]
  repeats?: number
  minimumMs?: number
  /** Bytes that a training may take, as for `planMemory`. */
  memoryLimit?: number
  /** Default: wall time. */
  clock?(adapter: AdapterSummary): Clock
  /** Only the peak is measured when no case is left; otherwise that is an error. */
  mayBeEmpty?: boolean
  /** Called before each case and after the last one. */
  onProgress?(done: number, total: number, text: string): void
}

/** @throws when no case is left by `only` and `sizes` */
export async function runSuite({ open, only = [], sizes = SIZES, repeats, minimumMs, memoryLimit, clock: clockOf = () => WALL, mayBeEmpty = false, onProgress = () => {} }: SuiteOptions): Promise<SuiteResult> {
  const first = await open()
  const { description, features, boundsChecks } = first.adapter
  const adapter = `${description}${boundsChecks ? '' : ', without bounds checks'}`
  const clock = clockOf(first.adapter)
  const cases = chooseCases(allCases(first.adapter, planner(first, memoryLimit)), only, sizes)
  first.close()
  if (!cases.length && !mayBeEmpty) throw new Error(`bench: no case of size ${sizes.join(' or ')} has "${only.join('" or "')}" in its name — names are those of the table, e.g. matmul, rmsnorm, training`)
  const measured: { chosen: Case; measurement: Measurement; peakBytes: number }[] = []
  const missing = missingCases(first.adapter)
  const total = cases.length + 2
  onProgress(0, total, 'peak')
  const before = await measurePeak(open, clock)
  for (const [i, chosen] of cases.entries()) {
    onProgress(i + 1, total, `${chosen.size} ${chosen.name}`)
    try {
      measured.push({ chosen, ...(await runCase(chosen, { open, repeats, minimumMs, clock })) })
    } catch (error) {
      if (!((error as Error).cause instanceof OutOfMemory)) throw error
      missing.push(`skipped: ${chosen.size} ${chosen.name}, the GPU has too little memory for it — --memory-limit SIZE makes micro-batches fit`)
    }
  }
  onProgress(total - 1, total, 'peak')
  const after = await measurePeak(open, clock)
  onProgress(total, total, 'done')
  const peak = largerPeak(before, after)
  return { adapter, features, missing, peak: { ...peak, before, after }, rows: measured.map(({ chosen, measurement, peakBytes }) => toRow(chosen, measurement, peakBytes, peak)) }
}

/** The cases that these filters leave. */
export function chooseCases(cases: readonly Case[], only: readonly string[], sizes: readonly Size[]): Case[] {
  const parts = only.map(part => part.toLowerCase())
  return cases.filter(({ name, size }) => sizes.includes(size) && (!parts.length || parts.some(part => `${size} ${name}`.toLowerCase().includes(part))))
}

/** Measures one case on an engine of its own. */
export async function runCase(chosen: Case, { open, ...options }: { open(): Promise<Engine> } & MeasureOptions): Promise<{ measurement: Measurement; peakBytes: number }> {
  const engine = await open()
  try {
    const measurement = await measure(engine, chosen.prepare(engine), options)
    return { measurement, peakBytes: engine.stats.bytes }
  } catch (error) {
    throw new Error(`bench: ${chosen.size} ${chosen.name}: ${error instanceof Error ? error.message : error}`, { cause: error })
  } finally {
    engine.close()
  }
}

export function toRow({ name, size, work: { flop, bytes } }: Pick<Case, 'name' | 'size' | 'work'>, { median, spread, repeats, cpuMs, cpuSpread, hostMs, dispatches, submits }: Measurement, peakBytes: number, peak: Peak): Row {
  const { gflopsCpu, gbsCpu } = peak
  return {
    case: name,
    size,
    medianMs: median,
    spread,
    flop,
    bytes,
    gflops: flop / median / 1e6,
    gbs: bytes / median / 1e6,
    percentOfPeak: percentOfPeak(flop, bytes, median, peak.gflops, peak.gbs),
    peakBytes,
    repeats,
    ...(cpuMs && gflopsCpu && gbsCpu ? { cpuMs, cpuSpread, percentOfPeakCpu: percentOfPeak(flop, bytes, cpuMs, gflopsCpu, gbsCpu) } : {}),
    hostMs,
    dispatches,
    submits,
  }
}

function percentOfPeak(flop: number, bytes: number, ms: number, gflops: number, gbs: number): number {
  return (100 * Math.max(flop / gflops, bytes / gbs)) / 1e6 / ms
}

/** Begins the names of its rows. */
export const COLD_START = 'cold start'

/** Times in ms from nothing to a trained step of the small model. */
export interface ColdStart {
  /** Opening the engine. */
  openMs: number
  /** Making model and trainer. */
  modelMs: number
  /** Recording the first step. Kernels are compiled then or when they first run: drivers differ. */
  recordMs: number
  /** Until it is computed. */
  finishMs: number
  totalMs: number
  pipelines: number
  /** Of the step. */
  dispatches: number
  submits: number
  /** Of all tensors. */
  bytes: number
}

/** To be called first in a fresh process or page. Leaves no engine behind. */
export async function coldStart(open: () => Promise<Engine>, now: () => number = () => performance.now()): Promise<ColdStart> {
  const times = [now()]
  const engine = await open()
  times.push(now())
  const trainer = new Trainer(Trm.create(engine, SMALL), { batchSize: 64 })
  const puzzles = randomPuzzles(SMALL, 64)
  times.push(now())
  trainer.run(puzzles)
  times.push(now())
  await engine.finish()
  times.push(now())
  const [openMs, modelMs, recordMs, finishMs] = times.slice(1).map((time, i) => time - times[i])
  const { pipelines, dispatches, submits, bytes } = engine.stats
  engine.close()
  return { openMs, modelMs, recordMs, finishMs, totalMs: times[4] - times[0], pipelines, dispatches, submits, bytes }
}

/** Cold starts of several processes or pages as a line of the result; their work is that of the one step. */
export function coldStartRow(name: string, starts: readonly ColdStart[], peak: Peak): Row {
  const [{ dispatches, submits, bytes }] = starts
  const hostMs = summarize(starts.map(({ recordMs }) => recordMs)).median
  const measurement = { ...summarize(starts.map(({ totalMs }) => totalMs)), hostMs, dispatches, submits, repeats: starts.length, runs: 1, leastMs: Math.min(...starts.map(({ totalMs }) => totalMs)) }
  return toRow({ name, size: 'small', work: trainingWork(SMALL, 64) }, measurement, bytes, peak)
}
