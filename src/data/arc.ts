// ARC tasks: from JSON to grids, their augmentations and the names of these, and the dataset in which every augmentation is a puzzle.
import { parseJson } from '../formats/json.js'
import { writeNpy } from '../formats/npy.js'
import { printable, shown } from '../formats/shown.js'
import { ignoreLabel, writeIdentifiers, type Dataset, type Split } from './dataset.js'
import { dihedralCount, dihedralInverse, dihedralMap, dihedralTransform, type Grid } from './dihedral.js'
import { Random, type RandomState } from './random.js'

/** Side of the square that every grid is put in, and the largest side of a grid. */
export const arcSide = 30

/** Cells of that square. */
export const arcSeqLen = arcSide * arcSide

/** PAD 0, EOS 1, and the ten colours at 2 … 11. */
export const arcVocabSize = 12

/** Most augmentations of a task. */
export const arcAugmentLimit = 1000

const [eos, firstColour, colours] = [1, 2, 10]
const separator = '|||'
/** Draws per wanted augmentation, before a task stays with fewer. */
const tries = 5

/** Two grids of colours 0 … 9 with sides of 1 … 30. `part`: a demonstration ("train") or what is asked ("test"). */
export interface ArcPair {
  part: Split
  input: Grid
  output: Grid
}

/** A task with at least one pair of each part, in the order of its file. */
export interface ArcTask {
  name: string
  pairs: ArcPair[]
}

/** A dihedral transform after a permutation of colours: colour c becomes `colours[c]` (ten digits; 0 stays when drawn here). */
export interface ArcAugmentation {
  /** 0 … 7, see `dihedralTransform`. */
  transform: number
  colours: ArrayLike<number>
}

const identity: ArcAugmentation = { transform: 0, colours: Uint8Array.from({ length: colours }, (_, colour) => colour) }

/** Whether a transform turns rows into columns, by its id. */
const swapsSides = Array.from({ length: dihedralCount }, (_, id) => dihedralTransform({ cells: [0, 0], rows: 1, columns: 2 }, id).rows === 2)

/** JSON as bytes and the name that its errors begin with. */
export interface ArcSource {
  bytes: Uint8Array
  name: string
}

/**
 * The tasks of a file in Kaggle's form, `{task: {train: [{input, output}], test: [{input}]}}`, in its order. The outputs of
 * the test pairs come from `solutions`, `{task: [grid]}`, else they stand in the file itself.
 * Throws one line, beginning with the file's name and telling task, pair, row and column, when something is missing or is
 * no grid of 1 … 30 rows of 1 … 30 colours 0 … 9.
 */
export function parseArcTasks(challenges: ArcSource, solutions?: ArcSource): ArcTask[] {
  const tasks = parseRecord(challenges, 'tasks by name')
  const answers = solutions && parseRecord(solutions, 'lists of grids by task')
  return Object.entries(tasks).map(([name, json]) => {
    if (!solutions || !answers) return taskOf(json, name, `${challenges.name}: task ${JSON.stringify(name)}`)
    const where = `${solutions.name}: task ${shown(name)}`
    if (!Object.hasOwn(answers, name)) throw new Error(`${where}: expected the outputs of its test pairs, got nothing — do both files belong together?`)
    const outputs = answers[name]
    if (!Array.isArray(outputs)) throw new Error(`${where}: expected a list of grids, got ${show(outputs)}`)
    return taskOf(json, name, `${challenges.name}: task ${JSON.stringify(name)}`, outputs.map((grid, i) => parseArcGrid(grid, `${where}: output ${i + 1}`)))
  })
}

/** One task from a file of its own, `{train: [{input, output}], test: [{input, output}]}`. Throws as `parseArcTasks`. */
export function parseArcTask(source: ArcSource, name: string): ArcTask {
  return taskOf(parseRecord(source, 'lists train and test'), name, source.name)
}

/** A grid as rows of colours; [] when it has none. */
export function arcGridRows({ cells, rows, columns }: Grid): number[][] {
  return Array.from({ length: rows }, (_, row) => Array.from(cells.subarray(row * columns, (row + 1) * columns)))
}

