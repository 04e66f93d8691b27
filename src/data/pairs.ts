// Puzzles with their answers as tokens: gathered from tables, drawn, copied by symmetries, given as a dataset or its files.
import { npyHeader, writeNpy } from '../formats/npy.js'
import type { Pieces } from '../formats/pieces.js'
import { shown } from '../formats/shown.js'
import { type Dataset, metadataJson, singleExampleDataset, singleExampleIndices, type Split } from './dataset.js'
import { Random } from './random.js'
import { type ColumnNames, type ColumnRole, type PuzzleRow, type TableLayout, tableRows } from './table.js'

/** What a kind of puzzle says about itself. Errors do not tell the place in a table. */
export interface PuzzleKind {
  name: 'sudoku' | 'maze'
  vocabulary(cells: number): number
  /** Cells of a puzzle in a table. @throws when it cannot be one */
  cellsOf(question: string): number
  /** Writes the tokens of a row; those of an answer only where the row has one. @throws when the row is wrong */
  encode(row: PuzzleRow, question: Uint8Array, answer: Uint8Array): void
  /**
   * Finds the answer of a question; gives '' or, where there is not exactly one, what is wrong. With no place for an
   * answer, only what is plain to see.
   */
  solve?(question: Uint8Array, answer?: Uint8Array): string
  /**
   * Draws copies: called for copy 0 (the puzzle itself), 1, … of each puzzle in turn, it gives where cells come from
   * and new tokens, which hold until the next call.
   */
  copies(cells: number, random: Random): (copy: number) => PuzzleCopy
}

/** Cell i of a copy is cell `map[i]` of the puzzle, with another token where `tokens` says so. */
export interface PuzzleCopy {
  map: ArrayLike<number>
  tokens?: ArrayLike<number>
}

export interface PuzzleTableOptions {
  /** Name of the table in error messages. */
  name?: string
  /** Copies added to each puzzle; the group is the puzzle and its copies. Default 0. */
  augment?: number
  /** Keep only so many puzzles, drawn at random without replacement. Default all. */
  subsample?: number
  /** Seed of the draw and of the copies. Default 0. */
  seed?: number
  /** Leave out rows with a rating below. Default none. */
  minRating?: number
  /** Leave out puzzles without an answer that do not have exactly one solution; without it they are an error. */
  skipUnsolved?: boolean
  /** Columns that have none of the known names. */
  columns?: ColumnNames
  /** Ends the messages that no column of a role was found, and that a puzzle does not have exactly one solution. */
  hints?: Partial<Record<ColumnRole | 'unsolved', string>>
}

/** Questions and answers (cells each), of which there may be very many. */
export class PuzzlePairs {
  length = 0
  private readonly chunks: Uint8Array[] = []

  constructor(readonly cells: number) {}

  put(i: number, question: ArrayLike<number>, answer: ArrayLike<number>): void {
    this.length = Math.max(this.length, i + 1)
    const [chunk, offset] = this.at(i)
    chunk.set(question, offset)
    chunk.set(answer, offset + this.cells)
  }

  question(i: number): Uint8Array {
    const [chunk, offset] = this.at(i)
    return chunk.subarray(offset, offset + this.cells)
  }

  answer(i: number): Uint8Array {
    const [chunk, offset] = this.at(i)
    return chunk.subarray(offset + this.cells, offset + 2 * this.cells)
  }

  private at(i: number): [chunk: Uint8Array, offset: number] {
    const perChunk = 4096
    const chunk = (this.chunks[Math.floor(i / perChunk)] ??= new Uint8Array(2 * this.cells * perChunk))
    return [chunk, 2 * this.cells * (i % perChunk)]
  }
}

/** What became of the rows of a table. */
export interface PuzzleCounts {
  /** Rows that can be drawn. */
  usable: number
  /** Rows with a rating below `minRating`. */
  below: number
  /** Puzzles without an answer that were kept and solved. */
  solved: number
  /** Lines of puzzles without exactly one solution that were left out. */
  unsolved: number[]
}

/** Puzzles of a table. */
export interface PuzzleTable {
  kind: PuzzleKind
  pairs: PuzzlePairs
  counts: PuzzleCounts
  /** Copies of each puzzle, and the generator that draws them. */
  augment: number
  random: Random
}

const hasAnswer = ({ answer }: PuzzleRow) => answer.trim() !== ''

/** Rows that were drawn, found again in the order in which they come. */
class DrawnRows {
  /** The places of the drawn rows, by the order of the rows. */
  private readonly places: Int32Array
  private next = 0
  private nextLeft = 0

  /** @param drawn numbers of the rows among the usable ones @param leftOut lines of rows that are not usable */
  constructor(
    private readonly drawn: Int32Array,
    private readonly leftOut: readonly number[],
  ) {
    this.places = Int32Array.from(drawn.keys()).sort((a, b) => drawn[a] - drawn[b])
  }

