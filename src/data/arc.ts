// The dataset of ARC tasks, in which every augmentation is a puzzle: the draw, its arrays and its files.
import { writeNpy } from '../formats/npy.js'
import { shown } from '../formats/shown.js'
import { ARC_AUGMENT_LIMIT, drawAugmentations, parseArcName, SWAPS_SIDES } from './arc-augment.js'
import { ARC_CELLS, ARC_VOCABULARY, placeArcGrid } from './arc-square.js'
import { ARC_SIDE, arcTasksJson, hasPlaceholder, type ArcPair, type ArcTask } from './arc-tasks.js'
import { IGNORE_LABEL, writeIdentifiers, type Dataset, type Split } from './dataset.js'
import { Random, type RandomState } from './random.js'

/**
 * The tasks of one collection. When it is held out, only its demonstrations are trained on, and its test pairs are the
 * test split.
 */
export interface ArcSubset {
  name: string
  tasks: ArcTask[]
  heldOut: boolean
}

/** One task and its augmentations. */
export interface ArcGroup {
  task: ArcTask
  heldOut: boolean
  /** The place of the task among all given tasks. */
  order?: number
  /** Puzzle identifiers of the task and of each augmentation. */
  identifiers: Int32Array
}

/** Everything that is drawn for a dataset; the rows follow from it. */
export interface ArcPlan {
  /** The name of each puzzle identifier, `<blank>` first. The name of an augmentation tells what it is. */
  names: string[]
  groups: ArcGroup[]
  /** The random state before the places of the training grids are drawn. */
  places: RandomState
}

export interface ArcOptions {
  /** Augmentations per task, 0 … 1000; a task with few colours may have fewer distinct ones. Default 1000. */
  augment?: number
  /** Default 0. */
  seed?: number
}

/**
 * Shuffles the tasks of each subset and draws distinct augmentations for each, with at most five tries for each wanted
 * one. Source: `load_puzzles_arcagi` and `convert_single_arc_puzzle` of the published builder; the random numbers are
 * this project's own.
 * @throws when a subset or everything held out is empty, or when a held-out task occurs twice, since its test pairs
 * could then be training data
 */
export function planArc(subsets: ArcSubset[], { augment = ARC_AUGMENT_LIMIT, seed = 0 }: ArcOptions = {}): ArcPlan {
  if (!Number.isInteger(augment) || augment < 0 || augment > ARC_AUGMENT_LIMIT)
    throw new Error(`arc: expected augment to be 0 … ${ARC_AUGMENT_LIMIT}, got ${augment}`)
  if (!subsets.some(({ heldOut }) => heldOut))
    throw new Error(`arc: expected a subset to test on, got none of ${subsets.map(({ name }) => name).join(', ')}`)
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
  const order = new Map(subsets.flatMap(({ tasks }) => tasks).map((task, i) => [task, i]))
  for (const { tasks, heldOut } of subsets) {
    for (const task of random.shuffle([...tasks])) {
      const drawn = drawAugmentations(task, augment, random)
      const identifiers = Int32Array.from([task.name, ...drawn], identifierOf)
      groups.push({ task, heldOut, order: order.get(task), identifiers })
    }
  }
  return { names, groups, places: random.state }
}

/** One split in memory. @throws when it has more than 2³¹ cells; `arcFiles` has no such limit */
export function arcDataset(plan: ArcPlan, split: Split): Dataset {
  const { metadata, examples, ...runs } = indexSplit(plan, split)
  if (examples * ARC_CELLS > 2 ** 31)
    throw new Error(
      `arc: expected at most 2^31 cells in memory, got ${examples} examples — lower augment, or write the files`,
    )
  const [inputs, outputs] = [new Uint8Array(examples * ARC_CELLS), new Uint8Array(examples * ARC_CELLS)]
  for (const [table, side] of [
    [inputs, 'input'],
    [outputs, 'output'],
  ] as const) {
    let offset = 0
    for (const piece of tablePieces(plan, split, side)) {
      table.set(piece, offset)
      offset += piece.length
    }
  }
  const labels = new Int8Array(outputs.buffer)
  for (let i = 0; i < labels.length; i++) if (labels[i] === metadata.padId) labels[i] = IGNORE_LABEL
  return { metadata, inputs, labels, ...runs }
}

/**
 * The files of the dataset directory by path: both splits, `identifiers.json`, and `test_puzzles.json` (the held-out
 * tasks with all outputs, in Kaggle's form). Tables come in pieces that are made on demand, so that a dataset larger
 * than memory can be written. Each table can be read once.
 */
export function arcFiles(plan: ArcPlan): Map<string, Uint8Array | Iterable<Uint8Array>> {
  const files = new Map<string, Uint8Array | Iterable<Uint8Array>>(writeIdentifiers(plan.names))
  files.set('test_puzzles.json', new TextEncoder().encode(arcTasksJson(heldOutTasks(plan))))
  for (const split of ['train', 'test'] as const) {
    const { metadata, examples, puzzleIds, puzzleIndices, groupIndices } = indexSplit(plan, split)
    files.set(
      `${split}/dataset.json`,
      jsonBytes({
        pad_id: metadata.padId,
        ignore_label_id: metadata.ignoreLabelId,
        blank_identifier_id: metadata.blankPuzzleId,
        vocab_size: metadata.vocabulary,
        seq_len: metadata.cells,
        num_puzzle_identifiers: metadata.puzzles,
        total_groups: metadata.totalGroups,
        mean_puzzle_examples: metadata.meanPuzzleExamples,
        total_puzzles: metadata.totalPuzzles,
        sets: metadata.sets,
      }),
    )
    const pieces = function* (side: 'input' | 'output') {
      yield tableHeader(examples)
      yield* tablePieces(plan, split, side)
    }
    files.set(`${split}/all__inputs.npy`, pieces('input'))
    files.set(`${split}/all__labels.npy`, pieces('output'))
    for (const [name, data] of Object.entries({
      puzzle_identifiers: puzzleIds,
      puzzle_indices: puzzleIndices,
      group_indices: groupIndices,
    })) {
      files.set(`${split}/all__${name}.npy`, writeNpy({ shape: [data.length], dtype: 'i4', data }))
    }
  }
  return files
}

