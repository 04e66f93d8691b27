// Puzzles as integer arrays, and the official dataset directories they are read from and written to; batches are made elsewhere.
import { parseJson } from '../formats/json.js'
import { npyInt32, parseNpy, writeNpy, type NpyArray } from '../formats/npy.js'

/** The label of a cell that is not scored. */
export const ignoreLabel = -100

export type Split = 'train' | 'test'

/** The fields of `dataset.json`. */
export interface DatasetMetadata {
  /** Token that fills missing rows. */
  padId: number
  /** Label value that is stored for "not scored", or null when every label counts. In memory such labels are `ignoreLabel`. */
  ignoreLabelId: number | null
  /** Puzzle identifier that means "none". */
  blankIdentifierId: number
  vocabSize: number
  seqLen: number
  numPuzzleIdentifiers: number
  totalGroups: number
  meanPuzzleExamples: number
  totalPuzzles: number
  /** Names of the sets in the files' names; this project reads and writes one, "all". */
  sets: string[]
}

/**
 * One split in memory: N examples of S cells in P puzzles in G groups.
 * A puzzle is a run of examples, a group a run of puzzles (an original and its augmentations).
 */
export interface Dataset {
  metadata: DatasetMetadata
  /** Tokens (N × S), 0 … vocabSize − 1. Uint8Array for vocabularies of up to 256. */
  inputs: Uint8Array | Int32Array
  /** Labels (N × S), 0 … vocabSize − 1 or `ignoreLabel`. Int8Array for vocabularies of up to 128. */
  labels: Int8Array | Int32Array
  /** Identifier of each puzzle (P), 0 … numPuzzleIdentifiers − 1. */
  puzzleIdentifiers: Int32Array
  /** Puzzle p holds the examples puzzleIndices[p] … puzzleIndices[p + 1] − 1 (P + 1 numbers from 0 to N). */
  puzzleIndices: Int32Array
  /** Group g holds the puzzles groupIndices[g] … groupIndices[g + 1] − 1 (G + 1 numbers from 0 to P). */
  groupIndices: Int32Array
}

/** Gives the bytes of a file of a dataset directory by its path in it, such as `train/dataset.json`; rejects when it is absent. */
export type ReadFile = (path: string) => Promise<Uint8Array>

const fields = {
  padId: 'pad_id',
  ignoreLabelId: 'ignore_label_id',
  blankIdentifierId: 'blank_identifier_id',
  vocabSize: 'vocab_size',
  seqLen: 'seq_len',
  numPuzzleIdentifiers: 'num_puzzle_identifiers',
  totalGroups: 'total_groups',
  meanPuzzleExamples: 'mean_puzzle_examples',
  totalPuzzles: 'total_puzzles',
} as const

const arrayNames = ['inputs', 'labels', 'puzzle_identifiers', 'puzzle_indices', 'group_indices'] as const
type ArrayName = typeof arrayNames[number]

/** The paths in a dataset directory that `writeDataset` and `writeIdentifiers` can make. */
export const datasetPaths: readonly string[] = [
  'identifiers.json',
  ...(['train', 'test'] as const).flatMap(split => [`${split}/dataset.json`, ...arrayNames.map(name => arrayPath(split, name))]),
]

/** The number of examples, N. */
export function exampleCount({ puzzleIndices }: Dataset): number {
  return puzzleIndices[puzzleIndices.length - 1]
}

/**
 * Reads one split of an official dataset directory; labels equal to `ignore_label_id` become `ignoreLabel`.
 * Everything is checked (see `checkDataset`). Errors begin with the file's path, after `directory` when it is given.
 */
