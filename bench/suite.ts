// Runs the cases, each on an engine of its own, and measures the peak before and after. Works in a page too.
import { type AdapterSummary, type Engine, OutOfMemory } from '../src/engine/index.js'
import { planMemory } from '../src/trm/training/memory.js'
import { Trm } from '../src/trm/model.js'
import { Trainer } from '../src/trm/training/trainer.js'
import { withoutChecks } from '../src/formats/human.js'
import { type Case, missingCases } from './case.js'
import { allCases } from './cases.js'
import { type Clock, measure, type MeasureOptions, type Measurement, WALL } from './measure.js'
import { OFFICIAL_MLP, planner, randomPuzzles, type Size, SIZES, SMALL } from './models.js'
import { largerPeak, measurePeak, type Peak, warmer } from './peak.js'
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
  /** Time of the work at the peak, of arithmetic or of memory, whichever is longer; percent of the median. */
  percentOfPeak: number
  /** Only for cases that may use subgroup matrices: time of the FLOP at the matrix peak; percent of the median. */
  percentOfMatrixPeak?: number
  /** Bytes of all tensors of the case. */
  peakBytes: number
  repeats: number
  /** See `Measurement`. */
  limited?: Measurement['limited']
  /** The same by processor time, if that is known: see `Clock.cpu`. */
  cpuMs?: number
  cpuSpread?: [number, number]
  percentOfPeakCpu?: number
  /** Host time of recording and submitting, ms of one run; dispatches and submits of one run. */
  hostMs: number
  dispatches: number
  submits: number
}

/** A case that was not run: one run would exceed the limit, at the best rate of such cases so far. */
export interface Skip {
  case: string
  size: Size
  estimatedMs: number
}

export interface SuiteResult {
  adapter: string
  features: readonly string[]
  /** A line for each group of cases that was left out because a feature or memory is missing. */
  missing?: readonly string[]
  /** The time limit of a case, ms, and the cases that would exceed it. */
  limitMs?: number
  skipped?: readonly Skip[]
  peak: Peak & { before: Peak; after: Peak }
  rows: Row[]
}

export interface SuiteOptions {
  /** Opens a new engine each time. */
  open(): Promise<Engine>
  /** Only cases whose "size name" contains one of these; upper and lower case are equal. */
  only?: readonly string[]
  sizes?: readonly Size[]
  repeats?: number
  minimumMs?: number
  /** The time limit of a case, ms: see `Estimates` and `MeasureOptions`. Default `defaultLimit`. */
  limitMs?: number
  /** The bytes that a training may use, as for `planMemory`. */
  memoryLimit?: number
  /** Default: wall time. */
  clock?(adapter: AdapterSummary): Clock
  /** Measure only the peak if no case is left. Without this, no case is an error. */
  mayBeEmpty?: boolean
  /** Called before each case and after the last one. */
  onProgress?(done: number, total: number, text: string): void
}

/** The default time limit of a case, ms: a minute on software adapters, else ten seconds. */
export const defaultLimit = ({ isSoftware }: Pick<AdapterSummary, 'isSoftware'>): number => (isSoftware ? 60e3 : 10e3)

/** How long work brings an idle GPU to its full clock, ms: before the first timing, and before every other one. */
const FIRST_WARMING_MS = 500
const WARMING_MS = 80

/**
 * Brings the GPU of the engine to its full clock.
 * @returns a function that does so again before each timing; undefined on software adapters, which do not need it
 */
export async function keepWarm(engine: Engine, clock = WALL): Promise<MeasureOptions['warm']> {
  const warm = warmer(engine, clock)
  await warm?.(FIRST_WARMING_MS)
  return warm && (() => warm(WARMING_MS))
}

