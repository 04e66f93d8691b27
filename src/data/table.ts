// Tables of puzzles: which column is what, tables without a header, lines of puzzles. What a puzzle means is not known
// here.
import { checkLength, type CsvRecord, CsvReader } from '../formats/csv.js'
import { textOf } from '../formats/pieces.js'
import { foreign, named } from '../formats/recognise.js'
import { shown } from '../formats/shown.js'

const TABLE = 'a table (CSV)'

/**
 * One row of a puzzle table. `line` is the line of the file in which it ends, from 1. Cells that the table does not
 * have are ''.
 */
export interface PuzzleRow {
  source: string
  question: string
  answer: string
  rating: string
  line: number
}

/** Columns by their name in the header, or by their number from 1. */
export interface ColumnNames {
  question?: string
  answer?: string
  rating?: string
}

export type ColumnRole = keyof ColumnNames

/** The layout of a table: places of columns from 0, −1 where there is none. */
export interface TableLayout {
  delimiter: string
  /** Cells of the header, or of the first row where there is no header. */
  first: string[]
  hasHeader: boolean
  question: number
  answer: number
  rating: number
  source: number
  /** The asked columns that the table has. */
  asked: ColumnRole[]
}

/** Known names of columns without case, blanks, `_` and `-`, the official ones first. */
const KNOWN_NAMES: Record<ColumnRole, readonly string[]> = {
  question: [
    'question',
    'questions',
    'puzzle',
    'puzzles',
    'quiz',
    'quizzes',
    'problem',
    'problems',
    'input',
    'inputs',
    'unsolved',
    'sudoku',
    'board',
    'grid',
  ],
  answer: ['answer', 'answers', 'solution', 'solutions', 'solved', 'output', 'outputs', 'target', 'label'],
  rating: ['rating', 'ratings', 'difficulty', 'backtracks'],
}

const plain = (name: string) => name.toLowerCase().replace(/[\s_-]+/g, '')