  isLeftOut(line: number): boolean {
    if (line !== this.leftOut[this.nextLeft]) return false
    this.nextLeft++
    return true
  }

  /** Where a row belongs; −1 when it was not drawn. */
  placeOf(row: number): number {
    return row === this.drawn[this.places[this.next]] ? this.places[this.next++] : -1
  }

  get isComplete(): boolean {
    return this.next === this.drawn.length
  }
}

/** Takes the rows of a table one by one. */
class Gatherer {
  readonly counts: PuzzleCounts = { usable: 0, below: 0, solved: 0, unsolved: [] }
  pairs: PuzzlePairs | undefined
  private question = new Uint8Array()
  private answer = new Uint8Array()

  /** @param keep which rows are kept; 'none' checks and counts only, drawn ones have been checked before */
  constructor(
    private readonly kind: PuzzleKind,
    private readonly options: PuzzleTableOptions,
    private readonly keep: 'all' | 'none' | DrawnRows,
  ) {}

  add(row: PuzzleRow): void {
    const { minRating, skipUnsolved } = this.options
    if (minRating !== undefined && this.ratingOf(row) < minRating) {
      this.counts.below++
      return
    }
    const { keep, counts } = this
    if (typeof keep === 'object' && keep.isLeftOut(row.line)) return
    const place = keep === 'all' ? counts.usable : keep === 'none' ? -1 : keep.placeOf(counts.usable)
    if (place < 0 && keep !== 'none') {
      counts.usable++
      return
    }
    const trouble = this.encode(row, place >= 0 || skipUnsolved === true)
    if (trouble && !skipUnsolved) {
      const hint = this.options.hints?.unsolved ?? ''
      this.fail(row, `expected a puzzle with exactly one solution, as no answer is given, got one ${trouble}${hint}`)
    }
    if (trouble) {
      counts.unsolved.push(row.line)
      return
    }
    counts.usable++
    if (place < 0) return
    if (!hasAnswer(row)) counts.solved++
    this.pairs!.put(place, this.question, this.answer)
  }

  /** @returns what is wrong with a puzzle that was to be solved */
  private encode(row: PuzzleRow, isSolved: boolean): string {
    const { kind } = this
    try {
      if (!this.pairs) {
        this.pairs = new PuzzlePairs(kind.cellsOf(row.question))
        this.question = new Uint8Array(this.pairs.cells)
        this.answer = new Uint8Array(this.pairs.cells)
      }
      kind.encode(row, this.question, this.answer)
    } catch (error) {
      this.fail(row, (error as Error).message)
    }
    if (hasAnswer(row)) return ''
    if (!kind.solve) this.fail(row, 'expected an answer, got none')
    return kind.solve(this.question, isSolved ? this.answer : undefined)
  }

  private ratingOf(row: PuzzleRow): number {
    const rating = row.rating.trim() === '' ? NaN : Number(row.rating)
    if (Number.isNaN(rating)) this.fail(row, `expected a number as rating, got ${shown(row.rating, 40)}`)
    return rating
  }

  private fail({ line }: PuzzleRow, message: string): never {
    throw new Error(`${this.options.name ?? this.kind.name}:${line}: ${message}`)
  }
}

/** Puzzles from the rows of a table. @throws `name:line: …` when a row is wrong */
export function gatherPuzzles(rows: readonly PuzzleRow[], kind: PuzzleKind, options: PuzzleTableOptions): PuzzleTable {
  checkOptions(kind, options)
  const gatherer = new Gatherer(kind, options, 'all')
  for (const row of rows) gatherer.add(row)
  const all = pairsOf(gatherer, kind, options)
  const random = new Random(options.seed ?? 0)
  const drawn = drawRows(all.length, options, random)
  if (!drawn) return tableOf(kind, all, gatherer.counts, options, random)
  const pairs = new PuzzlePairs(all.cells)
  drawn.forEach((row, place) => pairs.put(place, all.question(row), all.answer(row)))
  return tableOf(kind, pairs, gatherer.counts, options, random)
}

/**
 * Puzzles from a table of any length, read piece by piece: with `subsample`, once to check and count the rows and once
 * more for those drawn, so that nothing else is kept. The same rows as `gatherPuzzles` draws.
 * @throws one line that begins with the name, and mostly the line, when a row is wrong or the table cannot be read
 */
