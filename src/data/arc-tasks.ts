// ARC tasks from JSON, as grids, and which test inputs have a known output.
import { isRecord, parseJson } from '../formats/json.js'
import { printable, shown } from '../formats/shown.js'
import type { Split } from './dataset.js'
import type { Grid } from './dihedral.js'

/** Side of the square that every grid is put in, and the largest side of a grid. */
export const ARC_SIDE = 30

/** The number of colours: 0 … 9. */
export const ARC_COLOURS = 10

/** Stands between the parts of an augmentation's name. */
export const ARC_SEPARATOR = '|||'

/** Two grids of colours 0 … 9 with sides of 1 … 30. `part` is "train" for a demonstration, "test" for a question. */
export interface ArcPair {
  part: Split
  input: Grid
  output: Grid
  /** True when the output is unknown, and [[0]] stands for it. The pair is neither trained on nor scored. */
  placeholder?: boolean
}

/** A task with at least one pair of each part, in the order of its file. */
export interface ArcTask {
  name: string
  pairs: ArcPair[]
}

/** JSON as bytes and the name that its errors begin with. */
export interface ArcSource {
  bytes: Uint8Array
  name: string
}

export interface ArcParseOptions {
  /** The names of the tasks that are read; the others are not checked. By default all. */
  keep?: (name: string) => boolean
  /** Test pairs without an output get a placeholder; by default they are refused. */
  placeholders?: boolean
}

/** An error in one task of a collection, which may be left out. */
export class ArcTaskError extends Error {
  constructor(
    message: string,
    readonly task: string,
    /** Whether only the output of a test pair is missing. */
    readonly unsolved = false,
  ) {
    super(message)
  }
}

/**
 * The tasks of a file in Kaggle's form, `{task: {train: [{input, output}], test: [{input}]}}`. The outputs of the test
 * pairs come from `solutions`, `{task: [grid]}`, or stand in the file itself. When some have placeholders, for a
 * submission, the tasks come in the order of the file. Otherwise names like "42918530" come first, as in any object.
 * @throws one line that begins with the file's name and names task, pair, row and column, when something is missing or
 * is no grid of 1 … 30 rows of 1 … 30 colours 0 … 9, or a name occurs twice
 */
export function parseArcTasks(challenges: ArcSource, solutions?: ArcSource, options: ArcParseOptions = {}): ArcTask[] {
  const { keep = () => true } = options
  const { record, keys } = parseRecord(challenges, 'tasks by name')
  const names = Object.keys(record).filter(keep)
  const answers = solutions && answersFor(names, solutions)
  const tasks = names.map(name => {
    return taskOf(record[name], name, `${challenges.name}: task ${shown(name)}`, options, answers?.get(name))
  })
  if (!tasks.some(hasPlaceholder)) return tasks
  const places = new Map(keys.map((key, place) => [key, place]))
  return tasks.sort((a, b) => places.get(a.name)! - places.get(b.name)!)
}

/**
 * One task from a file of its own, `{train: [{input, output}], test: [{input, output}]}`.
 * @throws as `parseArcTasks`
 */
export function parseArcTask(source: ArcSource, name: string, options: ArcParseOptions = {}): ArcTask {
  const { record } = within(name, () => parseRecord(source, 'lists train and test'))
  return taskOf(record, name, source.name, options)
}

/**
 * The tasks of `test_puzzles.json`, as this project or the published builder wrote it. The published file does not mark
 * placeholders: there a task counts as unanswered when all its test outputs are [[0]] and no demonstration has an
 * output of one cell.
 */
export function parseArcTestPuzzles(source: ArcSource): ArcTask[] {
  return parseArcTasks(source, undefined, { placeholders: true }).map(task => {
    if (!looksUnsolved(task) || task.pairs.some(({ placeholder }) => placeholder === false)) return task
    return { ...task, pairs: task.pairs.map(pair => (pair.part === 'test' ? { ...pair, placeholder: true } : pair)) }
  })
}

/** Tasks as the text of an object in Kaggle's form, which `parseArcTestPuzzles` reads. */
export function arcTasksJson(tasks: readonly ArcTask[]): string {
  if (tasks.some(hasPlaceholder)) return orderedJson(tasks.map(task => [task.name, recordOf(task)]))
  return JSON.stringify(Object.fromEntries(tasks.map(task => [task.name, recordOf(task)])))
}

