// Puzzles as integer arrays, their checks, and the official files that hold them; directory.ts reads those files.
import { writeNpy, type NpyArray } from '../formats/npy.js'

/** The label of a cell that is not scored. */
export const IGNORE_LABEL = -100

export type Split = 'train' | 'test'

/** The fields of `dataset.json`. */
export interface DatasetMetadata {
  /** Token that fills missing rows. */
  padId: number
  /**
   * The stored label of cells that are not scored, or null when every label counts. In memory they are `IGNORE_LABEL`.
   */
  ignoreLabelId: number | null
  /** Puzzle identifier that means "none". */
  blankPuzzleId: number
  vocabulary: number
  cells: number
  puzzles: number
  totalGroups: number
  meanPuzzleExamples: number
  totalPuzzles: number
  /** Names of the sets in their order; file names begin with them. This project writes one set, "all". */
  sets: string[]
}

/**
 * One split without its cells: N examples of S cells in P puzzles in G groups.
 * A puzzle is a run of examples, a group a run of puzzles (an original and its augmentations).
 */
export interface DatasetIndex {
  metadata: DatasetMetadata
  /** Identifier of each puzzle (P), 0 … puzzles − 1. */
  puzzleIds: Int32Array
  /** Puzzle p holds the examples puzzleIndices[p] … puzzleIndices[p + 1] − 1 (P + 1 numbers from 0 to N). */
  puzzleIndices: Int32Array
  /** Group g holds the puzzles groupIndices[g] … groupIndices[g + 1] − 1 (G + 1 numbers from 0 to P). */
  groupIndices: Int32Array
  /** With several sets or directories: the first group of each, and G. */
  setGroups?: Int32Array
}

/** One split in memory. */
export interface Dataset extends DatasetIndex {
  /** Tokens (N × S), 0 … vocabulary − 1. Uint8Array for vocabularies of up to 256. */
  inputs: Uint8Array | Int32Array
  /** Labels (N × S), 0 … vocabulary − 1 or `IGNORE_LABEL`. Int8Array for vocabularies of up to 128. */
  labels: Int8Array | Int32Array
}

/** One split of any size whose cells stay in their files. Rows are read and checked when they are drawn. */
export interface StoredDataset extends DatasetIndex {
  /**
   * Reads the n rows of these numbers into the first n rows of `inputs` and of `labels` (`IGNORE_LABEL`: not scored).
   * Rejects with the name of the file, and with the row where a value is wrong.
   */
  read(examples: Int32Array, inputs: Int32Array, labels: Int32Array): Promise<void>
  /** A sample of rows at equal distances as a split in memory, for a fingerprint without reading everything. */
  sample(): Promise<Dataset>
  /** Closes the files. */
  close(): Promise<void>
}

/** One split for trainings and evaluations, in memory or in its files. */
export type Examples = Dataset | StoredDataset

/** The names of the fields in `dataset.json`. */
export const METADATA_FIELDS = {
  padId: 'pad_id',
  ignoreLabelId: 'ignore_label_id',
  blankPuzzleId: 'blank_identifier_id',
  vocabulary: 'vocab_size',
  cells: 'seq_len',
  puzzles: 'num_puzzle_identifiers',
  totalGroups: 'total_groups',
  meanPuzzleExamples: 'mean_puzzle_examples',
  totalPuzzles: 'total_puzzles',
} as const

const ARRAY_NAMES = ['inputs', 'labels', 'puzzle_identifiers', 'puzzle_indices', 'group_indices'] as const
export type ArrayName = (typeof ARRAY_NAMES)[number]

/** The paths in a dataset directory that `writeDataset` and `writeIdentifiers` can make. */
export const DATASET_PATHS: readonly string[] = [
  'identifiers.json',
  ...(['train', 'test'] as const).flatMap(split => [
    `${split}/dataset.json`,
    ...ARRAY_NAMES.map(name => arrayPath(split, name)),
  ]),
]

/** The number of examples, N. */
export function exampleCount({ puzzleIndices }: DatasetIndex): number {
  return puzzleIndices[puzzleIndices.length - 1]
}

/**
 * The files of one split as bytes by path: the official names, layout and element types (tokens are u1 when the
 * vocabulary allows, else i4; indices are i4).
 * @throws when the dataset is not valid (see `checkDataset`)
 */
