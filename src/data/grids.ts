// Tasks of one's own as tokens: pairs of an input grid and an output grid of the same size, over an alphabet.
import { parseCsv } from '../formats/csv.js'
import { foreign, named } from '../formats/recognise.js'
import { printable, shown } from '../formats/shown.js'
import { type Dataset, IGNORE_LABEL, singleExampleDataset } from './dataset.js'
import type { Task } from './tasks.js'

/** Rows of symbols, one character (code point) each. All rows have the same length. */
export type SymbolGrid = readonly string[]

/** An example; `place` is its origin, e.g. "train.csv:7". */
export interface GridPair {
  input: SymbolGrid
  output: SymbolGrid
  place: string
}

/**
 * How grids become tokens: symbol i of the alphabet is token i + 1 (0 is PAD). Smaller grids lie at the top left of
 * rows × columns.
 */
export interface GridTask {
  /** Single characters, all different. */
  alphabet: readonly string[]
  rows: number
  columns: number
}

/** The file of a dataset directory with the meaning of its tokens, as JSON of a `GridTask`. */
export const GRID_TASK_PATH = 'grids.json'

/** Most symbols: with PAD they are the tokens that labels in bytes can hold. */
const MAX_SYMBOLS = 126
const MAX_CELLS = 65536

/**
 * Reads examples: JSON Lines, {"input": GRID, "output": GRID} each, or CSV with the columns input and output. A grid is
 * text of one character per cell with "/" or line breaks between rows; where there are line breaks, "/" is a cell. In
 * JSON it may also be a list of rows, each a text or a list of cells: characters, or whole numbers 0 … 35, which count
 * as 0 … 9, a … z.
 * @throws `name:line: …` for anything else, for rows of different lengths, and where input and output differ in size
 */
export function parseGrids(bytes: Uint8Array, name = 'grids'): GridPair[] {
  let text: string
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    throw new Error(`${name}: ${foreign(bytes, 'JSON or a table (CSV)') ?? 'expected text in UTF-8, got other bytes'}`)
  }
  const rows = named(bytes, name, 'JSON or a table (CSV)', () =>
    /^\s*\{/.test(text) ? parseLines(text, name) : parseCsv(text, ['input', 'output'], name),
  )
  return rows.map(({ line, input, output }) => {
    const place = `${name}:${line}`
    const pair = { input: gridOf(input, `${place}: input`), output: gridOf(output, `${place}: output`), place }
    if (sizeOf(pair.input) !== sizeOf(pair.output))
      throw new Error(
        `${place}: expected an output of the input's size, ${sizeOf(pair.input)}, got ${sizeOf(pair.output)} — ` +
          'fill up the smaller one with a symbol for "nothing"',
      )
    return pair
  })
}

function parseLines(text: string, name: string): { line: number; input: unknown; output: unknown }[] {
  return text.split(/\r?\n/).flatMap((json, i) => {
    if (json.trim() === '') return []
    const where = `${name}:${i + 1}`
    let record: { input?: unknown; output?: unknown }
    try {
      record = JSON.parse(json)
    } catch (error) {
      throw new Error(
        `${where}: expected a line of JSON, got something else — ` +
          printable((error as Error).message.replace(/\s+/g, ' ')),
      )
    }
    for (const field of ['input', 'output'] as const)
      if (record?.[field] === undefined)
        throw new Error(`${where}: expected {"input": …, "output": …}, got no ${field}`)
    return [{ line: i + 1, input: record.input, output: record.output }]
  })
}

function gridOf(given: unknown, where: string): SymbolGrid {
  const rows =
    typeof given === 'string' ? given.replace(/\r?\n$/, '').split(/\r?\n/.test(given) ? /\r?\n/ : '/') : given
  if (!Array.isArray(rows))
    throw new Error(`${where}: expected a grid, text or a list of rows, got ${shown(given, 40)}`)
  const grid = rows.map((row: unknown, r) =>
    typeof row === 'string'
      ? row
      : Array.isArray(row)
        ? row.map((cell: unknown, c) => symbolOf(cell, `${where}: row ${r + 1}, column ${c + 1}`)).join('')
        : '',
  )
  const width = widthOf(grid)
  const uneven = grid.findIndex(row => [...row].length !== width)
  if (uneven > 0)
    throw new Error(
      `${where}: expected rows of ${width} cells as the first, got ${[...grid[uneven]].length} in row ${uneven + 1}`,
    )
  if (width === 0) throw new Error(`${where}: expected a grid of cells, got none`)
  return grid
}

function symbolOf(cell: unknown, where: string): string {
  if (typeof cell === 'string' && [...cell].length === 1) return cell
  if (typeof cell === 'number' && Number.isInteger(cell) && cell >= 0 && cell < 36) return cell.toString(36)
  throw new Error(`${where}: expected a character or a whole number of 0 … 35, got ${shown(cell, 40)}`)
}

const widthOf = (grid: SymbolGrid) => [...(grid[0] ?? '')].length