/** The text of an object with its keys in this order; an object of JavaScript puts keys like "42918530" first. */
export function orderedJson(entries: readonly (readonly [key: string, value: unknown])[]): string {
  return `{${entries.map(([key, value]) => `${JSON.stringify(key)}:${JSON.stringify(value)}`).join(',')}}`
}

/** Whether an output of the task is unknown. */
export function hasPlaceholder({ pairs }: ArcTask): boolean {
  return pairs.some(({ placeholder }) => placeholder)
}

/** A grid as rows of colours; [] when it has none. */
export function arcGridRows({ cells, rows, columns }: Grid): number[][] {
  return Array.from({ length: rows }, (_, row) => Array.from(cells.subarray(row * columns, (row + 1) * columns)))
}

function looksUnsolved({ pairs }: ArcTask): boolean {
  const isCell = ({ output }: ArcPair) => output.rows === 1 && output.columns === 1
  return pairs.every(pair => (pair.part === 'train' ? !isCell(pair) : isCell(pair) && pair.output.cells[0] === 0))
}

function recordOf(task: ArcTask): Record<string, unknown> {
  const json: Record<string, unknown[]> = {}
  for (const { part, input, output, placeholder } of task.pairs) {
    // An answer that looks like a placeholder is marked as an answer.
    const mark = placeholder || (part === 'test' && looksUnsolved(task)) ? { placeholder: placeholder ?? false } : {}
    ;(json[part] ??= []).push({ input: arcGridRows(input), output: arcGridRows(output), ...mark })
  }
  return json
}

/** The outputs of each task's test pairs. */
function answersFor(names: readonly string[], solutions: ArcSource): Map<string, Grid[]> {
  const { record } = parseRecord(solutions, 'lists of grids by task')
  const missing = names.filter(name => !Object.hasOwn(record, name))
  const [expected, hint] = ['expected the outputs of its test pairs, got nothing', 'do both files belong together?']
  if (missing.length === 1) {
    throw new ArcTaskError(`${solutions.name}: task ${shown(missing[0])}: ${expected} — ${hint}`, missing[0])
  }
  if (missing.length > 1) {
    const more = missing.length > 20 ? ` and ${missing.length - 20} more` : ''
    const got = `got nothing for ${missing.length} of them: ${missing
      .slice(0, 20)
      .map(name => shown(name))
      .join(', ')}${more}`
    throw new Error(`${solutions.name}: expected the outputs of all ${names.length} tasks, ${got} — ${hint}`)
  }
  return new Map(
    names.map(name => [
      name,
      within(name, () => {
        const [outputs, where] = [record[name], `${solutions.name}: task ${shown(name)}`]
        if (!Array.isArray(outputs)) throw new Error(`${where}: expected a list of grids, got ${show(outputs)}`)
        return outputs.map((grid, i) => parseArcGrid(grid, `${where}: output ${i + 1}`))
      }),
    ]),
  )
}

/** The result of `read`; its errors name the task. */
function within<T>(task: string, read: () => T): T {
  try {
    return read()
  } catch (error) {
    throw error instanceof ArcTaskError ? error : new ArcTaskError((error as Error).message, task)
  }
}

/** @param outputs the outputs of the test pairs, when they are given elsewhere */
function taskOf(json: unknown, name: string, where: string, options: ArcParseOptions, outputs?: Grid[]): ArcTask {
  return within(name, () => {
    if (!isRecord(json)) throw new Error(`${where}: expected lists train and test, got ${show(json)}`)
    if (name === '' || name.includes(ARC_SEPARATOR)) {
      throw new Error(
        `${where}: expected a task name without "${ARC_SEPARATOR}", got ${shown(name)} — ` +
          'augmentations are named with it',
      )
    }
    const parts = Object.keys(json).filter((key): key is Split => key === 'train' || key === 'test')
    for (const part of ['train', 'test'] as const) {
      const pairs = Object.hasOwn(json, part) ? json[part] : undefined
      if (!Array.isArray(pairs) || pairs.length === 0)
        throw new Error(`${where}: expected ${part} to be a list of pairs, at least one, got ${show(pairs)}`)
      if (outputs && part === 'test' && outputs.length !== pairs.length) {
        throw new Error(
          `${where}: expected as many test pairs as solutions, got ${pairs.length} and ${outputs.length} — ` +
            'do both files belong together?',
        )
      }
    }
    const pairs = parts.flatMap(part =>
      (json[part] as unknown[]).map((pair, i) => {
        return pairOf(pair, part, `${where}: ${part} ${i + 1}`, name, options, outputs?.[i])
      }),
    )
    return { name, pairs }
  })
}

