// Puzzles gathered from the rows of tables of any length: checked, counted, solved where answers are missing, drawn.
import type { Pieces } from '../formats/pieces.js'
import { shown } from '../formats/shown.js'
import { type PuzzleKind, PuzzlePairs, type PuzzleSet } from './pairs.js'
import { Random } from './random.js'
import { type ColumnNames, type ColumnRole, type PuzzleRow, type TableLayout, tableRows } from './table.js'

export interface PuzzleTableOptions {
  /** Name of the table in error messages. */
  name?: string
  /** Copies added to each puzzle; the group is the puzzle and its copies. Default 0. */
  augment?: number
  /** Keep only so many puzzles, drawn at random without replacement. Default all. */
  subsample?: number
  /** Seed of the draw and of the copies. Default 0. */
  seed?: number
  /** Leave out rows with a rating below this one. By default none. */
  minRating?: number
  /** Leave out puzzles without exactly one solution where the table has no answer. By default they are an error. */
  skipUnsolved?: boolean
  /** The columns whose names are not among the known ones. */
  columns?: ColumnNames
  /** Hints at the end of messages: a column of a role is missing, or a puzzle has not exactly one solution. */
  hints?: Partial<Record<ColumnRole | 'unsolved', string>>
}

/** How many rows of a table were used, and how many were left out. */
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
export interface PuzzleTable extends PuzzleSet {
  counts: PuzzleCounts
}

const hasAnswer = ({ answer }: PuzzleRow) => answer.trim() !== ''

/** The drawn rows of a table, recognised when the table is read again. */
class DrawnRows {
  /** The places of the drawn rows in the result, in the order of the rows. */
  #places: Int32Array
  #next = 0
  #nextLeft = 0

  /**
   * @param drawn numbers of the drawn rows among the usable ones
   * @param leftOut lines of the rows that are not usable
   */
  constructor(
    private readonly drawn: Int32Array,
    private readonly leftOut: readonly number[],
  ) {
    this.#places = Int32Array.from(drawn.keys()).sort((a, b) => drawn[a] - drawn[b])
  }

  isLeftOut(line: number): boolean {
    if (line !== this.leftOut[this.#nextLeft]) return false
    this.#nextLeft++
    return true
  }

  /** The place of a row in the result; −1 when it was not drawn. */
  placeOf(row: number): number {
    return row === this.drawn[this.#places[this.#next]] ? this.#places[this.#next++] : -1
  }

  get isComplete(): boolean {
    return this.#next === this.drawn.length
  }
}

/** Takes the rows of a table one by one. */
class Gatherer {
  readonly counts: PuzzleCounts = { usable: 0, below: 0, solved: 0, unsolved: [] }
  pairs: PuzzlePairs | undefined
  #question = new Uint8Array()
  #answer = new Uint8Array()

  /** @param keep the rows to keep: 'none' only checks and counts, drawn rows have been checked before */
  constructor(
    private readonly kind: PuzzleKind,
    private readonly options: PuzzleTableOptions,
    private readonly keep: 'all' | 'none' | DrawnRows,
  ) {}

  add(row: PuzzleRow): void {
    const { minRating, skipUnsolved } = this.options
    if (minRating !== undefined && this.#ratingOf(row) < minRating) {
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
    const trouble = this.#encode(row, place >= 0 || skipUnsolved === true)
    if (trouble && !skipUnsolved) {
      const hint = this.options.hints?.unsolved ?? ''
      this.#fail(row, `expected a puzzle with exactly one solution, as no answer is given, got one ${trouble}${hint}`)
    }
    if (trouble) {
      counts.unsolved.push(row.line)
      return
    }
    counts.usable++
    if (place < 0) return
    if (!hasAnswer(row)) counts.solved++
    this.pairs!.put(place, this.#question, this.#answer)
  }

  /** @returns what is wrong with a puzzle without an answer, or '' */
  #encode(row: PuzzleRow, isSolved: boolean): string {
    const { kind } = this
    try {
      if (!this.pairs) {
        this.pairs = new PuzzlePairs(kind.cellsOf(row.question))
        this.#question = new Uint8Array(this.pairs.cells)
        this.#answer = new Uint8Array(this.pairs.cells)
      }
      kind.encode(row, this.#question, this.#answer)
    } catch (error) {
      this.#fail(row, (error as Error).message)
    }
    if (hasAnswer(row)) return ''
    if (!kind.solve) this.#fail(row, 'expected an answer, got none')
    return kind.solve(this.#question, isSolved ? this.#answer : undefined)
  }

  #ratingOf(row: PuzzleRow): number {
    const rating = row.rating.trim() === '' ? NaN : Number(row.rating)
    if (Number.isNaN(rating)) this.#fail(row, `expected a number as rating, got ${shown(row.rating, 40)}`)
    return rating
  }

  #fail({ line }: PuzzleRow, message: string): never {
    throw new Error(`${this.options.name ?? this.kind.name}:${line}: ${message}`)
  }
}

/** The puzzles of a table's rows. @throws `name:line: …` when a row is wrong */
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
 * The puzzles of a table of any length, read piece by piece. With `subsample` the table is read twice: once to check
 * and count the rows, and again to keep the drawn ones. It draws the same rows as `gatherPuzzles`.
 * @throws one line that begins with the name, mostly `name:line: …`, when a row is wrong or the table cannot be read
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

/** @throws when a column that is needed is missing */
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
      `${kind.name}: expected fewer than 2^31 examples, got ${pairs.length} × ${1 + augment} — ` +
        'lower augment or subsample',
    )
  }
  return { kind, pairs, counts, augment, random }
}
