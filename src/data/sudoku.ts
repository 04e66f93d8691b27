// Sudoku of 4×4, 6×6 and 9×9 as tokens: text, rules, datasets from tables, shuffles, exact solver and generator.
import type { PuzzleRow } from '../formats/csv.js'
import { shown } from '../formats/shown.js'
import { singleExampleDataset, type Dataset } from './dataset.js'
import { Random } from './random.js'

/** Side of the grid. Boxes are 2×2 in 4×4, 2 rows × 3 columns in 6×6, 3×3 in 9×9. */
export type SudokuSize = 4 | 6 | 9

/** A rule that a grid breaks; `cells` are row-major positions. */
export interface SudokuViolation {
  /** Where: a unit with a digit twice, a cell that holds no digit of the size, or a given that was changed. */
  unit: 'row' | 'column' | 'box' | 'cell' | 'given'
  /** Number of the row, column or box (from 0, boxes row by row), or the cell itself. */
  index: number
  /** The digit concerned; 0 when there is none. */
  digit: number
  cells: number[]
}

interface Layout {
  size: SudokuSize
  boxRows: number
  boxColumns: number
  cells: number
  /** Box of each cell. */
  boxes: Uint8Array
}

const layouts: Record<SudokuSize, Layout> = { 4: layout(4, 2, 2), 6: layout(6, 2, 3), 9: layout(9, 3, 3) }

/** Fewest givens a puzzle with one solution can have, by size. */
const fewestClues: Record<SudokuSize, number> = { 4: 4, 6: 8, 9: 17 }

/** The size whose grid has that many cells. Throws when there is none. */
export function sudokuSizeOf(cells: number): SudokuSize {
  const found = Object.values(layouts).find(one => one.cells === cells)
  if (!found) throw new Error(`sudoku: expected 16, 36 or 81 cells, got ${cells}`)
  return found.size
}

/** Vocabulary of a size: PAD, blank, and the digits. */
export function sudokuVocabSize(size: SudokuSize): number {
  return layoutOf(size).size + 2
}

/**
 * Text to tokens: '.' or '0' is blank; id = digit + 1 (blank 1, PAD 0 does not occur). The length tells the size.
 * Throws when the length is not 16, 36 or 81, or a character is not a digit of the size.
 */
export function encodeSudoku(text: string): Uint8Array {
  const size = sudokuSizeOf(text.length)
  return Uint8Array.from(text, (character, i) => {
    const digit = character === '.' ? 0 : character >= '0' && character <= '9' ? Number(character) : -1
    if (digit < 0 || digit > size) throw new Error(`sudoku: expected digits 1 … ${size}, '.' or '0', got ${shown(character)} at character ${i + 1}`)
    return digit + 1
  })
}

/** Tokens to text: '.' for blank, '?' for PAD or anything that is not a token of digits 0 … 9. */
export function decodeSudoku(ids: ArrayLike<number>): string {
  return Array.from(ids, id => id === 1 ? '.' : id >= 2 && id <= 10 ? String(id - 1) : '?').join('')
}

/**
 * The rules that a grid of tokens breaks, [] for a grid that can still be right: a digit twice in a row, column or box, a
 * cell with PAD or a digit too large, and, when `question` is given, a given that was changed. Blanks break no rule.
 * Throws when the number of cells does not fit the size.
 */
export function sudokuViolations(ids: ArrayLike<number>, size: SudokuSize, question?: ArrayLike<number>): SudokuViolation[] {
  const { cells, boxes } = layoutOf(size)
  for (const grid of question ? [ids, question] : [ids]) {
    if (grid.length !== cells) throw new Error(`sudoku: expected ${cells} cells for size ${size}, got ${grid.length}`)
  }
  const violations: SudokuViolation[] = []
  const places = new Map<string, SudokuViolation>()
  for (let cell = 0; cell < cells; cell++) {
    const digit = ids[cell] - 1
    if (question && question[cell] > 1 && question[cell] !== ids[cell]) violations.push({ unit: 'given', index: cell, digit: question[cell] - 1, cells: [cell] })
    if (digit === 0) continue
    if (!(digit >= 1 && digit <= size)) {
      violations.push({ unit: 'cell', index: cell, digit: 0, cells: [cell] })
      continue
    }
    const units = { row: Math.floor(cell / size), column: cell % size, box: boxes[cell] }
    for (const unit of ['row', 'column', 'box'] as const) {
      const key = `${unit} ${units[unit]} ${digit}`
      const place = places.get(key) ?? { unit, index: units[unit], digit, cells: [] }
      place.cells.push(cell)
      places.set(key, place)
      if (place.cells.length === 2) violations.push(place)
    }
  }
  return violations
}