const sizeOf = (grid: SymbolGrid) => `${grid.length}×${widthOf(grid)}`

/**
 * The task of some examples: the largest number of rows and of columns, and the symbols that occur, in the order of
 * their code points, unless an alphabet is given.
 * @throws when there is no example, when they are too large, or when the symbols are too few, too many or not different
 */
export function gridTaskOf(pairs: readonly GridPair[], alphabet?: readonly string[]): GridTask {
  if (pairs.length === 0) throw new Error('grids: expected at least one example, got none')
  const most = (size: (grid: SymbolGrid) => number) =>
    pairs.reduce((largest, { input }) => Math.max(largest, size(input)), 0)
  const found = new Set<string>()
  for (const { input, output } of alphabet ? [] : pairs)
    for (const row of [...input, ...output]) for (const symbol of row) found.add(symbol)
  const symbols = alphabet ?? [...found].sort((a, b) => a.codePointAt(0)! - b.codePointAt(0)!)
  return checkGridTask({ alphabet: symbols, rows: most(grid => grid.length), columns: most(widthOf) }, 'grids')
}

/** A task that was stored as JSON. @throws one line that begins with `where` when it is none */
export function checkGridTask(given: unknown, where: string): GridTask {
  const { alphabet, rows, columns } = (given ?? {}) as GridTask
  if (
    !Array.isArray(alphabet) ||
    !alphabet.every(symbol => typeof symbol === 'string' && [...symbol].length === 1) ||
    new Set(alphabet).size < alphabet.length
  ) {
    throw new Error(`${where}: expected an alphabet of different characters, got ${shown(alphabet, 60)}`)
  }
  if (alphabet.length < 1 || alphabet.length > MAX_SYMBOLS)
    throw new Error(`${where}: expected an alphabet of 1 … ${MAX_SYMBOLS} characters, got ${alphabet.length}`)
  if (![rows, columns].every(side => Number.isInteger(side) && side >= 1) || rows * columns > MAX_CELLS)
    throw new Error(`${where}: expected grids of at most ${MAX_CELLS} cells, got ${rows}×${columns}`)
  return { alphabet, rows, columns }
}

/**
 * Tokens (rows · columns) of a grid; cells outside of it are PAD.
 * @throws one line that begins with `where` when it is too large or has another symbol
 */
export function encodeGrid({ alphabet, rows, columns }: GridTask, grid: SymbolGrid, where = 'grids'): Uint8Array {
  if (grid.length > rows || widthOf(grid) > columns)
    throw new Error(`${where}: expected a grid of at most ${rows}×${columns}, got ${sizeOf(grid)}`)
  const tokens = new Uint8Array(rows * columns)
  for (const [r, row] of grid.entries()) {
    for (const [c, symbol] of [...row].entries()) {
      const token = alphabet.indexOf(symbol) + 1
      if (token === 0)
        throw new Error(
          `${where}: row ${r + 1}, column ${c + 1}: ` +
            `expected one of the alphabet ${shown(alphabet.join(''))}, got ${shown(symbol)}`,
        )
      tokens[r * columns + c] = token
    }
  }
  return tokens
}

/**
 * A dataset of examples. Each is a puzzle and a group of its own. Cells outside of its grid are not scored.
 * @throws one line with the place of the first example that does not fit the task
 */
export function gridDataset(pairs: readonly GridPair[], task: GridTask): Dataset {
  const cells = task.rows * task.columns
  const inputs = new Uint8Array(pairs.length * cells)
  const labels = new Int8Array(pairs.length * cells)
  for (const [i, { input, output, place }] of pairs.entries()) {
    inputs.set(encodeGrid(task, input, `${place}: input`), i * cells)
    labels.set(encodeGrid(task, output, `${place}: output`), i * cells)
  }
  for (let i = 0; i < labels.length; i++) if (labels[i] === 0) labels[i] = IGNORE_LABEL
  return singleExampleDataset({ inputs, labels, cells, vocabulary: task.alphabet.length + 1, groupSize: 1 })
}

/** The task for the command line: typed as text with "/" between rows, and shown. Its rules are not known. */
export function customTask(task: GridTask): Task {
  const { alphabet, rows, columns } = task
  return {
    name: 'grids',
    fits: (cells, vocabulary) => cells === rows * columns && vocabulary === alphabet.length + 1,
    form:
      `up to ${rows} rows of up to ${columns} of the characters "${alphabet.join('')}", ` +
      'with "/" or a line break between rows',
    encode: text => encodeGrid(task, gridOf(text, 'solve')),
    parse: text => [{ ids: encodeGrid(task, gridOf(text, 'solve')), line: 1 }],
    contradiction: () => '',
    doubt: () => '',
    decode: ids => Array.from(ids, id => alphabet[id - 1] ?? (id === 0 ? ' ' : '?')).join(''),
    violations: () => [],
    isUnchecked: true,
    side: () => columns,
  }
}
