// Compares two results, the greatest changes first.
import { alignTable, digits, limitedText, peakLine, type Result } from './report.js'
import type { Row } from './suite.js'

export interface Pair {
  a: Row
  b: Row
  /** Median of a over median of b: above 1, b is faster. */
  ratio: number
  /** The same by processor time, if both have it. */
  ratioCpu: number | undefined
  /** The quartiles of the measurements overlap: the change may be chance. */
  isUnclear: boolean
}

const key = (row: Pick<Row, 'size' | 'case'>) => `${row.size} ${row.case}`

/**
 * Pairs the cases that both results have, the greatest change first (by processor time if both have it).
 * @returns the pairs, and the names of the cases that only one of them has
 */
export function pairRows(a: readonly Row[], b: readonly Row[]): { pairs: Pair[]; onlyA: string[]; onlyB: string[] } {
  const others = new Map(b.map(row => [key(row), row]))
  const pairs: Pair[] = []
  for (const row of a) {
    const other = others.get(key(row))
    if (!other) continue
    const ratioCpu = row.cpuMs && other.cpuMs ? row.cpuMs / other.cpuMs : undefined
    // By processor time if both have it, as for the order.
    const [one, two] = row.cpuSpread && other.cpuSpread ? [row.cpuSpread, other.cpuSpread] : [row.spread, other.spread]
    const isUnclear = one[0] <= two[1] && two[0] <= one[1]
    pairs.push({ a: row, b: other, ratio: row.medianMs / other.medianMs, ratioCpu, isUnclear })
  }
  const change = ({ ratio, ratioCpu }: Pair) => Math.abs(Math.log(ratioCpu ?? ratio))
  pairs.sort((x, y) => change(y) - change(x))
  const paired = new Set(pairs.map(pair => key(pair.a)))
  const unpaired = (rows: readonly Row[]) => rows.map(key).filter(name => !paired.has(name))
  return { pairs, onlyA: unpaired(a), onlyB: unpaired(b) }
}

/** Which of the two results the time limit cut short. */
const limits = ({ a, b }: Pair) =>
  Object.entries({ A: a, B: b }).flatMap(([name, row]) => (row.limited ? [`${name} ${limitedText(row)}`] : []))

/** The comparison as text. @throws when the results have no case in common */
export function compareResults(a: Result, b: Result): string {
  const { pairs, onlyA, onlyB } = pairRows(a.rows, b.rows)
  if (!pairs.length)
    throw new Error('bench compare: the two results have no case in common, expected results of the same cases')
  const hasCpu = pairs.some(({ ratioCpu }) => ratioCpu !== undefined)
  const hasMatrices = pairs.some(pair => pair.a.percentOfMatrixPeak ?? pair.b.percentOfMatrixPeak)
  // Older results have no peak of matrices, and no cases that it applies to.
  const withoutMatrices = hasMatrices ? Object.entries({ A: a, B: b }).filter(([, { peak }]) => !peak.matrixGflops) : []
  const percent = (value: number | undefined) => (value === undefined ? '–' : digits(value))
  const about = (name: string, { adapter, commit, date, load, peak }: Result) => [
    `${name}  ${adapter}, commit ${commit ?? 'unknown'}, ${date}, load ${digits(load.before)} … ${digits(load.after)}`,
    `   peak ${peakLine(peak)}`,
  ]
  const verdict = ({ ratio, ratioCpu, isUnclear }: Pair) =>
    isUnclear ? 'quartiles overlap' : (ratioCpu ?? ratio) > 1 ? 'B faster' : 'B slower'
  const head = [
    'size',
    'case',
    'A ms',
    'B ms',
    'A / B',
    ...(hasCpu ? ['by cpu'] : []),
    'A % peak',
    'B % peak',
    ...(hasMatrices ? ['A % matrices', 'B % matrices'] : []),
    '',
  ]
  const lines = pairs.map(pair => [
    pair.a.size,
    pair.a.case,
    digits(pair.a.medianMs),
    digits(pair.b.medianMs),
    digits(pair.ratio),
    ...(hasCpu ? [percent(pair.ratioCpu)] : []),
    digits(pair.a.percentOfPeak),
    digits(pair.b.percentOfPeak),
    ...(hasMatrices ? [percent(pair.a.percentOfMatrixPeak), percent(pair.b.percentOfMatrixPeak)] : []),
    [verdict(pair), ...limits(pair)].join('; '),
  ])
  const mean = (ratios: readonly number[]) =>
    Math.exp(ratios.reduce((total, ratio) => total + Math.log(ratio), 0) / ratios.length)
  const ratiosCpu = pairs.flatMap(({ ratioCpu }) => (ratioCpu === undefined ? [] : [ratioCpu]))
  const names = (all: readonly string[]) =>
    all.slice(0, 5).join('; ') + (all.length > 5 ? ` and ${all.length - 5} more` : '')
  return [
    ...about('A', a),
    ...about('B', b),
    ...(a.adapter === b.adapter ? [] : ['The adapters differ: compare shares of the peak rather than times.']),
    ...withoutMatrices.map(([name]) => `${name} has no peak of matrices: its % peak goes by multiply-adds alone.`),
    '',
    alignTable([head, ...lines], 2),
    '',
    `geometric mean of A / B over ${pairs.length} cases: ${digits(mean(pairs.map(({ ratio }) => ratio)))}` +
      (ratiosCpu.length ? `, by processor time ${digits(mean(ratiosCpu))}` : ''),
    ...(onlyA.length ? [`only in A: ${names(onlyA)}`] : []),
    ...(onlyB.length ? [`only in B: ${names(onlyB)}`] : []),
    ...Object.entries({ A: a, B: b }).flatMap(([name, { skipped = [] }]) =>
      skipped.length ? [`skipped in ${name}: ${names(skipped.map(key))}`] : [],
    ),
  ].join('\n')
}

/** Reads a result. @throws with the name of the file when it is not a result */
export function parseResult(text: string, file: string): Result {
  let value: Partial<Result> | null
  try {
    value = JSON.parse(text)
  } catch {
    throw new Error(`bench result ${file}: not JSON, expected a file that "trm bench --json" wrote`)
  }
  if (!value || !Array.isArray(value.rows) || typeof value.peak?.gflops !== 'number')
    throw new Error(`bench result ${file}: no rows or no peak in it, expected a file that "trm bench --json" wrote`)
  return value as Result
}