/** Runs all chosen cases. @throws when `only` and `sizes` leave no case */
export async function runSuite(options: SuiteOptions): Promise<SuiteResult> {
  const {
    open,
    only = [],
    sizes = SIZES,
    repeats,
    minimumMs,
    memoryLimit,
    mayBeEmpty = false,
    onProgress = () => {},
  } = options
  const first = await open()
  try {
    const { adapter } = first
    const { description, features, isSoftware, boundsChecks } = adapter
    const clock = options.clock?.(adapter) ?? WALL
    const limitMs = options.limitMs ?? defaultLimit(adapter)
    const cases = chooseCases(allCases(adapter, planner(first, memoryLimit)), only, sizes)
    if (!cases.length && !mayBeEmpty) throw noCase('bench', only, sizes)
    const measured: { chosen: Case; measurement: Measurement; peakBytes: number }[] = []
    const missing = missingCases(adapter)
    const skipped: Skip[] = []
    const total = cases.length + 2
    onProgress(0, total, 'peak')
    const warm = await keepWarm(first, clock)
    if (isSoftware) first.close()
    const before = await measurePeak(open, { clock, warm })
    const estimates = new Estimates(before)
    for (const [i, chosen] of cases.entries()) {
      const { name, size } = chosen
      onProgress(i + 1, total, `${size} ${name}`)
      const estimatedMs = estimates.of(chosen)
      if (estimatedMs > limitMs) {
        skipped.push({ case: name, size, estimatedMs })
        continue
      }
      try {
        const { measurement, peakBytes } = await runCase(chosen, { open, repeats, minimumMs, limitMs, clock, warm })
        estimates.learn(chosen, measurement.median)
        measured.push({ chosen, measurement, peakBytes })
      } catch (error) {
        if (!((error as Error).cause instanceof OutOfMemory)) throw error
        missing.push(
          `skipped: ${size} ${name}, the GPU has too little memory for it — ` +
            '--memory-limit SIZE makes micro-batches fit',
        )
      }
    }
    onProgress(total - 1, total, 'peak')
    const after = await measurePeak(open, { clock, warm })
    onProgress(total, total, 'done')
    const peak = largerPeak(before, after)
    const rows = measured.map(({ chosen, measurement, peakBytes }) => toRow(chosen, measurement, peakBytes, peak))
    const name = `${description}${withoutChecks(boundsChecks)}`
    return { adapter: name, features, missing, limitMs, skipped, peak: { ...peak, before, after }, rows }
  } finally {
    first.close()
  }
}

/** The cases that these filters leave. */
export function chooseCases(cases: readonly Case[], only: readonly string[], sizes: readonly Size[]): Case[] {
  const parts = only.map(part => part.toLowerCase())
  return cases.filter(
    ({ name, size }) =>
      sizes.includes(size) && (!parts.length || parts.some(part => `${size} ${name}`.toLowerCase().includes(part))),
  )
}

/** The error of filters that leave no case. */
export const noCase = (command: string, only: readonly string[], sizes: readonly Size[]): Error =>
  new Error(
    `${command}: no case of size ${sizes.join(' or ')} has "${only.join('" or "')}" in its name — ` +
      'names are those of the table, e.g. matmul, rmsnorm, training',
  )

/** Measures one case on an engine of its own. */
export async function runCase(
  chosen: Case,
  { open, limitMs = Infinity, ...options }: { open(): Promise<Engine> } & MeasureOptions,
): Promise<{ measurement: Measurement; peakBytes: number }> {
  const { now } = options.clock ?? WALL
  const start = now()
  const engine = await open()
  try {
    const work = chosen.prepare(engine)
    const measurement = await measure(engine, work, { ...options, limitMs: limitMs - (now() - start) })
    return { measurement, peakBytes: engine.stats.bytes }
  } catch (error) {
    throw new Error(`bench: ${chosen.size} ${chosen.name}: ${error instanceof Error ? error.message : error}`, {
      cause: error,
    })
  } finally {
    engine.close()
  }
}

type Declared = Pick<Case, 'work' | 'usesMatrices'>

export function toRow(
  { name, size, work, usesMatrices }: Pick<Case, 'name' | 'size'> & Declared,
  measurement: Measurement,
  peakBytes: number,
  peak: Peak,
): Row {
  const { median, spread, repeats, limited, cpuMs, cpuSpread, hostMs, dispatches, submits } = measurement
  const { flop, bytes } = work
  const { gflopsCpu, gbsCpu, matrixGflops } = peak
  const cpuPeak = gflopsCpu && gbsCpu ? { gflops: gflopsCpu, gbs: gbsCpu } : undefined
  return {
    case: name,
    size,
    medianMs: median,
    spread,
    flop,
    bytes,
    gflops: flop / median / 1e6,
    gbs: bytes / median / 1e6,
    percentOfPeak: (100 * atPeak({ work, usesMatrices }, peak).ms) / median,
    ...(usesMatrices && matrixGflops ? { percentOfMatrixPeak: flop / matrixGflops / 1e4 / median } : {}),
    peakBytes,
    repeats,
    ...(limited ? { limited } : {}),
    ...(cpuMs && cpuPeak ? { cpuMs, cpuSpread, percentOfPeakCpu: (100 * atPeak({ work }, cpuPeak).ms) / cpuMs } : {}),
    hostMs,
    dispatches,
    submits,
  }
}

/** The time of declared work at the peak, ms, and the kind of work that bounds it. */
function atPeak({ work: { flop, bytes, products }, usesMatrices }: Declared, peak: Peak): { ms: number; kind: string } {
  const matrixGflops = usesMatrices ? peak.matrixGflops : undefined
  const arithmetic = flop / (matrixGflops ?? peak.gflops) / 1e6
  const memory = bytes / peak.gbs / 1e6
  if (memory > arithmetic) return { ms: memory, kind: 'memory' }
  return { ms: arithmetic, kind: matrixGflops ? 'matrices' : 2 * products > flop ? 'products' : 'other arithmetic' }
}