export async function readDataset(readFile: ReadFile, split: Split, directory = ''): Promise<Dataset> {
  const place = (path: string) => `dataset: ${directory && directory + '/'}${path}`
  const metadataPath = `${split}/dataset.json`
  const json = parseJson(await readFile(metadataPath), place(metadataPath))
  const [inputs, labels, identifiers, puzzles, groups] = await Promise.all(arrayNames.map(async name => {
    const path = arrayPath(split, name)
    return parseNpy(await readFile(path), place(path))
  }))
  const at = (name: ArrayName) => place(arrayPath(split, name))
  const flat = (array: NpyArray, name: ArrayName) => {
    if (array.shape.length !== 1) throw new Error(`${at(name)}: expected shape (N), got ${shapeText(array.shape)} — rebuild the directory with "trm data"`)
    return npyInt32(array, at(name))
  }
  const puzzleIndices = flat(puzzles, 'puzzle_indices')
  // Older builders leave total_puzzles out; the published loader counts them, so does this one.
  const metadata = parseMetadata(json, puzzleIndices.length - 1, place(metadataPath))
  const table = (array: NpyArray, name: ArrayName) => {
    if (array.shape.length !== 2 || array.shape[1] !== metadata.seqLen) {
      throw new Error(`${at(name)}: expected shape (N, ${metadata.seqLen}), got ${shapeText(array.shape)} — rebuild the directory with "trm data"`)
    }
    return array.data instanceof Uint8Array ? array.data : npyInt32(array, at(name))
  }
  const dataset: Dataset = {
    metadata,
    inputs: narrowInputs(table(inputs, 'inputs'), metadata, at('inputs')),
    labels: narrowLabels(table(labels, 'labels'), metadata, at('labels')),
    puzzleIdentifiers: flat(identifiers, 'puzzle_identifiers'),
    puzzleIndices,
    groupIndices: flat(groups, 'group_indices'),
  }
  checkDataset(dataset, at)
  return dataset
}

/**
 * Reads `identifiers.json`: the name of each puzzle identifier, `<blank>` first. Errors begin with the file's path.
 */
export async function readIdentifiers(readFile: ReadFile, directory = ''): Promise<string[]> {
  const where = `dataset: ${directory && directory + '/'}identifiers.json`
  const names = parseJson(await readFile('identifiers.json'), where)
  if (!Array.isArray(names) || !names.every(name => typeof name === 'string')) throw new Error(`${where}: expected a list of names, got something else`)
  return names
}

/**
 * The files of one split as bytes by path: the official names, layout and element types (u1 for tokens when the vocabulary
 * allows, else i4; i4 for indices). Throws when the dataset is not valid (see `checkDataset`).
 */
export function writeDataset(dataset: Dataset, split: Split): Map<string, Uint8Array> {
  checkDataset(dataset)
  const { metadata, inputs, labels } = dataset
  const shape = [exampleCount(dataset), metadata.seqLen]
  const json = Object.fromEntries(Object.entries(fields).map(([key, name]) => [name, metadata[key as keyof typeof fields]]))
  const vector = (data: Int32Array): NpyArray => ({ shape: [data.length], dtype: 'i4', data })
  const table = (data: ArrayLike<number>): NpyArray => metadata.vocabSize <= 256
    ? { shape, dtype: 'u1', data: Uint8Array.from(data) }
    : { shape, dtype: 'i4', data: Int32Array.from(data) }
  const contents: Record<ArrayName, NpyArray> = {
    inputs: table(inputs),
    labels: table(storedLabels(labels, metadata)),
    puzzle_identifiers: vector(dataset.puzzleIdentifiers),
    puzzle_indices: vector(dataset.puzzleIndices),
    group_indices: vector(dataset.groupIndices),
  }
  return new Map([
    [`${split}/dataset.json`, new TextEncoder().encode(JSON.stringify({ ...json, sets: metadata.sets }))],
    ...arrayNames.map((name): [string, Uint8Array] => [arrayPath(split, name), writeNpy(contents[name])]),
  ])
}

/** `identifiers.json` as bytes by path; `names[id]` is the name of a puzzle identifier. */
export function writeIdentifiers(names: string[] = ['<blank>']): Map<string, Uint8Array> {
  return new Map([['identifiers.json', new TextEncoder().encode(JSON.stringify(names))]])
}

/**
 * Checks a dataset: sizes agree with the metadata, tokens and labels lie in the vocabulary (labels may be `ignoreLabel`),
 * indices start at 0, do not fall (every group has a puzzle) and end at the count, identifiers are below their number.
 * Throws an Error that begins with what `at` makes of the array's official name.
 */
