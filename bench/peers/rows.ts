// The rows of the result, and the table that shows them.
import type { Compared } from './cases.js'
import { round } from './common.js'

/** A backend at a case. */
export interface Row {
  backend: string
  case: string
  size: string
  adapter: string
  version: string
  /** Median time of one step or product, ms; null if the check failed. */
  medianMs: number | null
  /**
   * Median processor time of the process of the backend for one step or product, ms.
   * On a software adapter other programs disturb it less than medianMs.
   */
  cpuMs: number | null
  /** (slowest − fastest) / median of the repeats. */
  spread: number | null
  gflops: number | null
  percentOfPeak: number | null
  peakBytes: number | null
  /** Time of the first run, which compiles, minus that of a later run, ms. */
  compileMs: number | null
  repeats: number
  /** The largest share of its allowed error that a checked quantity used, and the name of that quantity. */
  check: { share: number; worst: string; quantities: number } | null
  error: string | null
}

/** A row before anything ran. */
export const emptyRow = (backend: string, name: string, size: string): Row => ({
  backend,
  case: name,
  size,
  adapter: '',
  version: '',
  medianMs: null,
  cpuMs: null,
  spread: null,
  gflops: null,
  percentOfPeak: null,
  peakBytes: null,
  compileMs: null,
  repeats: 0,
  check: null,
  error: null,
})

/** Notes the check in the row. @throws when an error is larger than allowed */
export function judge(row: Row, compared: Compared[]): void {
  if (compared.length === 0) throw new Error('check: nothing was compared')
  const share = ({ error, allowed }: Compared) =>
    error <= allowed ? error / (allowed || 1) : Number.isFinite(error) && allowed > 0 ? error / allowed : 1e9
  const worst = compared.reduce((a, b) => (share(b) > share(a) ? b : a))
  row.check = { share: round(share(worst)), worst: worst.name, quantities: compared.length }
  const wrong = compared
    .filter(({ error, allowed }) => !(error <= allowed))
    .map(
      ({ name, error, allowed }) => `${name} is off by ${error.toExponential(1)}, allowed ${allowed.toExponential(1)}`,
    )
  const more = wrong.length > 3 ? `; ${wrong.length - 3} more` : ''
  if (wrong.length > 0) throw new Error(`check: ${wrong.slice(0, 3).join('; ')}${more}`)
}

/** Prints the rows as a table, then the notes. */
export function printTable(adapter: string, rows: readonly Row[], notes: readonly string[]): void {
  const cells = rows.map(row =>
    row.error
      ? [row.case, row.size, row.backend, 'FAILED', '', '', '', '', '', '', row.error]
      : [
          row.case,
          row.size,
          row.backend,
          `${row.medianMs}`,
          `${row.cpuMs}`,
          `${Math.round(100 * row.spread!)} %`,
          `${row.gflops}`,
          row.percentOfPeak === null ? '–' : `${row.percentOfPeak} %`,
          row.peakBytes === null ? '–' : `${(row.peakBytes / 2 ** 20).toFixed(1)}`,
          `${row.compileMs}`,
          `${row.check!.share} (${row.check!.quantities})`,
        ],
  )
  const head = [
    'case',
    'size',
    'backend',
    'median ms',
    'cpu ms',
    'spread',
    'GFLOP/s',
    'of peak',
    'peak MiB',
    'compile ms',
    'share of error allowed',
  ]
  const widths = head.map((title, i) =>
    Math.max(title.length, ...cells.filter(cell => cell[3] !== 'FAILED' || i < 4).map(cell => cell[i]!.length)),
  )
  console.log(`adapter: ${adapter || 'none'}`)
  for (const cell of [head, ...cells])
    console.log(
      cell
        .map((text, i) => (i < 3 ? text.padEnd(widths[i]!) : i === 10 ? text : text.padStart(widths[i]!)))
        .join('  ')
        .trimEnd(),
    )
  for (const note of notes) console.log(`* ${note}`)
}