/** The name of an augmented task: `TASK|||tK|||0…`, with the ten digits that colours 0 … 9 become. */
export function arcAugmentedName(task: string, { transform, colours }: ArcAugmentation): string {
  return `${task}${separator}t${transform}${separator}${Array.from(colours).join('')}`
}

/** The task and the augmentation that a name stands for; the identity for a plain name. Throws when the name has another form. */
export function parseArcName(name: string): { task: string; augmentation: ArcAugmentation } {
  const parts = name.split(separator)
  if (parts.length === 1) return { task: name, augmentation: identity }
  const [transform, digits] = parts.slice(-2)
  if (parts.length < 3 || !/^t[0-7]$/.test(transform) || !/^\d{10}$/.test(digits) || new Set(digits).size !== colours) {
    throw new Error(`arc: expected a name like TASK|||t3|||0537628914, got ${shown(name)}`)
  }
  return { task: parts[0], augmentation: { transform: Number(transform[1]), colours: Uint8Array.from(digits, Number) } }
}

/** The augmented copy of a grid. */
export function applyArcAugmentation(grid: Grid, { transform, colours }: ArcAugmentation): Grid {
  return dihedralTransform({ ...grid, cells: grid.cells.map(colour => colours[colour]) }, transform)
}

/** The grid that an augmentation made this one from. */
export function undoArcAugmentation(grid: Grid, { transform, colours }: ArcAugmentation): Grid {
  const back = new Uint8Array(colours.length)
  for (let colour = 0; colour < back.length; colour++) back[colours[colour]] = colour
  const { cells, ...size } = dihedralTransform(grid, dihedralInverse[transform])
  return { ...size, cells: cells.map(colour => back[colour]) }
}

/** The 900 tokens of a grid at a place in the square: colours + 2, EOS below the last row and right of the last column, else PAD. */
export function encodeArcGrid(grid: Grid, row = 0, column = 0): Uint8Array {
  if (row + grid.rows > arcSide || column + grid.columns > arcSide) {
    throw new Error(`arc: expected a grid within ${arcSide} × ${arcSide}, got ${grid.rows} × ${grid.columns} at row ${row} column ${column}`)
  }
  const tokens = new Uint8Array(arcSeqLen)
  place(grid, identity, row, column, tokens)
  return tokens
}

/**
 * The largest rectangle at the top left that holds colours only, as colours 0 … 9, of the 900 tokens from `start` on; of
 * several the one with the fewest rows, and 0 × 0 when the first token is no colour. Source: `_crop` of the published evaluator.
 */
export function cropArcGrid(tokens: ArrayLike<number>, start = 0): Grid {
  let [rows, columns] = [0, 0]
  for (let row = 0, width = arcSide; row < arcSide && width > 0; row++) {
    for (let column = 0; column < width; column++) {
      const token = tokens[start + row * arcSide + column]
      if (!(token >= firstColour && token < arcVocabSize)) width = column
    }
    if ((row + 1) * width > rows * columns) [rows, columns] = [row + 1, width]
  }
  const cells = new Uint8Array(rows * columns)
  for (let i = 0; i < cells.length; i++) cells[i] = tokens[start + Math.floor(i / columns) * arcSide + i % columns] - firstColour
  return { cells, rows, columns }
}

/** Tasks that come from one place. Of a held-out subset only the demonstrations are trained on; the test pairs are the test split. */
export interface ArcSubset {
  name: string
  tasks: ArcTask[]
  heldOut: boolean
}

/** One task and its augmentations. */
export interface ArcGroup {
  task: ArcTask
  heldOut: boolean
  /** Puzzle identifiers: of the task itself, then of each augmentation. */
  identifiers: Int32Array
}

/** Everything that was drawn for a dataset; the rows follow from it. */
export interface ArcPlan {
  /** The name of each puzzle identifier, `<blank>` first; an augmentation is read off its name. */
  names: string[]
  groups: ArcGroup[]
  /** Where the random places of the training grids begin. */
  places: RandomState
}

export interface ArcOptions {
  /** Augmentations per task, 0 … 1000; a task with few colours may have fewer distinct ones. Default 1000. */
  augment?: number
  /** Default 0. */
  seed?: number
}

