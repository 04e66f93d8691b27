// What a training in the page learns from: generated puzzles or a table, always with puzzles held out.
import { Random, type Dataset } from '../src/data/index.js'
import { mazeFromRows, generateMaze } from '../src/data/maze.js'
import { generateSudoku, sudokuFromRows } from '../src/data/sudoku.js'
import { parsePuzzleCsv } from '../src/data/table.js'
import type { PuzzleRequest, TrainingSetup } from './protocol.js'
import type { StoredData } from './storage.js'
import { puzzlesOf } from './training-tasks.js'

/** Puzzles to learn from, and puzzles held out to measure with. */
export interface TrainingData {
  train: Dataset
  test: Dataset
}

/** Most rows of a table that are held out, and their share at most. */
const [HELD_OUT, SHARE] = [500, 0.1]

/**
 * The same setup always gives the same puzzles.
 * @param few only so many generated puzzles, to measure with
 * @throws one line when the table is broken or too small
 */
export function trainingData({ data, seed }: TrainingSetup, table?: StoredData, few?: number): TrainingData {
  if ('task' in data) {
    const { task, size } = data
    const counts = few === undefined ? {} : { train: few, test: 1 }
    return task === 'sudoku'
      ? generateSudoku({ size: size as 4 | 6 | 9, ...puzzlesOf(data), ...counts, seed })
      : generateMaze({ size, ...puzzlesOf(data), ...counts, seed })
  }
  if (!table) throw new Error(`train: the table ${data.file} is not here — open it again`)
  return dataOfTable(table, seed)
}

/** Splits a table: a tenth of its rows, 500 at most, drawn at random, is held out. */
function dataOfTable({ bytes, name }: StoredData, seed: number): TrainingData {
  const rows = parsePuzzleCsv(bytes, name)
  if (rows.length < 10)
    throw new Error(`${name}: expected at least 10 puzzles, got ${rows.length} — some are held out to measure with`)
  const isMaze = /[SG]/.test(rows[0].question)
  const order = new Random(seed).permutation(rows.length)
  const heldOut = Math.min(HELD_OUT, Math.floor(rows.length * SHARE))
  const split = (from: number, to?: number) => {
    const chosen = Array.from(order.subarray(from, to), row => rows[row])
    return isMaze ? mazeFromRows(chosen, { name }) : sudokuFromRows(chosen, { name })
  }
  return { test: split(0, heldOut), train: split(heldOut) }
}

/** Token ids of one new puzzle. */
export function newPuzzle({ task, size, clues, rooms, seed }: PuzzleRequest): number[] {
  const counts = { train: 1, test: 1 }
  const { test } =
    task === 'sudoku'
      ? generateSudoku({ size: size as 4 | 6 | 9, ...counts, clues: clues ?? puzzlesOf({ task, size }).clues, seed })
      : generateMaze({ size, rooms, ...counts, seed })
  return Array.from(test.inputs)
}