/** Shorter cases, ms, show the cost of starting them rather than a rate. */
const SHORTEST_MS = 1

/** Estimates the time of a case from its declared work: at the peak first, then at the best rate of its kind so far. */
export class Estimates {
  readonly #shares = new Map<string, number>()

  constructor(private readonly peak: Peak) {}

  /** The estimate of one run, ms. */
  of(declared: Declared): number {
    const { ms, kind } = atPeak(declared, this.peak)
    return ms / (this.#shares.get(kind) ?? 1)
  }

  /** Remembers a measurement. @param median of one run, ms */
  learn(declared: Declared, median: number): void {
    const { ms, kind } = atPeak(declared, this.peak)
    if (median >= SHORTEST_MS) this.#shares.set(kind, Math.max(this.#shares.get(kind) ?? 0, ms / median))
  }
}

/** The first words of the names of its rows. */
export const COLD_START = 'cold start'

/** Models whose first training step is timed: the small one, and the published one with token mixing. */
export const STARTS = ['small', 'official'] as const
export type Start = (typeof STARTS)[number]

/** The model and its batch. The published one takes float16 where a GPU has it; software adapters get two puzzles. */
export function startModel(size: Start, { isSoftware, features }: Pick<AdapterSummary, 'isSoftware' | 'features'>) {
  if (size === 'small') return { size, label: '', config: SMALL, batchSize: 64, dtype: 'f32' } as const
  const dtype = !isSoftware && features.includes('shader-f16') ? 'f16' : 'f32'
  const batchSize = isSoftware ? 2 : 768
  return { size, label: `MLP ${dtype}, `, config: OFFICIAL_MLP, batchSize, dtype } as const
}

/** Times of a first training step, ms. */
export interface ColdStart {
  /** Opening the engine. */
  openMs: number
  /** Making model and trainer. On a GPU all kernels are compiled in parallel before. */
  modelMs: number
  /** Recording the first step. Some drivers compile kernels then, others when a kernel first runs. */
  recordMs: number
  /** Waiting until it is computed. */
  finishMs: number
  totalMs: number
  pipelines: number
  /** Dispatches and submits of the step. */
  dispatches: number
  submits: number
  /** Bytes of all tensors. */
  bytes: number
}

/** Measures a cold start. Call it first in a fresh process or page. It closes its engine. */
export async function coldStart(
  open: () => Promise<Engine>,
  { start = 'small', memoryLimit }: { start?: Start; memoryLimit?: number } = {},
  now: () => number = () => performance.now(),
): Promise<ColdStart> {
  const times = [now()]
  const engine = await open()
  times.push(now())
  const { config, batchSize, dtype } = startModel(start, engine.adapter)
  const planned = engine.adapter.isSoftware ? undefined : planMemory(engine, config, { batchSize, dtype, memoryLimit })
  if (planned) await engine.compile(planned.trainer.model.engine)
  const trainer = new Trainer(Trm.create(engine, config, { dtype }), { batchSize, microBatch: planned?.microBatch })
  const puzzles = randomPuzzles(config, batchSize)
  times.push(now())
  trainer.step(puzzles)
  times.push(now())
  await engine.finish()
  times.push(now())
  const [openMs, modelMs, recordMs, finishMs] = times.slice(1).map((time, i) => time - times[i])
  const { pipelines, dispatches, submits, bytes } = engine.stats
  engine.close()
  return { openMs, modelMs, recordMs, finishMs, totalMs: times[4] - times[0], pipelines, dispatches, submits, bytes }
}

/** Cold starts of several processes or pages as one row of the result; the declared work is that of the step. */
export function coldStartRow(
  name: string,
  starts: readonly ColdStart[],
  peak: Peak,
  { size, label, config, batchSize, dtype }: ReturnType<typeof startModel>,
): Row {
  const [{ dispatches, submits, bytes }] = starts
  const hostMs = summarize(starts.map(({ recordMs }) => recordMs)).median
  const measurement = {
    ...summarize(starts.map(({ totalMs }) => totalMs)),
    hostMs,
    dispatches,
    submits,
    repeats: starts.length,
    runs: 1,
    leastMs: Math.min(...starts.map(({ totalMs }) => totalMs)),
  }
  const work = trainingWork(config, batchSize, batchSize, dtype)
  const named = { name: `${COLD_START}, ${label}${name}`, size, work, usesMatrices: dtype === 'f16' }
  return toRow(named, measurement, bytes, peak)
}