/**
 * Shuffles the tasks of each subset and draws distinct augmentations for each, at most five tries for each wanted one.
 * Throws when a subset or everything held out is empty, or when a held-out task occurs twice, since its test pairs could
 * then be training data.
 * Source: `load_puzzles_arcagi` and `convert_single_arc_puzzle` of the published builder; the random numbers are this project's own.
 */
export function planArc(subsets: ArcSubset[], { augment = arcAugmentLimit, seed = 0 }: ArcOptions = {}): ArcPlan {
  if (!Number.isInteger(augment) || augment < 0 || augment > arcAugmentLimit) throw new Error(`arc: expected augment to be 0 … ${arcAugmentLimit}, got ${augment}`)
  if (!subsets.some(({ heldOut }) => heldOut)) throw new Error(`arc: expected a subset to test on, got none of ${subsets.map(({ name }) => name).join(', ')}`)
  checkOccurrences(subsets)
  const random = new Random(seed)
  const names = ['<blank>']
  // Subsets that are all trained on may share tasks; a name has one identifier.
  const identifiers = new Map<string, number>()
  const identifierOf = (name: string) => {
    const known = identifiers.get(name) ?? names.length
    if (known === names.length) {
      identifiers.set(name, known)
      names.push(name)
    }
    return known
  }
  const groups: ArcGroup[] = []
  for (const { tasks, heldOut } of subsets) {
    for (const task of random.shuffle([...tasks])) {
      groups.push({ task, heldOut, identifiers: Int32Array.from([task.name, ...drawAugmentations(task, augment, random)], identifierOf) })
    }
  }
  return { names, groups, places: random.state }
}

/** One split in memory. Throws when it has more than 2³¹ cells; `arcFiles` knows no such limit. */
export function arcDataset(plan: ArcPlan, split: Split): Dataset {
  const { metadata, examples, ...runs } = indexSplit(plan, split)
  if (examples * arcSeqLen > 2 ** 31) throw new Error(`arc: expected at most 2^31 cells in memory, got ${examples} examples — lower augment, or write the files`)
  const [inputs, outputs] = [new Uint8Array(examples * arcSeqLen), new Uint8Array(examples * arcSeqLen)]
  for (const [table, side] of [[inputs, 'input'], [outputs, 'output']] as const) {
    let offset = 0
    for (const piece of tablePieces(plan, split, side)) {
      table.set(piece, offset)
      offset += piece.length
    }
  }
  const labels = new Int8Array(outputs.buffer)
  for (let i = 0; i < labels.length; i++) if (labels[i] === metadata.padId) labels[i] = ignoreLabel
  return { metadata, inputs, labels, ...runs }
}

/**
 * The files of the dataset directory by path: both splits, `identifiers.json` and `test_puzzles.json` (the held-out tasks
 * with all outputs, in Kaggle's form). Tables come in pieces that are made when they are asked for, so that a dataset
 * larger than memory can be written; each can be gone through once.
 */
export function arcFiles(plan: ArcPlan): Map<string, Uint8Array | Iterable<Uint8Array>> {
  const files = new Map<string, Uint8Array | Iterable<Uint8Array>>(writeIdentifiers(plan.names))
  const heldOut = plan.groups.filter(group => group.heldOut).map(({ task }): [string, unknown] => [task.name, taskJson(task)])
  files.set('test_puzzles.json', jsonBytes(Object.fromEntries(heldOut)))
  for (const split of ['train', 'test'] as const) {
    const { metadata, examples, puzzleIdentifiers, puzzleIndices, groupIndices } = indexSplit(plan, split)
    files.set(`${split}/dataset.json`, jsonBytes({
      pad_id: metadata.padId,
      ignore_label_id: metadata.ignoreLabelId,
      blank_identifier_id: metadata.blankIdentifierId,
      vocab_size: metadata.vocabSize,
      seq_len: metadata.seqLen,
      num_puzzle_identifiers: metadata.numPuzzleIdentifiers,
      total_groups: metadata.totalGroups,
      mean_puzzle_examples: metadata.meanPuzzleExamples,
      total_puzzles: metadata.totalPuzzles,
      sets: metadata.sets,
    }))
    const pieces = function* (side: 'input' | 'output') {
      yield tableHeader(examples)
      yield* tablePieces(plan, split, side)
    }
    files.set(`${split}/all__inputs.npy`, pieces('input'))
    files.set(`${split}/all__labels.npy`, pieces('output'))
    for (const [name, data] of Object.entries({ puzzle_identifiers: puzzleIdentifiers, puzzle_indices: puzzleIndices, group_indices: groupIndices })) {
      files.set(`${split}/all__${name}.npy`, writeNpy({ shape: [data.length], dtype: 'i4', data }))
    }
  }
  return files
}

