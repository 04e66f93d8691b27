// Comma-separated text as records of cells, also with other delimiters and in pieces.
import { shown } from './shown.js'

/** One record; `line` is where it ends in the file, from 1. */
export interface CsvRecord {
  cells: string[]
  line: number
}

/** Most characters of a record, so that a quote left open does not take the memory of a whole file. */
const MAX_RECORD = 2 ** 22

const QUOTE = 34

/**
 * Splits text that comes in pieces into records (RFC 4180: cells may be quoted, a quote in them is doubled). Lines may
 * end in any way, and empty ones are left out. A quote inside a cell that does not begin with one is a plain character.
 * Cells keep their blanks.
 */
export class CsvReader {
  /** Text that is not a whole record yet. */
  #rest = ''

  /**
   * @param name begins the messages of errors
   * @param line number of the first line that will come
   */
  constructor(
    private readonly name: string,
    private readonly delimiter = ',',
    private line = 1,
  ) {}

  /**
   * The records that a further piece completes.
   * @throws `name:line: …` where a quoted cell is followed by text or does not end
   */
  read(piece: string): CsvRecord[] {
    const text = this.#rest + piece
    // A line end may be cut in two.
    const end = text.endsWith('\r') ? text.length - 1 : text.length
    const records = this.#split(unixLines(text.slice(0, end)), false)
    this.#rest += text.slice(end)
    if (this.#rest.length > MAX_RECORD) {
      this.#fail(
        `expected rows of at most ${MAX_RECORD} characters, got a longer one — ` +
          'is there a quote that is not closed?',
      )
    }
    return records
  }

  /** The last records. */
  end(): CsvRecord[] {
    return this.#split(unixLines(this.#rest), true)
  }

  #split(text: string, isEnd: boolean): CsvRecord[] {
    const records: CsvRecord[] = []
    // Looked for again only when they are passed.
    let [delimiterAt, lineAt] = [-2, -2]
    let start = 0
    while (start < text.length) {
      const cells: string[] = []
      let at = start
      let [line, isWhole] = [this.line, false]
      for (let isOpen = true; isOpen;) {
        let to: number
        if (text.charCodeAt(at) === QUOTE) {
          const close = closingQuote(text, at)
          if (close < 0 && isEnd) {
            this.#fail('expected a closing quote, got none until the end of the table: it is a broken table')
          }
          // The next character may show that the quote is a doubled one.
          if (close < 0 || (close + 1 === text.length && !isEnd)) break
          const cell = text.slice(at + 1, close)
          for (let i = cell.indexOf('\n'); i >= 0; i = cell.indexOf('\n', i + 1)) line++
          cells.push(cell.includes('"') ? cell.replaceAll('""', '"') : cell)
          to = close + 1
        } else {
          if (delimiterAt !== -1 && delimiterAt < at) delimiterAt = text.indexOf(this.delimiter, at)
          if (lineAt !== -1 && lineAt < at) lineAt = text.indexOf('\n', at)
          if (lineAt < 0 && !isEnd) break
          to = lineAt < 0 ? text.length : lineAt
          if (delimiterAt >= 0 && delimiterAt < to) to = delimiterAt
          cells.push(text.slice(at, to))
        }
        isOpen = text[to] === this.delimiter
        isWhole = !isOpen
        at = to + 1
        if (isWhole && to < text.length && text[to] !== '\n') {
          this.#fail('expected a delimiter after a closing quote, got text: it is a broken table')
        }
      }
      if (!isWhole) break
      if (cells.length > 1 || at - start > 1) records.push({ cells, line })
      this.line = line + 1
      start = at
    }
    this.#rest = text.slice(start)
    return records
  }

  #fail(message: string): never {
    throw new Error(`${this.name}:${this.line}: ${message}`)
  }
}

function unixLines(text: string): string {
  return text.includes('\r') ? text.replace(/\r\n?/g, '\n') : text
}

/** The quote that closes the cell that begins with one at `from`; -1 where none does. */
function closingQuote(text: string, from: number): number {
  let at = text.indexOf('"', from + 1)
  while (at >= 0 && text.charCodeAt(at + 1) === QUOTE) at = text.indexOf('"', at + 2)
  return at
}

/**
 * Reads a table whose header has these columns, in any order; other columns are ignored.
 * @throws `name:line: …` for a missing column, a row with too many or too few cells, or a broken quote
 */
export function parseCsv<Column extends string>(
  text: string,
  columns: readonly Column[],
  name = 'csv',
): (Record<Column, string> & { line: number })[] {
  const reader = new CsvReader(name)
  const [header, ...records] = [...reader.read(text.replace(/^\ufeff/, '')), ...reader.end()]
  const places = columns.map(column => {
    const place = header?.cells.indexOf(column) ?? -1
    if (place < 0) {
      const got = header ? shown(header.cells.join(',')) : 'an empty file'
      throw new Error(
        `${name}:1: expected a header line ${columns.join(',')}, got ${got} — column "${column}" is missing`,
      )
    }
    return place
  })
  return records.map(record => {
    checkLength(record, header.cells.length, name)
    const cells = Object.fromEntries(columns.map((column, i) => [column, record.cells[places[i]]])) as Record<
      Column,
      string
    >
    return { ...cells, line: record.line }
  })
}

/** @throws when a row has another number of cells than the table has columns */
export function checkLength({ cells, line }: CsvRecord, columns: number, name: string): void {
  if (cells.length !== columns) {
    throw new Error(
      `${name}:${line}: expected ${columns} cells as in the first line, got ${cells.length}: it is a broken table`,
    )
  }
}