export function checkDataset(dataset: Dataset, at: (name: ArrayName) => string = name => `dataset: ${name}`): void {
  const { metadata, inputs, labels, puzzleIdentifiers, puzzleIndices, groupIndices } = dataset
  const { vocabSize, seqLen, numPuzzleIdentifiers, totalGroups, totalPuzzles } = metadata
  const fail = (name: ArrayName, expected: string, got: string): never => {
    throw new Error(`${at(name)}: expected ${expected}, got ${got} — rebuild the directory with "trm data"`)
  }
  if (metadata.sets.length !== 1 || metadata.sets[0] !== 'all') throw new Error(`dataset: expected sets ["all"], got ${JSON.stringify(metadata.sets)}`)
  const runs = (name: ArrayName, indices: Int32Array, count: number, total: number, least: number) => {
    if (indices.length !== count + 1) fail(name, `${count + 1} numbers for ${count} ${name === 'group_indices' ? 'groups' : 'puzzles'}`, `${indices.length}`)
    if (indices[0] !== 0) fail(name, 'the first number to be 0', `${indices[0]}`)
    for (let i = 0; i < count; i++) {
      if (indices[i + 1] < indices[i] + least) fail(name, `numbers that ${least ? 'rise' : 'do not fall'}`, `${indices[i]} then ${indices[i + 1]} at element ${i + 1}`)
    }
    if (indices[count] !== total) fail(name, `the last number to be ${total}`, `${indices[count]}`)
  }
  const examples = inputs.length / seqLen
  if (!Number.isInteger(examples)) fail('inputs', `a multiple of ${seqLen} cells`, `${inputs.length}`)
  if (labels.length !== inputs.length) fail('labels', `${examples} rows as in inputs`, `${labels.length / seqLen}`)
  if (puzzleIdentifiers.length !== totalPuzzles) fail('puzzle_identifiers', `${totalPuzzles} puzzles as in dataset.json`, `${puzzleIdentifiers.length}`)
  runs('puzzle_indices', puzzleIndices, totalPuzzles, examples, 0)
  runs('group_indices', groupIndices, totalGroups, totalPuzzles, 1)
  within(inputs, vocabSize, i => fail('inputs', `tokens of 0 … ${vocabSize - 1}`, `${inputs[i]} at ${cellText(i, seqLen)}`))
  within(labels, vocabSize, i => {
    if (labels[i] !== ignoreLabel) fail('labels', `labels of 0 … ${vocabSize - 1}`, `${labels[i]} at ${cellText(i, seqLen)}`)
  })
  within(puzzleIdentifiers, numPuzzleIdentifiers, i => fail('puzzle_identifiers', `identifiers of 0 … ${numPuzzleIdentifiers - 1}`, `${puzzleIdentifiers[i]} at puzzle ${i}`))
}

/**
 * A dataset whose puzzles have one example each and no identifier of their own, as Sudoku and mazes do.
 * `inputs`, `labels`: (N × seqLen) tokens of 1 … vocabSize − 1 (0 is padding and "not scored"); every `groupSize`
 * examples in a row form a group.
 */
export function singleExampleDataset({ inputs, labels, seqLen, vocabSize, groupSize }: {
  inputs: Uint8Array
  labels: Int8Array
  seqLen: number
  vocabSize: number
  groupSize: number
}): Dataset {
  const count = inputs.length / seqLen
  const groups = count / groupSize
  const dataset: Dataset = {
    metadata: {
      padId: 0,
      ignoreLabelId: 0,
      blankIdentifierId: 0,
      vocabSize,
      seqLen,
      numPuzzleIdentifiers: 1,
      totalGroups: groups,
      meanPuzzleExamples: 1,
      totalPuzzles: count,
      sets: ['all'],
    },
    inputs,
    labels,
    puzzleIdentifiers: new Int32Array(count),
    puzzleIndices: Int32Array.from({ length: count + 1 }, (_, i) => i),
    groupIndices: Int32Array.from({ length: groups + 1 }, (_, i) => i * groupSize),
  }
  checkDataset(dataset)
  return dataset
}

function arrayPath(split: Split, name: ArrayName): string {
  return `${split}/all__${name}.npy`
}