/** The pairs of a group that belong to a split. */
function pairsOf({ task, heldOut }: ArcGroup, split: Split): ArcPair[] {
  if (!heldOut) return split === 'train' ? task.pairs : []
  return task.pairs.filter(({ part }) => part === split)
}

/** All of a split but its tables. */
function indexSplit({ names, groups }: ArcPlan, split: Split): Omit<Dataset, 'inputs' | 'labels'> & { examples: number } {
  const used = groups.filter(group => pairsOf(group, split).length > 0)
  const totalPuzzles = used.reduce((sum, { identifiers }) => sum + identifiers.length, 0)
  const puzzleIdentifiers = new Int32Array(totalPuzzles)
  const puzzleIndices = new Int32Array(totalPuzzles + 1)
  const groupIndices = new Int32Array(used.length + 1)
  let [puzzle, examples] = [0, 0]
  for (const [i, group] of used.entries()) {
    const { length } = pairsOf(group, split)
    for (const identifier of group.identifiers) {
      puzzleIdentifiers[puzzle++] = identifier
      puzzleIndices[puzzle] = examples += length
    }
    groupIndices[i + 1] = puzzle
  }
  const metadata = {
    padId: 0,
    ignoreLabelId: 0,
    blankIdentifierId: 0,
    vocabSize: arcVocabSize,
    seqLen: arcSeqLen,
    numPuzzleIdentifiers: names.length,
    totalGroups: used.length,
    meanPuzzleExamples: examples / totalPuzzles,
    totalPuzzles,
    sets: ['all'],
  }
  return { metadata, examples, puzzleIdentifiers, puzzleIndices, groupIndices }
}

/**
 * The rows of a table, some at a time. In training a pair lies at a random place where both grids fit, except one random
 * pair of each puzzle, which lies at the corner as all test pairs do. Inputs and outputs draw the same places.
 */
function* tablePieces({ names, groups, places }: ArcPlan, split: Split, side: 'input' | 'output'): Generator<Uint8Array<ArrayBuffer>, void> {
  const rowsPerPiece = 1000
  const random = Random.restore(places)
  let piece = new Uint8Array(rowsPerPiece * arcSeqLen)
  let filled = 0
  for (const group of groups) {
    const pairs = pairsOf(group, split)
    if (pairs.length === 0) continue
    for (const identifier of group.identifiers) {
      const { augmentation } = parseArcName(names[identifier])
      const cornered = split === 'train' ? random.below(pairs.length) : 0
      for (const [i, pair] of pairs.entries()) {
        const turned = swapsSides[augmentation.transform]
        const rows = Math.max(...sides(pair, turned ? 'columns' : 'rows'))
        const columns = Math.max(...sides(pair, turned ? 'rows' : 'columns'))
        const moves = split === 'train' && i !== cornered
        const row = moves ? random.below(arcSide - rows + 1) : 0
        const column = moves ? random.below(arcSide - columns + 1) : 0
        place(pair[side], augmentation, row, column, piece.subarray(filled, filled += arcSeqLen))
        if (filled === piece.length) {
          yield piece
          piece = new Uint8Array(rowsPerPiece * arcSeqLen)
          filled = 0
        }
      }
    }
  }
  if (filled > 0) yield piece.subarray(0, filled)
}

function sides({ input, output }: ArcPair, side: 'rows' | 'columns'): [number, number] {
  return [input[side], output[side]]
}

