// Puzzles with their answers as tokens: the kinds of puzzles, pairs in memory, and datasets of their copies.
import { npyHeader, writeNpy } from '../formats/npy.js'
import { type Dataset, metadataJson, singleExampleDataset, singleExampleIndices, type Split } from './dataset.js'
import { Random } from './random.js'
import type { PuzzleRow } from './table.js'

const PAIRS_PER_CHUNK = 4096
const ROWS_PER_PIECE = 4096

/** What a kind of puzzle defines. Its errors do not name the place in a table; the reader adds it. */
export interface PuzzleKind {
  name: 'sudoku' | 'maze'
  vocabulary(cells: number): number
  /** Number of cells of a puzzle in a table. @throws when the text is no puzzle */
  cellsOf(question: string): number
  /** Writes the tokens of a row; `answer` stays as it is where the row has none. @throws when the row is wrong */
  encode(row: PuzzleRow, question: Uint8Array, answer: Uint8Array): void
  /**
   * Finds the answer of a question. Gives '', or what is wrong where there is not exactly one answer. Without `answer`
   * it only looks for contradictions and does not search.
   */
  solve?(question: Uint8Array, answer?: Uint8Array): string
  /**
   * A function that draws the copies. It is called for copy 0 (the puzzle itself), 1, … of each puzzle in turn. Its
   * result is valid until the next call.
   */
  copies(cells: number, random: Random): (copy: number) => PuzzleCopy
}

/** Cell i of a copy is cell `map[i]` of the puzzle; with `tokens`, its token t becomes `tokens[t]`. */
export interface PuzzleCopy {
  map: ArrayLike<number>
  tokens?: ArrayLike<number>
}

/** A growing list of questions and answers, tokens (cells each). It has room for millions. */
export class PuzzlePairs {
  length = 0
  #chunks: Uint8Array[] = []

  constructor(readonly cells: number) {}

  put(i: number, question: ArrayLike<number>, answer: ArrayLike<number>): void {
    this.length = Math.max(this.length, i + 1)
    const [chunk, offset] = this.#at(i)
    chunk.set(question, offset)
    chunk.set(answer, offset + this.cells)
  }

  question(i: number): Uint8Array {
    const [chunk, offset] = this.#at(i)
    return chunk.subarray(offset, offset + this.cells)
  }

  answer(i: number): Uint8Array {
    const [chunk, offset] = this.#at(i)
    return chunk.subarray(offset + this.cells, offset + 2 * this.cells)
  }

  #at(i: number): [chunk: Uint8Array, offset: number] {
    const chunk = (this.#chunks[Math.floor(i / PAIRS_PER_CHUNK)] ??= new Uint8Array(2 * this.cells * PAIRS_PER_CHUNK))
    return [chunk, 2 * this.cells * (i % PAIRS_PER_CHUNK)]
  }
}

/** Puzzles of one kind, and how their copies are drawn. */
export interface PuzzleSet {
  kind: PuzzleKind
  pairs: PuzzlePairs
  /** Copies of each puzzle. */
  augment: number
  /** Draws the copies. */
  random: Random
}

/** All puzzles and their copies in memory. @throws when they have more than 2³¹ cells */
export function puzzleDataset({ kind, pairs, augment, random }: PuzzleSet): Dataset {
  const { cells, length } = pairs
  if (length * (1 + augment) * cells > 2 ** 31) {
    throw new Error(
      `${kind.name}: expected at most 2^31 cells, got ${length} puzzles × ${1 + augment} — lower augment or subsample`,
    )
  }
  const [inputs, labels] = Array.from({ length: 2 }, () => new Uint8Array(length * (1 + augment) * cells))
  const { state } = random
  for (const [table, side] of [
    [inputs, 'question'],
    [labels, 'answer'],
  ] as const) {
    let offset = 0
    for (const piece of copiesOf({ kind, pairs, augment, random: Random.restore(state) }, side)) {
      table.set(piece, offset)
      offset += piece.length
    }
  }
  const vocabulary = kind.vocabulary(cells)
  return singleExampleDataset({
    inputs,
    labels: new Int8Array(labels.buffer),
    cells,
    vocabulary,
    groupSize: 1 + augment,
  })
}

/**
 * The files of a split of a dataset directory by path, as `writeDataset` makes them. The tables come in pieces, so that
 * only the puzzles without their copies are in memory.
 */
export function puzzleFiles(
  { kind, pairs, augment, random }: PuzzleSet,
  split: Split,
): Map<string, Uint8Array | Iterable<Uint8Array>> {
  const [groupSize, count] = [1 + augment, pairs.length * (1 + augment)]
  const { state } = random
  const vocabulary = kind.vocabulary(pairs.cells)
  const { metadata, puzzleIds, puzzleIndices, groupIndices } = singleExampleIndices({
    count,
    cells: pairs.cells,
    vocabulary,
    groupSize,
  })
  const table = function* (side: 'question' | 'answer') {
    yield npyHeader([count, pairs.cells], 'u1')
    yield* copiesOf({ kind, pairs, augment, random: Random.restore(state) }, side)
  }
  const vector = (data: Int32Array) => writeNpy({ shape: [data.length], dtype: 'i4', data })
  return new Map<string, Uint8Array | Iterable<Uint8Array>>([
    [`${split}/dataset.json`, metadataJson(metadata)],
    [`${split}/all__inputs.npy`, table('question')],
    [`${split}/all__labels.npy`, table('answer')],
    [`${split}/all__puzzle_identifiers.npy`, vector(puzzleIds)],
    [`${split}/all__puzzle_indices.npy`, vector(puzzleIndices)],
    [`${split}/all__group_indices.npy`, vector(groupIndices)],
  ])
}

/** The rows of a table in pieces: each puzzle, then its copies. Questions and answers draw the same copies. */
function* copiesOf(
  { kind, pairs, augment, random }: PuzzleSet,
  side: 'question' | 'answer',
): Generator<Uint8Array, void> {
  const { cells, length } = pairs
  const draw = kind.copies(cells, random)
  const total = length * (1 + augment)
  for (let from = 0; from < total; from += ROWS_PER_PIECE) {
    const piece = new Uint8Array(cells * Math.min(ROWS_PER_PIECE, total - from))
    for (let offset = 0, row = from; offset < piece.length; offset += cells, row++) {
      const puzzle = pairs[side](Math.floor(row / (1 + augment)))
      const { map, tokens } = draw(row % (1 + augment))
      for (let i = 0; i < cells; i++) piece[offset + i] = tokens ? tokens[puzzle[map[i]]] : puzzle[map[i]]
    }
    yield piece
  }
}

/**
 * The questions or the answers of splits, as tokens, a row each: what a generator does not make again.
 * @throws where a split has puzzles of another kind or size
 */
export function rowsToAvoid(
  splits: readonly Dataset[],
  { name, vocabulary }: PuzzleKind,
  cells: number,
  column: 'inputs' | 'labels',
): (Uint8Array | Int8Array | Int32Array)[] {
  return splits.flatMap(split => {
    const { metadata, [column]: all } = split
    if (metadata.cells !== cells || metadata.vocabulary !== vocabulary(cells))
      throw new Error(
        `${name}: expected puzzles of ${cells} cells and ${vocabulary(cells)} tokens to avoid, got some of ` +
          `${metadata.cells} cells and ${metadata.vocabulary} tokens — give puzzles of the same kind and size`,
      )
    return Array.from({ length: all.length / cells }, (_, row) => all.subarray(row * cells, (row + 1) * cells))
  })
}