/** A violation in words, rows and columns counted from 1. */
export function describeSudokuViolation({ unit, index, digit, cells }: SudokuViolation, size: SudokuSize): string {
  const place = (cell: number) => `row ${Math.floor(cell / size) + 1} column ${cell % size + 1}`
  if (unit === 'given') return `the given ${digit} at ${place(index)} was changed`
  if (unit === 'cell') return `no digit of 1 … ${size} at ${place(index)}`
  return `${cells.length} times ${digit} in ${unit} ${index + 1}`
}

/** Whether every cell is filled, no rule is broken and, when `question` is given, its givens stand. */
export function isSudokuSolved(ids: ArrayLike<number>, size: SudokuSize, question?: ArrayLike<number>): boolean {
  return sudokuViolations(ids, size, question).length === 0 && !Array.prototype.includes.call(ids, 1)
}

/** A random change of a grid that keeps the rules: positions first, then digits. */
export interface SudokuShuffle {
  /** Cell i of the result is cell `map[i]` of the grid. */
  map: Uint8Array
  /** New token of each token; PAD and blank stay. */
  tokens: Uint8Array
}

/**
 * A random shuffle: digits relabelled; bands, rows within bands, stacks, columns within stacks permuted; transposed with
 * probability ½ where boxes are square (a transposed 2×3 box would be 3×2).
 * Source: `shuffle_sudoku` of the published builder, for any box shape.
 */
export function drawSudokuShuffle(size: SudokuSize, random: Random): SudokuShuffle {
  const { boxRows, boxColumns, cells } = layoutOf(size)
  const digits = random.permutation(size)
  const transpose = boxRows === boxColumns && random.below(2) === 1
  const lines = (thickness: number) => {
    const order: number[] = []
    for (const band of random.permutation(size / thickness)) {
      for (const line of random.permutation(thickness)) order.push(band * thickness + line)
    }
    return order
  }
  const rows = lines(boxRows)
  const columns = lines(boxColumns)
  const map = new Uint8Array(cells)
  let cell = 0
  for (const row of rows) {
    for (const column of columns) map[cell++] = transpose ? column * size + row : row * size + column
  }
  return { map, tokens: Uint8Array.of(0, 1, ...digits.map(digit => digit + 2)) }
}

/** The shuffled copy of a grid of tokens. */
export function applySudokuShuffle(ids: ArrayLike<number>, { map, tokens }: SudokuShuffle): Uint8Array {
  const shuffled = new Uint8Array(map.length)
  for (let i = 0; i < map.length; i++) shuffled[i] = tokens[ids[map[i]]]
  return shuffled
}

/** The shuffle that undoes another. */
export function invertSudokuShuffle({ map, tokens }: SudokuShuffle): SudokuShuffle {
  const inverse = { map: new Uint8Array(map.length), tokens: new Uint8Array(tokens.length) }
  map.forEach((from, i) => (inverse.map[from] = i))
  tokens.forEach((to, token) => (inverse.tokens[to] = token))
  return inverse
}

export interface SudokuTableOptions {
  /** Name of the table in error messages. */
  name?: string
  /** Shuffled copies added to each puzzle; the group is the puzzle and its copies. Default 0. */
  augment?: number
  /** Keep only so many puzzles, drawn at random without replacement. Default all. */
  subsample?: number
  /** Seed of the draw and the shuffles. Default 0. */
  seed?: number
}

/**
 * A dataset from the rows of a puzzle table. The first row tells the size. Throws `name:line: …` when a row has another
 * length, a wrong character, an answer that changes a given, is not filled or breaks a rule.
 */
export function sudokuFromRows(rows: PuzzleRow[], { name = 'sudoku', augment = 0, subsample, seed = 0 }: SudokuTableOptions = {}): Dataset {
  if (rows.length === 0) throw new Error(`${name}: expected at least one puzzle, got an empty table`)
  checkCount('augment', augment, 0)
  if (subsample !== undefined) checkCount('subsample', subsample, 1)
  const cells = rows[0].question.length
  const pairs = rows.map(row => parseRow(row, cells, name))
  const random = new Random(seed)
  const chosen = subsample !== undefined && subsample < pairs.length ? Array.from(random.permutation(pairs.length).subarray(0, subsample), i => pairs[i]) : pairs
  return sudokuDataset(chosen, { augment, random })
}

export interface GenerateSudokuOptions {
  size: SudokuSize
  train: number
  test: number
  /**
   * Exact number of givens. Without it, givens are removed until none can go (about 4–6, 8–12 and 22–28 by size).
   * Below about 4, 8 and 22 hardly any puzzle is found in reasonable time, and the call throws.
   */
  clues?: number
  seed?: number
}