/** Writes the augmented grid and its EOS lines into 900 tokens of PAD. */
function place(grid: Grid, { transform, colours }: ArcAugmentation, row: number, column: number, tokens: Uint8Array): void {
  const [rows, columns] = swapsSides[transform] ? [grid.columns, grid.rows] : [grid.rows, grid.columns]
  const source = sourceOf(grid, transform)
  for (let y = 0, i = 0; y < rows; y++) {
    const start = (row + y) * arcSide + column
    for (let x = 0; x < columns; x++, i++) tokens[start + x] = colours[grid.cells[source[i]]] + firstColour
    if (column + columns < arcSide) tokens[start + columns] = eos
  }
  if (row + rows < arcSide) tokens.fill(eos, (row + rows) * arcSide + column, (row + rows) * arcSide + column + columns)
}

const sources = new Map<number, Int32Array>()

/** `dihedralMap` of a grid's size, kept: there are 7200 at most. */
function sourceOf({ rows, columns }: Grid, transform: number): Int32Array {
  const key = (rows * (arcSide + 1) + columns) * dihedralCount + transform
  let map = sources.get(key)
  if (!map) sources.set(key, map = dihedralMap(rows, columns, transform))
  return map
}

/** Names of distinct augmentations, none of which leaves the task as it is. */
function drawAugmentations(task: ArcTask, count: number, random: Random): string[] {
  const seen = new Set([hashTask(task, identity)])
  const found: string[] = []
  for (let left = tries * count; left > 0 && found.length < count; left--) {
    const transform = random.below(dihedralCount)
    const colours = Uint8Array.from(identity.colours)
    random.shuffle(colours.subarray(1))
    const hash = hashTask(task, { transform, colours })
    if (seen.has(hash)) continue
    seen.add(hash)
    found.push(arcAugmentedName(task.name, { transform, colours }))
  }
  return found
}

/** 64 bits that depend on all grids of an augmented task but not on the order of its pairs; equal tasks have equal ones. */
function hashTask({ pairs }: ArcTask, { transform, colours }: ArcAugmentation): string {
  const turned = swapsSides[transform]
  let [low, high] = [0, 0]
  for (const { input, output } of pairs) {
    let [a, b] = [0x9e3779b9, 0x7f4a7c15]
    for (const grid of [input, output]) {
      const { cells, rows, columns } = grid
      const source = sourceOf(grid, transform)
      a = Math.imul(a ^ (turned ? columns : rows), 0x85ebca6b)
      b = Math.imul(b ^ (turned ? rows : columns), 0xc2b2ae35)
      for (let i = 0; i < source.length; i++) {
        const colour = colours[cells[source[i]]]
        a = Math.imul((a << 13 | a >>> 19) ^ colour, 0x85ebca6b)
        b = Math.imul((b << 17 | b >>> 15) ^ colour, 0xc2b2ae35)
      }
    }
    // Each half is mixed well with the other before the pairs are added up.
    low = (low + mixBits(a ^ (b >>> 15))) >>> 0
    high = (high + mixBits(b ^ (a >>> 13))) >>> 0
  }
  return `${low},${high}`
}

/** Spreads every bit over the word (the last step of MurmurHash3). */
function mixBits(word: number): number {
  word = Math.imul(word ^ (word >>> 16), 0x85ebca6b)
  word = Math.imul(word ^ (word >>> 13), 0xc2b2ae35)
  return word ^ (word >>> 16)
}

function checkOccurrences(subsets: ArcSubset[]): void {
  const places = new Map<string, ArcSubset>()
  for (const subset of subsets) {
    if (subset.tasks.length === 0) throw new Error(`arc: expected tasks in subset ${subset.name}, got none`)
    for (const { name } of subset.tasks) {
      const other = places.get(name)
      if (other && (other.heldOut || subset.heldOut)) {
        const held = other.heldOut ? other.name : subset.name
        throw new Error(`arc: expected the tasks of ${held} to occur once, since they are tested on, got ${shown(name)} in ${other.name} and ${subset.name} — leave one subset out`)
      }
      places.set(name, subset)
    }
  }
}