function pairOf(
  json: unknown,
  part: Split,
  where: string,
  task: string,
  { placeholders }: ArcParseOptions,
  given?: Grid,
): ArcPair {
  if (!isRecord(json)) throw new Error(`${where}: expected an input and an output, got ${show(json)}`)
  const { input, output, placeholder } = json
  const solution = part === 'test' ? given : undefined
  const isUnknown = !solution && (output === undefined || output === null || (part === 'test' && placeholder === true))
  if (isUnknown && (part === 'train' || !placeholders)) {
    const hint = part === 'test' ? ' — put the solutions file next to the challenges file' : ''
    throw new ArcTaskError(`${where}: expected an output, got nothing${hint}`, task, part === 'test')
  }
  const pair = { part, input: parseArcGrid(input, `${where} input`) }
  if (isUnknown) return { ...pair, output: { cells: Uint8Array.of(0), rows: 1, columns: 1 }, placeholder: true }
  const mark = placeholders && placeholder === false ? { placeholder } : {}
  return { ...pair, output: solution ?? parseArcGrid(output, `${where} output`), ...mark }
}

/**
 * A grid from JSON's rows of colours.
 * @throws one line that begins with `where` and names row and column, when it is none
 */
export function parseArcGrid(json: unknown, where: string): Grid {
  if (!Array.isArray(json) || json.length < 1 || json.length > ARC_SIDE) {
    throw new Error(
      `${where}: expected a grid of 1 … ${ARC_SIDE} rows, got ${Array.isArray(json) ? json.length : show(json)}`,
    )
  }
  const rows = json.length
  const columns = Array.isArray(json[0]) ? json[0].length : 0
  const cells = new Uint8Array(rows * columns)
  for (const [y, row] of json.entries()) {
    const at = `${where}: row ${y + 1}`
    if (!Array.isArray(row) || row.length < 1 || row.length > ARC_SIDE)
      throw new Error(`${at}: expected 1 … ${ARC_SIDE} colours, got ${Array.isArray(row) ? row.length : show(row)}`)
    if (row.length !== columns) throw new Error(`${at}: expected ${columns} colours as in row 1, got ${row.length}`)
    for (const [x, colour] of row.entries()) {
      if (!Number.isInteger(colour) || colour < 0 || colour >= ARC_COLOURS)
        throw new Error(`${at} column ${x + 1}: expected a colour of 0 … 9, got ${show(colour)}`)
      cells[y * columns + x] = colour
    }
  }
  return { cells, rows, columns }
}

/** An object, and its keys in the order of the text, each once. */
function parseRecord({ bytes, name }: ArcSource, what: string): { record: Record<string, unknown>; keys: string[] } {
  const json = parseJson(bytes, name)
  if (!isRecord(json)) throw new Error(`${name}: expected an object of ${what}, got ${show(json)}`)
  const keys = keysOf(new TextDecoder().decode(bytes))
  const seen = new Set<string>()
  for (const key of keys) {
    if (seen.has(key))
      throw new Error(`${name}: expected every name once, got ${shown(key)} twice — take one of them out`)
    seen.add(key)
  }
  return { record: json, keys }
}

/** The keys of the outermost object of valid JSON. */
function keysOf(text: string): string[] {
  const keys: string[] = []
  const colon = /\s*:/y
  let depth = 0
  for (let i = 0; i < text.length; i++) {
    const character = text[i]
    if (character === '{' || character === '[') depth++
    else if (character === '}' || character === ']') depth--
    else if (character === '"') {
      const start = i
      for (i++; text[i] !== '"'; i++) if (text[i] === '\\') i++
      colon.lastIndex = i + 1
      if (depth === 1 && colon.test(text)) keys.push(JSON.parse(text.slice(start, i + 1)))
    }
  }
  return keys
}

function show(value: unknown): string {
  return value === undefined ? 'nothing' : printable(JSON.stringify(value), 40)
}
