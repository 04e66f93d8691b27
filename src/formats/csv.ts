// Tables in CSV with named columns, such as the official ones of puzzles: source, question, answer, rating; what a cell means is not known here.
import { parse } from 'csv-parse/browser/esm/sync'
import { foreign } from './recognise.js'
import { printable, shown } from './shown.js'

/** One row of a puzzle table; `line` is where it ends in the file, the header being line 1. */
export interface PuzzleRow {
  source: string
  question: string
  answer: string
  rating: string
  line: number
}

/**
 * Reads a puzzle table: the header names the columns in any order, more columns are ignored, blanks inside cells are kept.
 * Throws an Error of the form `name:line: …` for a missing column, a row with too many or too few cells, or a broken quote.
 */
export function parsePuzzleCsv(input: string | Uint8Array, name = 'csv'): PuzzleRow[] {
  return parseCsv(input, ['source', 'question', 'answer', 'rating'], name)
}

/** The same for a table of any columns. */
export function parseCsv<Column extends string>(input: string | Uint8Array, columns: readonly Column[], name = 'csv'): (Record<Column, string> & { line: number })[] {
  const stranger = () => (typeof input === 'string' ? undefined : foreign(input, 'a table (CSV)'))
  let records: { record: string[]; info: { lines: number } }[]
  try {
    const text = typeof input === 'string' ? input : new TextDecoder().decode(input)
    // The parser's browser build brings its own Buffer (and so refuses Node's), hence the string.
    records = parse(text, { info: true, bom: true, skip_empty_lines: true }) as unknown as typeof records
  } catch (error) {
    const { message, lines } = error as Error & { lines?: number }
    throw new Error(`${name}:${lines ?? 1}: ${stranger() ?? `expected ${columns.join(',')} in CSV, got a broken table — ${printable(message.replace(/\s+/g, ' '))}`}`)
  }
  const header = records[0]?.record ?? []
  const places = columns.map(column => {
    const place = header.indexOf(column)
    if (place < 0) {
      const got = header.length ? shown(header.join(',')) : 'an empty file'
      throw new Error(`${name}:1: ${stranger() ?? `expected a header line ${columns.join(',')}, got ${got} — column "${column}" is missing`}`)
    }
    return place
  })
  return records.slice(1).map(({ record, info }) => ({ ...(Object.fromEntries(columns.map((column, i) => [column, record[places[i]]])) as Record<Column, string>), line: info.lines }))
}
