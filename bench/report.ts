// Results as text: aligned tables of the measurements.
import { TRAINING_STEP } from './steps.js'
import type { Peak } from './peak.js'
import type { ColdStart, Row, Skip, SuiteResult } from './suite.js'

/** The result as the command writes it as JSON. */
export interface Result extends SuiteResult {
  /** Commit of the working tree, with + if it has changes; null outside of a repository. */
  commit: string | null
  /** In ISO 8601. */
  date: string
  node: string
  /** Load average of the last minute before and after, and the number of cores. */
  load: { before: number; after: number; cores: number }
  /** Cold starts in fresh processes, by model and whether the driver may cache shaders. */
  coldStarts?: Record<string, ProcessStart[]>
}

export interface ProcessStart extends ColdStart {
  /** Time from the start of the process to the computed step, ms. */
  processMs: number
  /** Processor time of all its threads until then, ms. */
  cpuMs: number
}

/** Aligns columns: the first `left` ones to the left, the others to the right. */
export function alignTable(rows: readonly (readonly string[])[], left = 1): string {
  const widths = rows[0].map((_, column) => Math.max(...rows.map(row => row[column].length)))
  return rows
    .map(row =>
      row
        .map((cell, i) => (i < left ? cell.padEnd(widths[i]) : cell.padStart(widths[i])))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}

/** A number with three significant digits and no exponent. */
export function digits(value: number): string {
  if (!Number.isFinite(value)) return '–'
  if (value === 0) return '0'
  const size = Math.floor(Math.log10(Math.abs(value)))
  return value.toFixed(Math.max(0, Math.min(4, 2 - size)))
}

/** Bytes with a unit, in powers of 1000. */
export function size(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB']
  let unit = 0
  while (bytes >= 999.5 && unit < units.length - 1) {
    bytes /= 1000
    unit++
  }
  return `${digits(bytes)} ${units[unit]}`
}

/** The table of all cases. */
export function rowsTable(rows: readonly Row[]): string {
  const hasCpu = rows.some(row => row.percentOfPeakCpu !== undefined)
  const hasMatrices = rows.some(row => row.percentOfMatrixPeak !== undefined)
  const hasLimited = rows.some(row => row.limited)
  const percent = (value: number | undefined) => (value === undefined ? '–' : digits(value))
  const head = [
    'size',
    'case',
    'ms',
    'quartiles',
    'GFLOP/s',
    'GB/s',
    '% peak',
    ...(hasMatrices ? ['% matrices'] : []),
    ...(hasCpu ? ['% cpu'] : []),
    'memory',
    ...(hasLimited ? [''] : []),
  ]
  const lines = rows.map(row => [
    row.size,
    row.case,
    digits(row.medianMs),
    `${digits(row.spread[0])} … ${digits(row.spread[1])}`,
    digits(row.gflops),
    digits(row.gbs),
    digits(row.percentOfPeak),
    ...(hasMatrices ? [percent(row.percentOfMatrixPeak)] : []),
    ...(hasCpu ? [percent(row.percentOfPeakCpu)] : []),
    size(row.peakBytes),
    ...(hasLimited ? [limitedText(row)] : []),
  ])
  return alignTable([head, ...lines], 2)
}

/** Says that the time limit left fewer repeats than asked for; else empty. */
export function limitedText({ limited, repeats }: Pick<Row, 'limited' | 'repeats'>): string {
  if (!limited) return ''
  return `${repeats} repeat${repeats > 1 ? 's' : ''}${limited === 'first run' ? ', compiling included' : ''}`
}

/** Why a case was not run. */
export function skipText({ estimatedMs }: Skip, limitMs: number): string {
  const [estimated, limit] = [estimatedMs, limitMs].map(ms => digits(ms / 1000))
  return `skipped: would take some ${estimated} s at the best rate seen so far, the limit is ${limit} s`
}

/** The table of host times: for cases with many dispatches, and for the smallest dispatch. */
export function hostTable(rows: readonly Row[]): string {
  const shown = rows.filter(
    row => row.dispatches > 3 || row.case.startsWith('dispatch') || row.case.includes(TRAINING_STEP),
  )
  if (!shown.length) return ''
  const head = ['size', 'case', 'dispatches', 'submits', 'host ms', 'host µs each', '% of the time']
  return alignTable(
    [
      head,
      ...shown.map(row => [
        row.size,
        row.case,
        digits(row.dispatches),
        row.submits < 0.5 ? '< 1' : digits(row.submits),
        digits(row.hostMs),
        digits((1000 * row.hostMs) / row.dispatches),
        digits((100 * row.hostMs) / row.medianMs),
      ]),
    ],
    2,
  )
}

/** The peak as text. */
export function peakLine({ gflops, gbs, matrixGflops, gflopsCpu, gbsCpu }: Peak): string {
  const matrices = matrixGflops ? `, by float16 matrices ${digits(matrixGflops)} GFLOP/s` : ''
  const cpu = gflopsCpu && gbsCpu ? ` (by processor time ${digits(gflopsCpu)} and ${digits(gbsCpu)})` : ''
  return `${digits(gflops)} GFLOP/s, ${digits(gbs)} GB/s${matrices}${cpu}`
}

/** The whole result as text. */
export function report(result: Result): string {
  const { adapter, commit, date, node, load, peak, rows, coldStarts } = result
  const { missing = [], limitMs = Infinity, skipped = [] } = result
  const host = hostTable(rows)
  const start = (name: string, starts: readonly ProcessStart[]) =>
    starts.map(
      ({ totalMs, openMs, modelMs, recordMs, finishMs, processMs, cpuMs, pipelines }) =>
        `${name}: ${digits(totalMs)} ms = open ${digits(openMs)} + model ${digits(modelMs)} + ` +
        `record ${digits(recordMs)} + finish ${digits(finishMs)}; ${pipelines} pipelines; ` +
        `${digits(processMs)} ms since the process began, ${digits(cpuMs)} ms of processor time`,
    )
  return [
    `adapter: ${adapter}`,
    `commit ${commit ?? 'unknown'}, ${date}, Node ${node}, ` +
      `load ${digits(load.before)} before and ${digits(load.after)} after, on ${load.cores} cores`,
    `peak before  ${peakLine(peak.before)}`,
    `peak after   ${peakLine(peak.after)}`,
    `peak taken   ${peakLine(peak)}`,
    '',
    rowsTable(rows),
    ...missing,
    ...skipped.map(skip => `${skip.size} ${skip.case} ${skipText(skip, limitMs)}`),
    ...(host ? ['', host] : []),
    ...(coldStarts ? ['', ...Object.entries(coldStarts).flatMap(([name, starts]) => start(name, starts))] : []),
  ].join('\n')
}

/** The file name of a result: adapter and day. */
export function resultName({ adapter, date }: Pick<Result, 'adapter' | 'date'>): string {
  const words = adapter
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-|-$/g, '')
  return `${words.slice(0, 48).replace(/-$/, '')}-${date.slice(0, 10)}.json`
}
