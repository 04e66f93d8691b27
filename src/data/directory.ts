// Dataset directories as the published builders write them: one or several, each of one or several sets.
import { parseJson } from '../formats/json.js'
import { npyInt32, openNpy } from '../formats/npy.js'
import { type OpenFile, openSource } from '../formats/open-file.js'
import { printable, shown } from '../formats/shown.js'
import {
  type ArrayName,
  arrayPath,
  checkIndex,
  type Dataset,
  type DatasetIndex,
  type DatasetMetadata,
  type Examples,
  METADATA_FIELDS,
  refuse,
  type Split,
} from './dataset.js'
import { RowTable, StoredRows } from './stored-rows.js'
import { isRecord } from '../formats/json.js'

/** Most bytes of tables that are read into memory as a whole. */
const KEPT_BYTES = 2 ** 28

/** A dataset directory that opens its files by their path, such as `train/dataset.json`. */
export interface DatasetDirectory {
  /** The name in messages. */
  name: string
  /** Rejects when the file is absent. */
  open(path: string): Promise<OpenFile>
}

/**
 * A directory that was picked in a page (`<input type="file" webkitdirectory>`) or dropped: files by their path. Pieces
 * of the tables are loaded when their rows are drawn.
 */
export function pickedDirectory(files: Iterable<File>): DatasetDirectory {
  const byPath = new Map([...files].map(file => [file.webkitRelativePath || file.name, file]))
  const name = [...byPath.keys()][0]?.split('/')[0] ?? ''
  const open = async (path: string) => {
    const file = byPath.get(`${name}/${path}`)
    if (file) return openSource(file)
    const hint = 'pick a directory with train/dataset.json in it'
    throw new Error(`dataset ${name}/${path}: it is not among the ${byPath.size} files that were picked — ${hint}`)
  }
  return { name, open }
}

/** Gives the bytes of a file of a dataset directory by its path in it; rejects when it is absent. */
export type ReadFile = (path: string) => Promise<Uint8Array>

/**
 * Reads one split of an official dataset directory into memory. Labels equal to `ignore_label_id` become
 * `IGNORE_LABEL`. Everything is checked (see `checkDataset`). Errors begin with the file's path, after `directory` when
 * it is given.
 */
export async function readDataset(readFile: ReadFile, split: Split, directory = ''): Promise<Dataset> {
  const open = async (path: string) => openSource(await readFile(path))
  return openDataset([{ name: directory, open }], split, Infinity) as Promise<Dataset>
}

/**
 * Opens one split of dataset directories. Tables of up to 256 MB are read into memory. Rows of larger ones are read
 * when they are drawn, so that memory does not grow with them; close such a split after use.
 *
 * The sets that `dataset.json` names come one after the other, each from all directories, as in the published loader.
 * The metadata of all directories must agree. Identifiers are used as they are, and the embedding table of a training
 * has as many rows as all directories together have identifiers.
 * @throws one line that begins with the file's path; values of tables in files are checked when their rows are read
 */
export async function openDataset(
  directories: readonly DatasetDirectory[],
  split: Split,
  keptBytes = KEPT_BYTES,
): Promise<Examples> {
  const files: OpenFile[] = []
  const close = async () => {
    for (const file of files.splice(0)) await file.close?.()
  }
  try {
    const heads: Head[] = []
    for (const directory of directories) heads.push(await readHead(directory, split))
    for (const head of heads) checkAgreement(head, heads[0])
    const parts: Part[] = []
    for (const set of heads[0].metadata.sets) {
      for (const head of heads) parts.push(await openPart(head, split, set, files))
    }
    const index = joined(parts, { ...heads[0].metadata, ...totals(heads, parts, split) })
    const rows = new StoredRows(index, parts)
    if (parts.reduce((sum, { inputs, labels }) => sum + inputs.bytes + labels.bytes, 0) > keptBytes) {
      rows.checkRowsLieTogether()
      return { ...index, read: (...given) => rows.read(...given), sample: () => rows.sample(), close }
    }
    const dataset = await rows.inMemory()
    await close()
    return dataset
  } catch (error) {
    await close()
    throw error
  }
}

/**
 * Reads `identifiers.json`: the name of each puzzle identifier, `<blank>` first. Errors begin with the file's path.
 */
export async function readIdentifiers(readFile: ReadFile, directory = ''): Promise<string[]> {
  const where = `dataset: ${directory && directory + '/'}identifiers.json`
  const names = parseJson(await readFile('identifiers.json'), where)
  if (Array.isArray(names) && names.every(name => typeof name === 'string')) return names
  throw new Error(`${where}: expected a list of names, got something else`)
}

