// The ARC tasks of a subset on disk: Kaggle's two files, or a folder with one file per task; some left out by name.
import { readdir, stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { ArcTaskError, parseArcTask, parseArcTasks, type ArcParseOptions, type ArcTask } from '../data/arc-tasks.js'
import { shown } from '../formats/shown.js'
import { isHidden, readBytes } from './files.js'

/** Tasks to leave out, by NAME or SUBSET/NAME. */
export class LeftOut {
  #unmatched: Set<string>
  #wanted: Set<string>

  constructor(names: readonly string[]) {
    this.#wanted = new Set(names.map(name => name.replace(/\.json$/, '')))
    this.#unmatched = new Set(this.#wanted)
  }

  /** Whether a task of a subset is wanted. */
  keeps(subset: string, task: string): boolean {
    const found = [task, `${subset}/${task}`].filter(name => this.#wanted.has(name))
    for (const name of found) this.#unmatched.delete(name)
    return found.length === 0
  }

  /** Names that have matched no task so far. */
  get unmatched(): string[] {
    return [...this.#unmatched]
  }
}

export interface SubsetOptions {
  leftOut: LeftOut
  /** Whether test pairs may lack an output. */
  placeholders: boolean
}

/**
 * Reads the tasks of a subset, from the first prefix that has it. Hidden files are ignored.
 * @throws one line that names the file where a task cannot be read, occurs twice or has no known output, or where there
 * is no task
 */
export async function readArcSubset(
  prefixes: readonly string[],
  subset: string,
  { leftOut, placeholders }: SubsetOptions,
): Promise<ArcTask[]> {
  const options: ArcParseOptions = { placeholders, keep: name => leftOut.keeps(subset, name) }
  for (const prefix of prefixes) {
    const files = await findKaggleFiles(prefix, subset)
    if (files) {
      const challenges = await sourceOf(files.challenges)
      const solutions = files.solutions === undefined ? undefined : await sourceOf(files.solutions)
      return hinted(subset, () => parseArcTasks(challenges, solutions, options))
    }
    const folder = join(prefix, subset)
    if (await isThere(folder, 'directory')) return readFolder(folder, subset, options)
  }
  const looked = prefixes.map(prefix => `${prefix}_${subset}_challenges.json nor a folder ${join(prefix, subset)}`)
  const hint = 'check the prefix and --subsets'
  throw new Error(`data: no subset ${JSON.stringify(subset)}: found neither ${looked.join(', nor ')} — ${hint}`)
}

/** Kaggle's files of a subset. */
interface KaggleFiles {
  challenges: string
  solutions?: string
}

/** PREFIX_S_challenges.json and its solutions, or *_S_challenges.json in the folder PREFIX. */
async function findKaggleFiles(prefix: string, subset: string): Promise<KaggleFiles | undefined> {
  const places = [
    { folder: dirname(prefix), isStart: (start: string) => !/[\\/]$/.test(prefix) && start === `${basename(prefix)}_` },
    { folder: prefix, isStart: (start: string) => !isHidden(start) && (start === '' || start.endsWith('_')) },
  ]
  for (const { folder, isStart } of places) {
    const entries = (await isThere(folder, 'directory')) ? (await readdir(folder)).sort() : []
    const find = (kind: string) => {
      const ends = ['_', '-'].map(dash => `${subset}${dash}${kind}.json`)
      const isWanted = (name: string) => ends.some(end => name.endsWith(end) && isStart(name.slice(0, -end.length)))
      const found = entries.filter(isWanted).map(name => join(folder, name))
      if (found.length > 1) {
        const expected = `expected one file of ${kind} for subset ${JSON.stringify(subset)}`
        throw new Error(`data: ${expected}, found ${found.join(' and ')} — tell which by PREFIX`)
      }
      return found[0]
    }
    const challenges = find('challenges')
    if (challenges !== undefined) return { challenges, solutions: find('solutions') }
  }
  return undefined
}

async function readFolder(folder: string, subset: string, options: ArcParseOptions): Promise<ArcTask[]> {
  const entries = await readdir(folder, { recursive: true })
  const files = entries.filter(file => file.endsWith('.json') && !isHidden(file)).sort()
  const paths = new Map<string, string>()
  for (const path of files.map(file => join(folder, file))) {
    const name = basename(path, '.json')
    if ((await isThere(path, 'directory')) || !options.keep!(name)) continue
    const other = paths.get(name)
    if (other !== undefined)
      throw new Error(`data: expected one file for each task, found ${other} and ${path} — delete or rename one`)
    paths.set(name, path)
  }
  if (files.length === 0) throw new Error(`data: expected JSON files of tasks in ${folder}, found none`)
  const tasks: ArcTask[] = []
  for (const [name, path] of paths) {
    const original = originalOf(name)
    if (original !== undefined && paths.has(original)) {
      const ways = `delete or rename it, or leave it out: --without ${quoted(name)}`
      throw new Error(`data: ${path} looks like a copy of ${paths.get(original)} — ${ways}`)
    }
    const source = await sourceOf(path)
    tasks.push(hinted(subset, () => parseArcTask(source, name, options)))
  }
  return tasks
}

/** The original's name, where a name looks like a copy's, as notebooks, file managers and browsers make them. */
function originalOf(name: string): string | undefined {
  const form = /^Copy of (.+)$|^(.+?)(?:-checkpoint|[ _-]+copy(?:[ _-]?\(?\d+\)?)?| ?\(\d+\))$/i
  const [, before, after] = form.exec(name) ?? []
  return before ?? after
}

/** Adds to an error how the dataset can be built without the faulty task. */
function hinted<T>(subset: string, parse: () => T): T {
  try {
    return parse()
  } catch (error) {
    if (!(error instanceof ArcTaskError)) throw error
    const { message, task, unsolved } = error
    const ways = [...(unsolved ? [`name ${subset} in --test-set`] : []), `leave it out: --without ${quoted(task)}`]
    throw new Error(`${message}${message.includes(' — ') ? '; or ' : ' — '}${ways.join(', or ')}`)
  }
}

/** A name as a shell takes it. */
function quoted(name: string): string {
  return /^[\w.-]+$/.test(name) ? name : shown(name, 1000)
}

async function sourceOf(name: string): Promise<{ bytes: Uint8Array; name: string }> {
  return { bytes: await readBytes(name, 'data: cannot read'), name }
}

async function isThere(path: string, kind: 'file' | 'directory' = 'file'): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory() === (kind === 'directory')
  } catch {
    return false
  }
}