export function writeDataset(dataset: Dataset, split: Split): Map<string, Uint8Array> {
  checkDataset(dataset)
  const { metadata, inputs, labels } = dataset
  const sets = JSON.stringify(metadata.sets)
  if (sets !== '["all"]') throw new Error(`dataset: expected sets ["all"], got ${sets}`)
  const shape = [exampleCount(dataset), metadata.cells]
  const vector = (data: Int32Array): NpyArray => ({ shape: [data.length], dtype: 'i4', data })
  const table = (data: ArrayLike<number>): NpyArray =>
    metadata.vocabulary <= 256
      ? { shape, dtype: 'u1', data: Uint8Array.from(data) }
      : { shape, dtype: 'i4', data: Int32Array.from(data) }
  const contents: Record<ArrayName, NpyArray> = {
    inputs: table(inputs),
    labels: table(storedLabels(labels, metadata)),
    puzzle_identifiers: vector(dataset.puzzleIds),
    puzzle_indices: vector(dataset.puzzleIndices),
    group_indices: vector(dataset.groupIndices),
  }
  return new Map([
    [`${split}/dataset.json`, metadataJson(metadata)],
    ...ARRAY_NAMES.map((name): [string, Uint8Array] => [arrayPath(split, name), writeNpy(contents[name])]),
  ])
}

/** `dataset.json` as bytes. */
export function metadataJson(metadata: DatasetMetadata): Uint8Array {
  const names = Object.entries(METADATA_FIELDS) as [keyof typeof METADATA_FIELDS, string][]
  const json = Object.fromEntries(names.map(([key, name]) => [name, metadata[key]]))
  return new TextEncoder().encode(JSON.stringify({ ...json, sets: metadata.sets }))
}

/** `identifiers.json` as bytes by path; `names[id]` is the name of a puzzle identifier. */
export function writeIdentifiers(names: string[] = ['<blank>']): Map<string, Uint8Array> {
  return new Map([['identifiers.json', new TextEncoder().encode(JSON.stringify(names))]])
}

/**
 * Checks a dataset: sizes agree with the metadata; tokens and labels lie in the vocabulary (labels may be
 * `IGNORE_LABEL`); indices start at 0, do not fall (every group has a puzzle) and end at the count; identifiers are
 * below their number.
 * @throws one line that begins with the result of `at` for the official name of the array
 */
export function checkDataset(dataset: Dataset, at: (name: ArrayName) => string = name => `dataset: ${name}`): void {
  const { metadata, inputs, labels } = dataset
  const { vocabulary, cells } = metadata
  const rows = inputs.length / cells
  if (!Number.isInteger(rows)) refuse(at('inputs'), `a multiple of ${cells} cells`, `${inputs.length}`)
  const { totalPuzzles: puzzles, totalGroups: groups } = metadata
  checkIndex(dataset, { rows, labelRows: labels.length / cells, puzzles, groups }, at)
  for (const [name, values] of [
    ['inputs', inputs],
    ['labels', labels],
  ] as const) {
    for (let i = 0; i < values.length; i++) {
      const value = values[i]
      if (value >= 0 && value < vocabulary) continue
      if (name === 'inputs' || value !== IGNORE_LABEL) refuseToken(name, value, metadata, at(name), cellText(i, cells))
    }
  }
}

/**
 * Checks a split, or one set of it, except for its cells.
 * @param expected rows of both tables, and the numbers of puzzles and groups
 * @throws one line that begins with the result of `at` for the official name of the array
 */