/** The content of a directory's `dataset.json`. */
interface Head {
  directory: DatasetDirectory
  /** The beginning of messages about a file of the directory. */
  place: (path: string) => string
  where: string
  metadata: DatasetMetadata
  /** Older builders leave out total_puzzles; then the puzzles are counted, as the published loader does. */
  countsPuzzles: boolean
}

async function readHead(directory: DatasetDirectory, split: Split): Promise<Head> {
  const { name } = directory
  const place = (path: string) => `dataset: ${name && name + '/'}${path}`
  const path = `${split}/dataset.json`
  const where = place(path)
  const file = await directory.open(path).catch(async (error: Error) => {
    const inside = await directory.open('dataset.json').catch(() => undefined)
    await inside?.close?.()
    throw inside ? new Error(`${error.message} — ${name} is one split, give the directory that holds it`) : error
  })
  try {
    return { directory, place, where, ...parseMetadata(parseJson(await file.read(0, file.size), where), where) }
  } finally {
    await file.close?.()
  }
}

/** Fields that must be the same in directories that are used together. */
const SHARED = ['cells', 'vocabulary', 'padId', 'ignoreLabelId', 'blankPuzzleId', 'puzzles', 'sets'] as const

/** @throws when two directories cannot be used together */
function checkAgreement({ where, metadata }: Head, first: Head): void {
  for (const field of SHARED) {
    const [is, was] = [metadata, first.metadata].map(({ [field]: value }) => JSON.stringify(value))
    if (is === was) continue
    const name = field === 'sets' ? field : METADATA_FIELDS[field]
    const expected = `${name} ${printable(was)} as in ${first.where.replace('dataset: ', '')}`
    const hint = 'directories that are used together have to agree'
    throw new Error(`${where}: expected ${expected}, got ${printable(is)} — ${hint}`)
  }
}

/** One set of one directory. */
interface Part extends DatasetIndex {
  head: Head
  inputs: RowTable
  labels: RowTable
  rows: number
}

async function openPart(head: Head, split: Split, set: string, files: OpenFile[]): Promise<Part> {
  const { directory, place, metadata } = head
  const at = (name: ArrayName) => place(arrayPath(split, name, set))
  const opened = async (name: ArrayName) => {
    const file = await directory.open(arrayPath(split, name, set))
    files.push(file)
    return openNpy(file, at(name))
  }
  const table = async (name: 'inputs' | 'labels') => {
    const npy = await opened(name)
    const { cells } = metadata
    const { shape } = npy.header
    if (shape.length !== 2 || shape[1] !== cells) refuse(at(name), `shape (N, ${cells})`, `(${shape.join(', ')})`)
    return new RowTable(name, npy, metadata, at(name))
  }
  const [inputs, labels] = [await table('inputs'), await table('labels')]
  const kept = files.length
  const flat = async (name: ArrayName) => {
    const {
      header: { shape, dtype },
      read,
    } = await opened(name)
    if (shape.length !== 1) refuse(at(name), 'shape (N)', `(${shape.join(', ')})`)
    return npyInt32({ dtype, data: await read(0, shape[0]) }, at(name))
  }
  const index = {
    metadata,
    puzzleIds: await flat('puzzle_identifiers'),
    puzzleIndices: await flat('puzzle_indices'),
    groupIndices: await flat('group_indices'),
  }
  for (const file of files.splice(kept)) await file.close?.()
  // The totals of dataset.json are those of all sets together.
  const isAlone = metadata.sets.length === 1
  const puzzles = isAlone && !head.countsPuzzles ? metadata.totalPuzzles : index.puzzleIndices.length - 1
  const groups = isAlone ? metadata.totalGroups : index.groupIndices.length - 1
  checkIndex(index, { rows: inputs.rows, labelRows: labels.rows, puzzles, groups }, at)
  return { ...index, head, inputs, labels, rows: inputs.rows }
}