/** Whether a cell looks like a puzzle: a Sudoku of one of the sizes, or a maze. */
function isPuzzle(cell: string): boolean {
  const isSudoku = /^\s*(?:[\d._*?xX-]{16}|[\d._*?xX-]{36}|[\d._*?xX-]{81})\s*$/.test(cell)
  return isSudoku || (/^[# SGo]{25,}$/.test(cell) && cell.includes('S') && cell.includes('G'))
}

/** Whether a puzzle looks like an answer: a filled Sudoku, or a maze with a path. */
const isAnswer = (cell: string) => /^\s*[1-9]+\s*$/.test(cell) || cell.includes('o')

/**
 * Reads a puzzle table from text that comes in pieces: CSV, also with semicolons or tabs. The header must have a column
 * of puzzles, by a known name or by the asked one. Without a header, the columns that look like puzzles count; then
 * blanks may divide a line, and lines that begin with '#' are comments. Blanks inside of cells are kept.
 */
export class TableReader {
  #head = ''
  #csv: CsvReader | undefined
  #known: TableLayout | undefined

  /**
   * @param name begins the messages of errors
   * @param hint ends the message that no column of puzzles was found
   */
  constructor(
    private readonly name: string,
    private readonly asked: ColumnNames = {},
    private readonly hint = '',
  ) {}

  /** Known as soon as the first line with content has been read. */
  get layout(): TableLayout | undefined {
    return this.#known
  }

  /**
   * The rows that a further piece completes.
   * @throws `name:line: …` when there is no column of puzzles, or the table is broken
   */
  read(piece: string): PuzzleRow[] {
    if (!this.#csv) return this.#begin(piece, false)
    return this.#rows(this.#csv.read(piece))
  }

  /** The last rows. @throws as `read` */
  end(): PuzzleRow[] {
    const rows = this.#csv ? [] : this.#begin('', true)
    if (!this.#csv) throw new Error(`${this.name}: this is an empty file, expected ${TABLE}`)
    return [...rows, ...this.#rows(this.#csv.end())]
  }

  /** Waits for the first line with content. */
  #begin(piece: string, isEnd: boolean): PuzzleRow[] {
    this.#head += piece
    const lineEnd = /\r\n?|\n|$/g
    lineEnd.lastIndex = this.#head.startsWith('\ufeff') ? 1 : 0
    for (let line = 1; lineEnd.lastIndex < this.#head.length; line++) {
      const start = lineEnd.lastIndex
      const { 0: ending, index } = lineEnd.exec(this.#head)!
      if (!isEnd && index + ending.length === this.#head.length && ending !== '\n') break
      const text = this.#head.slice(start, index)
      const layout = layoutOf(text, this.asked, message => this.#fail(line, message))
      if (layout) {
        this.#known = layout
        this.#csv = new CsvReader(
          this.name,
          layout.delimiter === ' ' ? '\0' : layout.delimiter,
          layout.hasHeader ? line + 1 : line,
        )
        const rest = this.#head.slice(layout.hasHeader ? index + ending.length : start)
        this.#head = ''
        return this.#rows(this.#csv.read(rest))
      }
      if (text.trim() !== '' && !text.startsWith('#')) this.#failWithout(text, line)
    }
    if (this.#head.length > 2 ** 20) this.#failWithout(this.#head.slice(0, 200), 1)
    return []
  }

  #rows(records: CsvRecord[]): PuzzleRow[] {
    const { delimiter, first, hasHeader, source, question, answer, rating } = this.#known!
    const rows: PuzzleRow[] = []
    for (const record of records) {
      const cells = delimiter === ' ' ? record.cells[0].trim().split(/\s+/) : record.cells
      if (cells.length === 1 && cells[0].trim() === '') continue
      if (cells[0].startsWith('#') && !(hasHeader && cells.length === first.length) && !cells.some(isPuzzle)) continue
      checkLength({ cells, line: record.line }, first.length, this.name)
      rows.push({
        source: cells[source] ?? '',
        question: cells[question],
        answer: cells[answer] ?? '',
        rating: cells[rating] ?? '',
        line: record.line,
      })
    }
    return rows
  }

  #failWithout(text: string, line: number): never {
    const [{ first: cells }] = divisionsOf(text)
    const found = cells.length > 1 ? `the columns ${shown(cells.join(','))}` : shown(cells.join(','))
    const wanted = this.asked.question === undefined ? '' : `, not ${shown(this.asked.question)}`
    const message =
      'expected a header with a column of puzzles (question, puzzle, quiz, problem, …) or lines of puzzles'
    return this.#fail(line, `${message}, found ${found}${wanted}${this.hint}`)
  }

  #fail(line: number, message: string): never {
    throw new Error(`${this.name}:${line}: ${message}`)
  }
}

/** The layout of a table with this first line; undefined when it has no known column of puzzles and no puzzle. */
function layoutOf(text: string, asked: ColumnNames, fail: (message: string) => never): TableLayout | undefined {
  for (const { delimiter, first } of [...divisionsOf(text), { delimiter: ' ', first: text.trim().split(/\s+/) }]) {
    const hasHeader = !first.some(isPuzzle)
    if (delimiter === ' ' && hasHeader) continue
    const at = (role: ColumnRole) => placeOf(first, role, asked[role], hasHeader, fail)
    let [question, answer] = [at('question'), at('answer')]
    if (!hasHeader) [question, answer] = byLook(first, question, answer, fail)
    if (question < 0) continue
    if (question === answer)
      fail(`expected puzzles and answers in different columns, got ${shown(first[question])} for both`)
    const source = hasHeader ? first.findIndex(name => plain(name) === 'source') : -1
    const isThere = (role: ColumnRole) => asked[role] !== undefined && askedPlace(first, asked[role], hasHeader) >= 0
    const roles = (['question', 'answer', 'rating'] as const).filter(isThere)
    return { delimiter, first, hasHeader, question, answer, rating: at('rating'), source, asked: roles }
  }
  return undefined
}

/**
 * The cells of a line by each of the delimiters, the one with the most cells first. A delimiter gives no cells where
 * quotes are broken.
 */
function divisionsOf(text: string): { delimiter: string; first: string[] }[] {
  const cells = (delimiter: string) => {
    try {
      return new CsvReader('', delimiter).read(`${text}\n`)[0]?.cells ?? []
    } catch {
      return []
    }
  }
  return [',', ';', '\t']
    .map(delimiter => ({ delimiter, first: cells(delimiter) }))
    .sort((a, b) => b.first.length - a.first.length)
}

function askedPlace(first: readonly string[], asked: string, hasHeader: boolean): number {
  const place = hasHeader ? first.findIndex(name => name.trim() === asked.trim()) : -1
  if (place >= 0 || !/^\d+$/.test(asked)) return place
  return Number(asked) <= first.length ? Number(asked) - 1 : -1
}

/** The place of a column: by the asked name, by a known name, or by the asked number. */
function placeOf(
  first: readonly string[],
  role: ColumnRole,
  asked: string | undefined,
  hasHeader: boolean,
  fail: (message: string) => never,
): number {
  const place = asked === undefined ? -1 : askedPlace(first, asked, hasHeader)
  if (!hasHeader || (place >= 0 && first[place].trim() === asked!.trim())) return place
  const names = first.map(plain)
  const [official] = KNOWN_NAMES[role]
  const found = KNOWN_NAMES[role].filter(name => names.includes(name))
  if (found.length > 1 && !found.includes(official) && role !== 'rating') {
    fail(`expected one column of ${role}s, found ${found.join(', ')} — which is it?`)
  }
  return found.length === 0 ? place : names.indexOf(found[0])
}

/** The columns of question and answer in a row of a table without header. */
function byLook(
  first: readonly string[],
  question: number,
  answer: number,
  fail: (message: string) => never,
): [question: number, answer: number] {
  const open = [...first.keys()].filter(place => isPuzzle(first[place]) && place !== question && place !== answer)
  if (question >= 0 && answer >= 0) return [question, answer]
  if (open.length > (question < 0 ? 1 : 0) + (answer < 0 ? 1 : 0))
    fail(`expected a puzzle and its answer in a line, found ${open.length} puzzles`)
  if (question < 0) {
    const place = open.find(one => !isAnswer(first[one])) ?? open[0] ?? -1
    question = place
  }
  return [question, answer >= 0 ? answer : (open.find(place => place !== question) ?? -1)]
}

/**
 * The rows of a table that comes in pieces, packed with gzip or not, some at a time. `layout` is known from the first
 * on.
 * @throws as `TableReader`, or one line that names the kind of the file
 */
export async function* tableRows(
  pieces: AsyncIterable<Uint8Array>,
  name: string,
  asked?: ColumnNames,
  hint?: string,
): AsyncGenerator<{ rows: PuzzleRow[]; layout: TableLayout }, void> {
  const reader = new TableReader(name, asked, hint)
  let start = new Uint8Array()
  try {
    for await (const text of textOf(pieces, name, bytes => (start = bytes))) {
      const rows = reader.read(text)
      if (reader.layout) yield { rows, layout: reader.layout }
    }
    yield { rows: reader.end(), layout: reader.layout! }
  } catch (error) {
    const stranger = start.length > 0 ? foreign(start, TABLE) : undefined
    throw stranger ? new Error(`${name}: ${stranger}`, { cause: error }) : error
  }
}

/**
 * Reads a whole puzzle table.
 * @throws `name:line: …` when it has no column of puzzles, a row has too many or too few cells, or a quote is broken
 */
export function parsePuzzleCsv(input: string | Uint8Array, name = 'csv', asked: ColumnNames = {}): PuzzleRow[] {
  const bytes = typeof input === 'string' ? new TextEncoder().encode(input.slice(0, 4096)) : input
  return named(bytes, name, TABLE, () => {
    const reader = new TableReader(name, asked)
    const rows = reader.read(typeof input === 'string' ? input : new TextDecoder().decode(input))
    return [...rows, ...reader.end()]
  })
}