function parseMetadata(json: unknown, puzzles: number, where: string): DatasetMetadata {
  if (typeof json !== 'object' || json === null || Array.isArray(json)) throw new Error(`${where}: expected an object, got ${JSON.stringify(json)?.slice(0, 40)}`)
  const record: Record<string, unknown> = { total_puzzles: puzzles, ...json }
  const metadata: Record<string, unknown> = {}
  for (const [key, name] of Object.entries(fields)) {
    const value = record[name]
    const whole = key !== 'meanPuzzleExamples'
    const least = key === 'vocabSize' || key === 'seqLen' || key === 'numPuzzleIdentifiers' ? 1 : 0
    const valid = typeof value === 'number' && Number.isFinite(value) && value >= least && (!whole || Number.isSafeInteger(value))
    // A negative ignore_label_id such as −100 is fine: it can occur in signed label files.
    const ignoring = key === 'ignoreLabelId' && (value === null || Number.isSafeInteger(value))
    if (!valid && !ignoring) {
      const got = value === undefined ? 'nothing' : JSON.stringify(value)
      throw new Error(`${where}: expected ${name} to be a ${whole ? 'whole ' : ''}number from ${least}, got ${got} — rebuild the directory with "trm data"`)
    }
    metadata[key] = value
  }
  const { sets } = record
  if (!Array.isArray(sets) || sets.length !== 1 || sets[0] !== 'all') {
    throw new Error(`${where}: expected sets to be ["all"], got ${JSON.stringify(sets) ?? 'nothing'} — directories of several sets cannot be read`)
  }
  const { padId, vocabSize, blankIdentifierId, numPuzzleIdentifiers } = metadata as unknown as DatasetMetadata
  if (padId >= vocabSize) throw new Error(`${where}: expected pad_id below vocab_size ${vocabSize}, got ${padId}`)
  if (blankIdentifierId >= numPuzzleIdentifiers) throw new Error(`${where}: expected blank_identifier_id below num_puzzle_identifiers ${numPuzzleIdentifiers}, got ${blankIdentifierId}`)
  return { ...metadata, sets: ['all'] } as unknown as DatasetMetadata
}

/** The tokens in the smallest array that holds the vocabulary; tokens outside it are refused before they could wrap. */
function narrowInputs(stored: Uint8Array | Int32Array, { vocabSize, seqLen }: DatasetMetadata, where: string): Uint8Array | Int32Array {
  if (stored instanceof Uint8Array || vocabSize > 256) return stored
  within(stored, vocabSize, i => {
    throw new Error(`${where}: expected tokens of 0 … ${vocabSize - 1}, got ${stored[i]} at ${cellText(i, seqLen)} — rebuild the directory with "trm data"`)
  })
  return Uint8Array.from(stored)
}

/** The labels with ignored ones as `ignoreLabel`, in the smallest array that holds the vocabulary. */
function narrowLabels(stored: Uint8Array | Int32Array, { vocabSize, seqLen, ignoreLabelId }: DatasetMetadata, where: string): Int8Array | Int32Array {
  const labels = vocabSize <= 128 ? new Int8Array(stored.length) : new Int32Array(stored.length)
  for (let i = 0; i < labels.length; i++) {
    const label = stored[i]
    if (label === ignoreLabelId || label === ignoreLabel) labels[i] = ignoreLabel
    else if (label >= 0 && label < vocabSize) labels[i] = label
    else throw new Error(`${where}: expected labels of 0 … ${vocabSize - 1}, got ${label} at ${cellText(i, seqLen)} — rebuild the directory with "trm data"`)
  }
  return labels
}

function storedLabels(labels: Int8Array | Int32Array, { ignoreLabelId, vocabSize }: DatasetMetadata): Int32Array {
  const stored = Int32Array.from(labels)
  for (let i = 0; i < stored.length; i++) {
    if (stored[i] !== ignoreLabel) continue
    if (ignoreLabelId === null || (vocabSize <= 256 && (ignoreLabelId < 0 || ignoreLabelId > 255))) {
      throw new Error(`dataset: labels: expected an ignore_label_id that fits the file for cells that are not scored, got ${ignoreLabelId} — set ignoreLabelId to an unused token`)
    }
    stored[i] = ignoreLabelId
  }
  return stored
}

function within(values: ArrayLike<number>, limit: number, report: (index: number) => void): void {
  for (let i = 0; i < values.length; i++) if (values[i] < 0 || values[i] >= limit) report(i)
}

function cellText(index: number, seqLen: number): string {
  return `row ${Math.floor(index / seqLen)}, cell ${index % seqLen}`
}

function shapeText(shape: number[]): string {
  return `(${shape.join(', ')})`
}