/**
 * New puzzles with exactly one solution, all distinct, in two splits that share no solution grid. In 4×4, which has only
 * 288 grids, 15 % of the grids are kept for the test split and many puzzles share a grid; otherwise each puzzle has its own.
 * Throws when the sizes ask for more distinct puzzles, or fewer clues, than can be found.
 */
export function generateSudoku({ size, train, test, clues, seed = 0 }: GenerateSudokuOptions): { train: Dataset; test: Dataset } {
  const { cells } = layoutOf(size)
  checkCount('train', train, 1)
  checkCount('test', test, 1)
  if (clues !== undefined && !(Number.isInteger(clues) && clues >= fewestClues[size] && clues < cells)) {
    throw new Error(`sudoku: expected ${fewestClues[size]} … ${cells - 1} clues for size ${size}, got ${clues} — fewer never give one solution`)
  }
  const random = new Random(seed)
  const blank = new Uint8Array(cells)
  // Draws solution grids for one split that are not in the other.
  let gridsOf: (split: 'train' | 'test') => Uint8Array
  if (size === 4) {
    const all: Uint8Array[] = []
    search(blank, 4, { each: grid => all.push(grid.slice()) })
    random.shuffle(all)
    const held = Math.round(all.length * 0.15)
    const pools = { test: all.slice(0, held), train: all.slice(held) }
    gridsOf = split => pools[split][random.below(pools[split].length)]
  } else {
    const seen = new Set<string>()
    gridsOf = () => {
      while (true) {
        const grid = blank.slice()
        search(grid, size, { random, each: found => void grid.set(found), limit: 1 })
        const key = grid.join('')
        if (seen.has(key)) continue
        seen.add(key)
        return grid
      }
    }
  }

  const questions = new Set<string>()
  const draw = (split: 'train' | 'test', count: number) => {
    const pairs: SudokuPair[] = []
    const patience = 2000
    let misses = 0
    while (pairs.length < count) {
      const answer = gridsOf(split)
      const question = removeGivens(answer, size, random, clues)
      const key = question?.join('')
      if (question && key && !questions.has(key)) {
        questions.add(key)
        pairs.push({ question: question.map(digit => digit + 1), answer: answer.map(digit => digit + 1) })
        misses = 0
      } else if (++misses > patience) {
        throw new Error(
          `sudoku: expected ${count} distinct ${split} puzzles of size ${size}${clues === undefined ? '' : ` with ${clues} clues`}, ` +
          `found ${pairs.length} and then none in ${patience} tries — ask for fewer puzzles or more clues`,
        )
      }
    }
    return sudokuDataset(pairs, { augment: 0, random })
  }
  const testSplit = draw('test', test)
  return { train: draw('train', train), test: testSplit }
}

/**
 * The solutions of a grid of tokens (blanks are 1), at most `limit` of them, in the order of the search. [] when there is
 * none or the grid already breaks a rule. Exact: depth first, always the cell with the fewest candidates.
 */
export function solveSudoku(ids: ArrayLike<number>, size: SudokuSize, limit = 2): Uint8Array[] {
  if (sudokuViolations(ids, size).length > 0) return []
  const solutions: Uint8Array[] = []
  search(Uint8Array.from(ids, id => id - 1), size, { limit, each: grid => void solutions.push(grid.map(digit => digit + 1)) })
  return solutions
}

interface SudokuPair {
  question: Uint8Array
  answer: Uint8Array
}

function layout(size: SudokuSize, boxRows: number, boxColumns: number): Layout {
  const boxes = Uint8Array.from({ length: size * size }, (_, cell) =>
    Math.floor(Math.floor(cell / size) / boxRows) * (size / boxColumns) + Math.floor(cell % size / boxColumns))
  return { size, boxRows, boxColumns, cells: size * size, boxes }
}

function layoutOf(size: SudokuSize): Layout {
  const found = layouts[size]
  if (!found) throw new Error(`sudoku: expected size 4, 6 or 9, got ${size}`)
  return found
}

function parseRow({ question, answer, line }: PuzzleRow, cells: number, name: string): SudokuPair {
  const fail = (message: string): never => {
    throw new Error(`${name}:${line}: ${message}`)
  }
  const encode = (text: string, what: string): Uint8Array => {
    if (text.length !== cells) fail(`expected ${cells} characters in the ${what}, as in the first puzzle, got ${text.length}`)
    try {
      return encodeSudoku(text)
    } catch (error) {
      return fail(`${what}: ${(error as Error).message}`)
    }
  }
  const pair = { question: encode(question, 'question'), answer: encode(answer, 'answer') }
  const size = sudokuSizeOf(cells)
  const blank = pair.answer.indexOf(1)
  if (blank >= 0) fail(`expected an answer without blanks, got one at character ${blank + 1}`)
  const [violation] = sudokuViolations(pair.answer, size, pair.question)
  if (violation) fail(`expected an answer that solves the question, got one that does not: ${describeSudokuViolation(violation, size)}`)
  return pair
}