/** The header of a .npy file of `rows` × 900 bytes: that of an empty one with the rows put in, for which its padding has room. */
function tableHeader(rows: number): Uint8Array {
  const bytes = writeNpy({ shape: [0, arcSeqLen], dtype: 'u1', data: new Uint8Array(0) })
  const text = new TextDecoder().decode(bytes.subarray(10)).replace('(0,', `(${rows},`).trimEnd()
  bytes.set(new TextEncoder().encode(text.padEnd(bytes.length - 11) + '\n'), 10)
  return bytes
}

function taskJson({ pairs }: ArcTask): Record<string, unknown> {
  const json: Record<string, { input: number[][]; output: number[][] }[]> = {}
  for (const { part, input, output } of pairs) (json[part] ??= []).push({ input: arcGridRows(input), output: arcGridRows(output) })
  return json
}

function jsonBytes(value: unknown): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(value))
}

/** `outputs`: what the test pairs have to give, when that is told elsewhere. */
function taskOf(json: unknown, name: string, where: string, outputs?: Grid[]): ArcTask {
  if (!isRecord(json)) throw new Error(`${where}: expected lists train and test, got ${show(json)}`)
  if (name === '' || name.includes(separator)) throw new Error(`${where}: expected a task name without "${separator}", got ${shown(name)} — augmentations are named with it`)
  const parts = Object.keys(json).filter((key): key is Split => key === 'train' || key === 'test')
  for (const part of ['train', 'test'] as const) {
    const pairs = Object.hasOwn(json, part) ? json[part] : undefined
    if (!Array.isArray(pairs) || pairs.length === 0) throw new Error(`${where}: expected ${part} to be a list of pairs, at least one, got ${show(pairs)}`)
    if (outputs && part === 'test' && outputs.length !== pairs.length) {
      throw new Error(`${where}: expected as many test pairs as solutions, got ${pairs.length} and ${outputs.length} — do both files belong together?`)
    }
  }
  const pairs = parts.flatMap(part => (json[part] as unknown[]).map((pair, i): ArcPair => {
    const at = `${where}: ${part} ${i + 1}`
    if (!isRecord(pair)) throw new Error(`${at}: expected an input and an output, got ${show(pair)}`)
    const given = part === 'test' ? outputs?.[i] : undefined
    if (!given && pair.output === undefined) {
      throw new Error(`${at}: expected an output, got nothing${part === 'test' ? ' — put the solutions file next to the challenges file' : ''}`)
    }
    return { part, input: parseArcGrid(pair.input, `${at} input`), output: given ?? parseArcGrid(pair.output, `${at} output`) }
  }))
  return { name, pairs }
}

/** A grid from JSON's rows of colours. Throws one line that begins with `where` and tells row and column, when it is none. */
export function parseArcGrid(json: unknown, where: string): Grid {
  if (!Array.isArray(json) || json.length < 1 || json.length > arcSide) {
    throw new Error(`${where}: expected a grid of 1 … ${arcSide} rows, got ${Array.isArray(json) ? json.length : show(json)}`)
  }
  const rows = json.length
  const columns = Array.isArray(json[0]) ? json[0].length : 0
  const cells = new Uint8Array(rows * columns)
  for (const [y, row] of json.entries()) {
    const at = `${where}: row ${y + 1}`
    if (!Array.isArray(row) || row.length < 1 || row.length > arcSide) throw new Error(`${at}: expected 1 … ${arcSide} colours, got ${Array.isArray(row) ? row.length : show(row)}`)
    if (row.length !== columns) throw new Error(`${at}: expected ${columns} colours as in row 1, got ${row.length}`)
    for (const [x, colour] of row.entries()) {
      if (!Number.isInteger(colour) || colour < 0 || colour >= colours) throw new Error(`${at} column ${x + 1}: expected a colour of 0 … 9, got ${show(colour)}`)
      cells[y * columns + x] = colour
    }
  }
  return { cells, rows, columns }
}

function parseRecord({ bytes, name }: ArcSource, what: string): Record<string, unknown> {
  const json = parseJson(bytes, name)
  if (!isRecord(json)) throw new Error(`${name}: expected an object of ${what}, got ${show(json)}`)
  return json
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function show(value: unknown): string {
  return value === undefined ? 'nothing' : printable(JSON.stringify(value), 40)
}