/** The counts of all directories together. @throws when those of one do not agree with its sets */
function totals(heads: readonly Head[], parts: readonly Part[], split: Split): Partial<DatasetMetadata> {
  let [totalGroups, totalPuzzles, examples] = [0, 0, 0]
  for (const head of heads) {
    const own = parts.filter(part => part.head === head)
    const groups = own.reduce((sum, { groupIndices }) => sum + groupIndices.length - 1, 0)
    const puzzles = own.reduce((sum, { puzzleIds }) => sum + puzzleIds.length, 0)
    const { metadata } = head
    const check = (name: string, said: number, found: number) => {
      if (said !== found) refuse(head.where, `${name} to be ${found}, those of its sets together`, `${said}`)
    }
    check('total_groups', metadata.totalGroups, groups)
    if (!head.countsPuzzles) check('total_puzzles', metadata.totalPuzzles, puzzles)
    totalGroups += groups
    totalPuzzles += puzzles
    examples += metadata.meanPuzzleExamples * puzzles
  }
  if (heads.length === 1) return { totalGroups, totalPuzzles }
  // A test split needs no more rows of the table than its identifiers name.
  const puzzles = heads[0].metadata.puzzles * (split === 'train' ? heads.length : 1)
  return { totalGroups, totalPuzzles, meanPuzzleExamples: examples / Math.max(totalPuzzles, 1), puzzles }
}

/** The indices of all parts, one after the other. */
function joined(parts: readonly Part[], metadata: DatasetMetadata): DatasetIndex {
  if (parts.length === 1) {
    const [{ puzzleIds, puzzleIndices, groupIndices }] = parts
    return { metadata, puzzleIds, puzzleIndices, groupIndices }
  }
  const total = parts.reduce((sum, { rows }) => sum + rows, 0)
  if (total >= 2 ** 31) throw new Error(`dataset: expected fewer than 2³¹ examples in all sets together, got ${total}`)
  const runs = (field: 'puzzleIndices' | 'groupIndices') => {
    const out = new Int32Array(parts.reduce((sum, { [field]: own }) => sum + own.length - 1, 1))
    let at = 0
    for (const { [field]: own } of parts) {
      const before = out[at]
      for (let i = 1; i < own.length; i++) out[at + i] = before + own[i]
      at += own.length - 1
    }
    return out
  }
  const puzzleIds = new Int32Array(metadata.totalPuzzles)
  const setGroups = new Int32Array(parts.length + 1)
  let puzzle = 0
  for (const [i, part] of parts.entries()) {
    puzzleIds.set(part.puzzleIds, puzzle)
    puzzle += part.puzzleIds.length
    setGroups[i + 1] = setGroups[i] + part.groupIndices.length - 1
  }
  const [puzzleIndices, groupIndices] = [runs('puzzleIndices'), runs('groupIndices')]
  return { metadata, puzzleIds, puzzleIndices, groupIndices, setGroups }
}

function parseMetadata(json: unknown, where: string): Pick<Head, 'metadata' | 'countsPuzzles'> {
  const fail = (expected: string, got: unknown, hint = ''): never => {
    throw new Error(`${where}: expected ${expected}, got ${got === undefined ? 'nothing' : shown(got, 40)}${hint}`)
  }
  const record = isRecord(json) ? json : fail('an object', json)
  const countsPuzzles = record.total_puzzles === undefined
  const metadata: Record<string, unknown> = {}
  for (const [key, name] of Object.entries(METADATA_FIELDS)) {
    const value = key === 'totalPuzzles' && countsPuzzles ? 0 : record[name]
    const whole = key !== 'meanPuzzleExamples'
    const least = key === 'vocabulary' || key === 'cells' || key === 'puzzles' ? 1 : 0
    const isNumber = typeof value === 'number' && Number.isFinite(value)
    const valid = isNumber && value >= least && (!whole || Number.isSafeInteger(value))
    // A negative ignore_label_id such as −100 is fine: it can occur in signed label files.
    const ignoring = key === 'ignoreLabelId' && (value === null || Number.isSafeInteger(value))
    const hint = ' — rebuild the directory with "trm data"'
    if (!valid && !ignoring) fail(`${name} to be a ${whole ? 'whole ' : ''}number from ${least}`, value, hint)
    metadata[key] = value
  }
  const checked = metadata as unknown as DatasetMetadata
  const { padId, vocabulary, blankPuzzleId: blank, puzzles: identifiers } = checked
  if (padId >= vocabulary) fail(`pad_id below vocab_size ${vocabulary}`, padId)
  if (blank >= identifiers) fail(`blank_identifier_id below num_puzzle_identifiers ${identifiers}`, blank)
  const { sets } = record
  if (!Array.isArray(sets) || sets.length === 0) return fail('sets to be a list of names such as ["all"]', sets)
  const wrong = sets.findIndex(set => typeof set !== 'string' || !/^[^./\\\p{C}][^/\\\p{C}]*$/u.test(set))
  if (wrong >= 0) fail('the names in sets to begin file names', sets[wrong])
  if (new Set(sets).size < sets.length) fail('different names in sets', sets)
  return { metadata: { ...checked, sets }, countsPuzzles }
}