function sudokuDataset(pairs: SudokuPair[], { augment, random }: { augment: number; random: Random }): Dataset {
  const cells = pairs[0].question.length
  const size = sudokuSizeOf(cells)
  const groupSize = 1 + augment
  if (pairs.length * groupSize * cells > 2 ** 31) throw new Error(`sudoku: expected at most 2^31 cells, got ${pairs.length} puzzles × ${groupSize} — lower augment or subsample`)
  const inputs = new Uint8Array(pairs.length * groupSize * cells)
  const labels = new Int8Array(inputs.length)
  let offset = 0
  for (const { question, answer } of pairs) {
    for (let copy = 0; copy < groupSize; copy++) {
      const shuffle = copy > 0 ? drawSudokuShuffle(size, random) : undefined
      inputs.set(shuffle ? applySudokuShuffle(question, shuffle) : question, offset)
      labels.set(shuffle ? applySudokuShuffle(answer, shuffle) : answer, offset)
      offset += cells
    }
  }
  return singleExampleDataset({ inputs, labels, seqLen: cells, vocabSize: sudokuVocabSize(size), groupSize })
}

/** Removes givens (digits) in random order while the solution stays unique; undefined when `clues` was not reached. */
function removeGivens(answer: Uint8Array, size: SudokuSize, random: Random, clues?: number): Uint8Array | undefined {
  const question = answer.slice()
  let left = answer.length
  for (const cell of random.permutation(answer.length)) {
    if (left === clues) break
    const digit = question[cell]
    question[cell] = 0
    // Unique as long as no solution has another digit here.
    if (search(question, size, { limit: 1, except: { cell, digit } }) > 0) question[cell] = digit
    else left--
  }
  return clues === undefined || left === clues ? question : undefined
}

interface SearchOptions {
  /** Called with each solution, in an array that is used again. */
  each?: (digits: Uint8Array) => void
  limit?: number
  /** Try digits in random order. */
  random?: Random
  /** Solutions must not have this digit in this (blank) cell. */
  except?: { cell: number; digit: number }
}

/** Counts the solutions of a grid of digits without contradictions (0 is blank), up to `limit`. */
function search(start: Uint8Array, size: SudokuSize, { each, limit = Infinity, random, except }: SearchOptions): number {
  const { cells, boxes } = layoutOf(size)
  const full = 2 ** size - 1
  const digits = start.slice()
  const rows = new Uint16Array(size)
  const columns = new Uint16Array(size)
  const boxed = new Uint16Array(size)
  const open = new Uint8Array(cells)
  let depthTotal = 0
  for (let cell = 0; cell < cells; cell++) {
    if (digits[cell] === 0) open[depthTotal++] = cell
    else flip(cell, 1 << (digits[cell] - 1))
  }
  let found = 0

  function flip(cell: number, bit: number): void {
    rows[(cell / size) | 0] ^= bit
    columns[cell % size] ^= bit
    boxed[boxes[cell]] ^= bit
  }

  function visit(depth: number): void {
    if (depth === depthTotal) {
      found++
      each?.(digits)
      return
    }
    // The open cell with the fewest candidates moves to place `depth`.
    let best = depth
    let bestCount = size + 1
    let candidates = 0
    for (let i = depth; i < depthTotal; i++) {
      const cell = open[i]
      let mask = full & ~(rows[(cell / size) | 0] | columns[cell % size] | boxed[boxes[cell]])
      if (except !== undefined && except.cell === cell) mask &= ~(1 << (except.digit - 1))
      let count = 0
      for (let rest = mask; rest; rest &= rest - 1) count++
      if (count < bestCount) {
        best = i
        bestCount = count
        candidates = mask
        if (count <= 1) break
      }
    }
    if (bestCount === 0) return
    const cell = open[best]
    open[best] = open[depth]
    open[depth] = cell
    while (candidates && found < limit) {
      let bit = candidates & -candidates
      for (let skip = random && bestCount > 1 ? random.below(bestCount) : 0; skip > 0; skip--) {
        const rest = candidates & ~(bit | (bit - 1))
        if (rest) bit = rest & -rest
      }
      candidates &= ~bit
      digits[cell] = 32 - Math.clz32(bit)
      flip(cell, bit)
      visit(depth + 1)
      flip(cell, bit)
    }
    digits[cell] = 0
  }

  visit(0)
  return found
}

function checkCount(name: string, value: number, least: number): void {
  if (!Number.isSafeInteger(value) || value < least) throw new Error(`sudoku: expected ${name} to be a whole number from ${least}, got ${value}`)
}