export function checkIndex(
  { metadata, puzzleIds, puzzleIndices, groupIndices }: DatasetIndex,
  expected: { rows: number; labelRows: number; puzzles: number; groups: number },
  at: (name: ArrayName) => string,
): void {
  const { rows, groups } = expected
  const runs = (name: ArrayName, indices: Int32Array, count: number, total: number, least: number) => {
    const fail = (expected: string, got: string) => refuse(at(name), expected, got)
    const counted = name === 'group_indices' ? 'groups' : 'puzzles'
    if (indices.length !== count + 1) fail(`${count + 1} numbers for ${count} ${counted}`, `${indices.length}`)
    if (indices[0] !== 0) fail('the first number to be 0', `${indices[0]}`)
    for (let i = 0; i < count; i++) {
      const got = () => `${indices[i]} then ${indices[i + 1]} at element ${i + 1}`
      if (indices[i + 1] < indices[i] + least) fail(`numbers that ${least ? 'rise' : 'do not fall'}`, got())
    }
    if (indices[count] !== total) fail(`the last number to be ${total}`, `${indices[count]}`)
  }
  if (expected.labelRows !== rows) refuse(at('labels'), `${rows} rows as in inputs`, `${expected.labelRows}`)
  const where = at('puzzle_identifiers')
  const { length } = puzzleIds
  if (length !== expected.puzzles) refuse(where, `${expected.puzzles} puzzles as in dataset.json`, `${length}`)
  runs('puzzle_indices', puzzleIndices, expected.puzzles, rows, 0)
  runs('group_indices', groupIndices, groups, expected.puzzles, 1)
  const stranger = puzzleIds.findIndex(id => id < 0 || id >= metadata.puzzles)
  if (stranger < 0) return
  const got = `${puzzleIds[stranger]} at puzzle ${stranger}`
  refuse(where, `identifiers of 0 … ${metadata.puzzles - 1}`, got)
}

/** @throws always; `where` is the file, or what else is wrong */
export function refuse(where: string, expected: string, got: string): never {
  throw new Error(`${where}: expected ${expected}, got ${got} — rebuild the directory with "trm data"`)
}

/** @throws for a token or label outside the vocabulary */
export function refuseToken(
  name: 'inputs' | 'labels',
  value: number,
  { vocabulary }: DatasetMetadata,
  where: string,
  place: string,
): never {
  return refuse(where, `${name === 'labels' ? 'labels' : 'tokens'} of 0 … ${vocabulary - 1}`, `${value} at ${place}`)
}

/** The place of cell `index` of a table in words. */
export function cellText(index: number, cells: number): string {
  return `row ${Math.floor(index / cells)}, cell ${index % cells}`
}

/**
 * A dataset whose puzzles have one example each and no identifier of their own, as Sudoku and mazes do.
 * `inputs`, `labels`: (N × cells) tokens of 1 … vocabulary − 1 (0 is padding and "not scored"); every `groupSize`
 * examples in a row form a group.
 */
export function singleExampleDataset({
  inputs,
  labels,
  cells,
  vocabulary,
  groupSize,
}: {
  inputs: Uint8Array
  labels: Int8Array
  cells: number
  vocabulary: number
  groupSize: number
}): Dataset {
  const dataset: Dataset = {
    ...singleExampleIndices({ count: inputs.length / cells, cells, vocabulary, groupSize }),
    inputs,
    labels,
  }
  checkDataset(dataset)
  return dataset
}

/** Such a dataset of `count` examples, without its tables. */
export function singleExampleIndices({
  count,
  cells,
  vocabulary,
  groupSize,
}: {
  count: number
  cells: number
  vocabulary: number
  groupSize: number
}): Omit<Dataset, 'inputs' | 'labels'> {
  const groups = count / groupSize
  return {
    metadata: {
      padId: 0,
      ignoreLabelId: 0,
      blankPuzzleId: 0,
      vocabulary,
      cells,
      puzzles: 1,
      totalGroups: groups,
      meanPuzzleExamples: 1,
      totalPuzzles: count,
      sets: ['all'],
    },
    puzzleIds: new Int32Array(count),
    puzzleIndices: Int32Array.from({ length: count + 1 }, (_, i) => i),
    groupIndices: Int32Array.from({ length: groups + 1 }, (_, i) => i * groupSize),
  }
}

/** The path of an array of a set in a directory. */
export function arrayPath(split: Split, name: ArrayName, set = 'all'): string {
  return `${split}/${set}__${name}.npy`
}

function storedLabels(labels: Int8Array | Int32Array, { ignoreLabelId, vocabulary }: DatasetMetadata): Int32Array {
  const stored = Int32Array.from(labels)
  for (let i = 0; i < stored.length; i++) {
    if (stored[i] !== IGNORE_LABEL) continue
    if (ignoreLabelId === null || (vocabulary <= 256 && (ignoreLabelId < 0 || ignoreLabelId > 255))) {
      throw new Error(
        'dataset: labels: expected an ignore_label_id that fits the file for cells that are not scored, ' +
          `got ${ignoreLabelId} — set ignoreLabelId to an unused token`,
      )
    }
    stored[i] = ignoreLabelId
  }
  return stored
}