export async function readPuzzles(
  pieces: Pieces,
  kind: PuzzleKind,
  options: PuzzleTableOptions,
): Promise<PuzzleTable & { layout: TableLayout }> {
  checkOptions(kind, options)
  const { name = kind.name, subsample, columns, hints = {} } = options
  const pass = async (gatherer: Gatherer) => {
    let layout: TableLayout | undefined
    for await (const found of tableRows(pieces(), name, columns, hints.question)) {
      if (!layout) checkLayout((layout = found.layout), kind, options)
      for (const row of found.rows) gatherer.add(row)
    }
    return layout!
  }
  const first = new Gatherer(kind, options, subsample === undefined ? 'all' : 'none')
  const layout = await pass(first)
  const random = new Random(options.seed ?? 0)
  const { usable } = first.counts
  const { cells } = pairsOf(first, kind, options)
  if (subsample === undefined) return { ...tableOf(kind, first.pairs!, first.counts, options, random), layout }
  const drawn = drawRows(usable, options, random) ?? Int32Array.from({ length: usable }, (_, i) => i)
  const rows = new DrawnRows(drawn, first.counts.unsolved)
  const second = new Gatherer(kind, options, rows)
  await pass(second)
  if (second.counts.usable !== usable || second.pairs?.cells !== cells || !rows.isComplete) {
    throw new Error(`${name}: it changed while it was read`)
  }
  return { ...tableOf(kind, second.pairs, { ...first.counts, solved: second.counts.solved }, options, random), layout }
}

function checkOptions({ name }: PuzzleKind, { augment = 0, subsample }: PuzzleTableOptions): void {
  for (const [option, value, least] of [
    ['augment', augment, 0],
    ['subsample', subsample ?? 1, 1],
  ] as const) {
    if (!Number.isSafeInteger(value) || value < least) {
      throw new Error(`${name}: expected ${option} to be a whole number from ${least}, got ${value}`)
    }
  }
}

/** @throws when the columns are not all that are needed */
export function checkLayout(
  { first, hasHeader, answer, rating }: TableLayout,
  kind: PuzzleKind,
  { name = kind.name, minRating, hints = {} }: PuzzleTableOptions,
): void {
  const found = hasHeader ? `the columns ${shown(first.join(','))}` : 'a table without header'
  if (answer < 0 && !kind.solve) {
    throw new Error(
      `${name}:1: expected a column of answers (answer, solution, solutions, …), found ${found}${hints.answer ?? ''}`,
    )
  }
  if (rating < 0 && minRating !== undefined) {
    throw new Error(
      `${name}:1: expected a column of ratings (rating, difficulty, backtracks), found ${found}${hints.rating ?? ''}`,
    )
  }
}

function pairsOf(
  { pairs, counts }: Gatherer,
  kind: PuzzleKind,
  { name = kind.name, minRating }: PuzzleTableOptions,
): PuzzlePairs {
  const noun = kind.name === 'maze' ? 'maze' : 'puzzle'
  if (pairs && counts.usable > 0) return pairs
  if (counts.below > 0) {
    throw new Error(`${name}: expected at least one ${noun} with a rating from ${minRating}, got ${counts.below} below`)
  }
  if (counts.unsolved.length > 0) {
    throw new Error(
      `${name}: expected at least one ${noun} with exactly one solution, got ${counts.unsolved.length} without`,
    )
  }
  throw new Error(`${name}: expected at least one ${noun}, got an empty table`)
}

/** The rows of a random subset, in random order; undefined for all. */
function drawRows(rows: number, { subsample }: PuzzleTableOptions, random: Random): Int32Array | undefined {
  return subsample !== undefined && subsample < rows ? random.permutation(rows).slice(0, subsample) : undefined
}

function tableOf(
  kind: PuzzleKind,
  pairs: PuzzlePairs,
  counts: PuzzleCounts,
  { augment = 0 }: PuzzleTableOptions,
  random: Random,
): PuzzleTable {
  if (pairs.length * (1 + augment) >= 2 ** 31) {
    throw new Error(
      `${kind.name}: expected fewer than 2^31 examples, got ${pairs.length} × ${1 + augment} — lower augment or subsample`,
    )
  }
  return { kind, pairs, counts, augment, random }
}

/** All puzzles and their copies in memory. */
export function puzzleDataset({ kind, pairs, augment, random }: Omit<PuzzleTable, 'counts'>): Dataset {
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
 * The files of a split of a dataset directory by path, as `writeDataset` makes them; the tables come in pieces, so that
 * memory holds the puzzles only.
 */
export function puzzleFiles(
  { kind, pairs, augment, random }: Omit<PuzzleTable, 'counts'>,
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

/** The rows of a table, some at a time: each puzzle, then its copies. Questions and answers draw the same. */
function* copiesOf(
  { kind, pairs, augment, random }: Omit<PuzzleTable, 'counts'>,
  side: 'question' | 'answer',
): Generator<Uint8Array, void> {
  const { cells, length } = pairs
  const draw = kind.copies(cells, random)
  const rowsPerPiece = 4096
  const total = length * (1 + augment)
  for (let from = 0; from < total; from += rowsPerPiece) {
    const piece = new Uint8Array(cells * Math.min(rowsPerPiece, total - from))
    for (let offset = 0, row = from; offset < piece.length; offset += cells, row++) {
      const puzzle = pairs[side](Math.floor(row / (1 + augment)))
      const { map, tokens } = draw(row % (1 + augment))
      for (let i = 0; i < cells; i++) piece[offset + i] = tokens ? tokens[puzzle[map[i]]] : puzzle[map[i]]
    }
    yield piece
  }
}