/**
 * The held-out tasks in the shuffled order of the published builder, or in the order of their files when some are to be
 * handed in.
 */
function heldOutTasks({ groups }: ArcPlan): ArcTask[] {
  const held = groups.filter(({ heldOut }) => heldOut)
  if (held.some(({ task }) => hasPlaceholder(task))) held.sort((a, b) => (a.order ?? 0) - (b.order ?? 0))
  return held.map(({ task }) => task)
}

/** The pairs of a group in a split. Training leaves out pairs without an output. */
function pairsOf({ task, heldOut }: ArcGroup, split: Split): ArcPair[] {
  if (!heldOut) return split === 'train' ? task.pairs.filter(({ placeholder }) => !placeholder) : []
  return task.pairs.filter(({ part }) => part === split)
}

/** A split without its tables. */
function indexSplit(
  { names, groups }: ArcPlan,
  split: Split,
): Omit<Dataset, 'inputs' | 'labels'> & { examples: number } {
  const used = groups.filter(group => pairsOf(group, split).length > 0)
  const totalPuzzles = used.reduce((sum, { identifiers }) => sum + identifiers.length, 0)
  const puzzleIds = new Int32Array(totalPuzzles)
  const puzzleIndices = new Int32Array(totalPuzzles + 1)
  const groupIndices = new Int32Array(used.length + 1)
  let [puzzle, examples] = [0, 0]
  for (const [i, group] of used.entries()) {
    const { length } = pairsOf(group, split)
    for (const identifier of group.identifiers) {
      puzzleIds[puzzle++] = identifier
      puzzleIndices[puzzle] = examples += length
    }
    groupIndices[i + 1] = puzzle
  }
  const metadata = {
    padId: 0,
    ignoreLabelId: 0,
    blankPuzzleId: 0,
    vocabulary: ARC_VOCABULARY,
    cells: ARC_CELLS,
    puzzles: names.length,
    totalGroups: used.length,
    meanPuzzleExamples: examples / totalPuzzles,
    totalPuzzles,
    sets: ['all'],
  }
  return { metadata, examples, puzzleIds, puzzleIndices, groupIndices }
}

/**
 * The rows of a table in pieces. In training a pair lies at a random place where both grids fit; one random pair of
 * each puzzle lies at the corner, as all test pairs do. Inputs and outputs draw the same places.
 */
function* tablePieces(
  { names, groups, places }: ArcPlan,
  split: Split,
  side: 'input' | 'output',
): Generator<Uint8Array<ArrayBuffer>, void> {
  const rowsPerPiece = 1000
  const random = Random.restore(places)
  let piece = new Uint8Array(rowsPerPiece * ARC_CELLS)
  let filled = 0
  for (const group of groups) {
    const pairs = pairsOf(group, split)
    if (pairs.length === 0) continue
    for (const identifier of group.identifiers) {
      const { augmentation } = parseArcName(names[identifier])
      const cornered = split === 'train' ? random.below(pairs.length) : 0
      for (const [i, pair] of pairs.entries()) {
        const turned = SWAPS_SIDES[augmentation.transform]
        const rows = Math.max(...sides(pair, turned ? 'columns' : 'rows'))
        const columns = Math.max(...sides(pair, turned ? 'rows' : 'columns'))
        const moves = split === 'train' && i !== cornered
        const row = moves ? random.below(ARC_SIDE - rows + 1) : 0
        const column = moves ? random.below(ARC_SIDE - columns + 1) : 0
        const tokens = piece.subarray(filled, (filled += ARC_CELLS))
        // A label row of PAD alone is not scored.
        if (side === 'input' || !pair.placeholder) placeArcGrid(pair[side], augmentation, row, column, tokens)
        if (filled === piece.length) {
          yield piece
          piece = new Uint8Array(rowsPerPiece * ARC_CELLS)
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

function checkOccurrences(subsets: ArcSubset[]): void {
  const places = new Map<string, ArcSubset>()
  for (const subset of subsets) {
    if (subset.tasks.length === 0) throw new Error(`arc: expected tasks in subset ${subset.name}, got none`)
    for (const { name } of subset.tasks) {
      const other = places.get(name)
      if (other && (other.heldOut || subset.heldOut)) {
        const held = other.heldOut ? other.name : subset.name
        throw new Error(
          `arc: expected the tasks of ${held} to occur once, since they are tested on, got ${shown(name)} ` +
            `in ${other.name} and ${subset.name} — leave one subset out, or this task of one`,
        )
      }
      places.set(name, subset)
    }
  }
}

/** The header of a .npy file of `rows` × 900 bytes: the header of an empty one, whose padding has room for the rows. */
function tableHeader(rows: number): Uint8Array {
  const bytes = writeNpy({ shape: [0, ARC_CELLS], dtype: 'u1', data: new Uint8Array(0) })
  const text = new TextDecoder().decode(bytes.subarray(10)).replace('(0,', `(${rows},`).trimEnd()
  bytes.set(new TextEncoder().encode(text.padEnd(bytes.length - 11) + '\n'), 10)
  return bytes
}

function jsonBytes(value: unknown): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(value))
}
