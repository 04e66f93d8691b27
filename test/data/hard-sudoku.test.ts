// Sudokus as hard as asked for: ratings, few clues, and splits that share no solution up to symmetry.
import { existsSync, readFileSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type Dataset, IGNORE_LABEL } from '../../src/data/dataset.js'
import { generateMaze } from '../../src/data/maze.js'
import { Random } from '../../src/data/random.js'
import {
  applySudokuShuffle,
  drawSudokuShuffle,
  encodeSudoku,
  generateSudoku,
  judgeSudoku,
  rateSudoku,
  solveSudoku,
  sudokuClass,
  type SudokuSize,
} from '../../src/data/sudoku.js'
import { parsePuzzleCsv } from '../../src/data/table.js'
import { sharedPath } from './shared.js'

const easy = encodeSudoku('53..7....6..195....98....6.8...6...34..8.3..17...2...6.6....28....419..5....8..79')
const hard = encodeSudoku('8..........36......7..9.2...5...7.......457.....1...3...1....68..85...1..9....4..')
const rowsOf = (values: ArrayLike<number>, cells: number) =>
  Array.from({ length: values.length / cells }, (_, i) => Uint8Array.from(values).slice(i * cells, (i + 1) * cells))
const puzzlesOf = ({ inputs, labels, metadata }: Dataset) => {
  const answers = rowsOf(labels, metadata.cells)
  return rowsOf(inputs, metadata.cells).map((question, i) => ({ question, answer: answers[i] }))
}

test('a rating counts guesses: none for an easy puzzle, many for a hard one, at most one more than asked for', () => {
  assert.is(rateSudoku(easy, 9), 0)
  const rating = rateSudoku(hard, 9)
  assert.ok(rating > 10, `${rating}`)
  assert.is(rateSudoku(hard, 9, 5), 6)
  assert.is(rateSudoku(hard, 9, rating), rating)
  assert.is(rateSudoku(encodeSudoku('1..............4'), 4, 0) > 0, true)
  const contradicting = easy.slice()
  contradicting[2] = 6
  assert.throws(() => rateSudoku(contradicting, 9), /expected a puzzle with a solution to rate, got none/)
})

test('ratings are on the scale of the published ones', () => {
  const path = sharedPath('data/sudoku-extreme-sample/test.csv')
  if (!existsSync(path)) return console.log(`skipped: ${path} is absent`)
  const rows = parsePuzzleCsv(new Uint8Array(readFileSync(path)), path).slice(0, 100)
  const ratings = rows.map(({ question }) => rateSudoku(encodeSudoku(question), 9))
  const mean = ratings.reduce((sum, rating) => sum + rating, 0) / ratings.length
  // The paper of HRM gives 22 backtracks on average.
  assert.ok(mean > 18 && mean < 28, `${mean}`)
})

test('generated puzzles have the ratings and clues that were asked for', () => {
  for (const options of [
    { minRating: 2, maxRating: 6 },
    { maxRating: 0, clues: 26 },
    { minRating: 0, clues: 21 },
  ]) {
    const { minRating = 0, maxRating = Infinity, clues } = { clues: undefined, ...options }
    const { train, test } = generateSudoku({ size: 9, train: 1, test: 1, seed: 4, ...options })
    for (const { question, answer } of [...puzzlesOf(train), ...puzzlesOf(test)]) {
      const { verdict, solution } = judgeSudoku(question, 9)
      assert.is(verdict, 'one')
      assert.equal(solution, answer)
      const rating = rateSudoku(question, 9)
      assert.ok(rating >= minRating && rating <= maxRating, `${rating}`)
      if (clues !== undefined) assert.is(question.filter(id => id > 1).length, clues)
    }
    assert.equal(generateSudoku({ size: 9, train: 1, test: 1, seed: 4, ...options }), { train, test })
  }
})

test('numbers of givens are drawn evenly between two bounds', () => {
  const { train } = generateSudoku({ size: 6, train: 300, test: 1, clues: 12, maxClues: 14, seed: 2 })
  const counts = new Map<number, number>()
  for (const { question } of puzzlesOf(train)) {
    const clues = question.filter(id => id > 1).length
    counts.set(clues, (counts.get(clues) ?? 0) + 1)
  }
  assert.equal([...counts.keys()].sort(), [12, 13, 14])
  for (const count of counts.values()) assert.ok(count > 70 && count < 130, `${count}`)
})

test('no puzzle has a solution that is to be avoided', () => {
  const known = generateSudoku({ size: 4, train: 2000, test: 1, clues: 8, seed: 0 }).train
  const solutions = (dataset: Dataset) => puzzlesOf(dataset).map(({ answer }) => answer.join(''))
  const before = new Set(solutions(known))
  const options = { size: 4, train: 100, test: 50, clues: 8, seed: 1 } as const
  assert.ok(solutions(generateSudoku(options).train).some(solution => before.has(solution)))
  const made = generateSudoku({ ...options, avoid: [known] })
  for (const dataset of [made.train, made.test])
    for (const solution of solutions(dataset)) assert.not.ok(before.has(solution))
  const apart = generateSudoku({ size: 6, train: 3, test: 2, apart: true, seed: 3 })
  const others = generateSudoku({ size: 6, train: 3, test: 2, apart: true, seed: 4, avoid: [apart.train] })
  const classes = (dataset: Dataset) => puzzlesOf(dataset).map(puzzle => sudokuClass(puzzle.answer, 6))
  const taken = new Set(classes(apart.train))
  for (const own of [...classes(others.train), ...classes(others.test)]) assert.not.ok(taken.has(own))
})

test('a class is that of a grid in all its forms, and of no other', () => {
  const random = new Random(3)
  for (const size of [4, 6, 9] as const) {
    const grids = solveSudoku(new Uint8Array(size * size).fill(1), size, size === 9 ? 2 : 288)
    for (const grid of grids.slice(0, size === 9 ? 1 : 5))
      for (let i = 0; i < 3; i++) {
        const form = applySudokuShuffle(grid, drawSudokuShuffle(size, random))
        assert.is(sudokuClass(form, size), sudokuClass(grid, size))
      }
    if (size === 4) assert.is(new Set(grids.map(grid => sudokuClass(grid, size))).size, 2)
  }
})

test('splits that are apart share no solution up to symmetry', () => {
  const counts: [SudokuSize, number, number][] = [
    [4, 30, 10],
    [6, 20, 10],
    [9, 3, 2],
  ]
  for (const [size, train, test] of counts) {
    const made = generateSudoku({ size, train, test, apart: true, seed: 1 })
    const classes = (dataset: Dataset) => puzzlesOf(dataset).map(({ answer }) => sudokuClass(answer, size))
    const known = new Set(classes(made.train))
    assert.is(classes(made.train).length, train)
    assert.is(classes(made.test).length, test)
    for (const own of classes(made.test)) assert.not.ok(known.has(own))
  }
})

test('wishes that cannot be met are refused', () => {
  assert.throws(
    () => generateSudoku({ size: 9, train: 1, test: 1, minRating: 5, maxRating: 4 }),
    /expected maxRating to be a whole number from 5, got 4/,
  )
  assert.throws(
    () => generateSudoku({ size: 9, train: 1, test: 1, minRating: -1 }),
    /expected minRating to be a whole number from 0, got -1/,
  )
  assert.throws(
    () => generateSudoku({ size: 4, train: 1, test: 1, minRating: 50 }),
    /1 distinct test puzzles of size 4 with a rating from 50, found 0 and then none in 40 searches — ask for/,
  )
  assert.throws(
    () => generateSudoku({ size: 9, train: 1, test: 1, maxClues: 30 }),
    /expected clues, the fewest, beside maxClues 30/,
  )
  assert.throws(
    () => generateSudoku({ size: 9, train: 1, test: 1, clues: 31, maxClues: 30 }),
    /expected 31 … 80 as the most clues for size 9, got 30/,
  )
  const all = generateSudoku({ size: 4, train: 2000, test: 1000, clues: 8, seed: 0 })
  assert.throws(
    () => generateSudoku({ size: 4, train: 1, test: 1, clues: 8, avoid: [all.train, all.test] }),
    /found 0 and then none in 40 searches — ask for fewer puzzles or fewer solutions to avoid or more clues/,
  )
  const mazes = generateMaze({ size: 9, train: 1, test: 1 }).train
  assert.throws(
    () => generateSudoku({ size: 9, train: 1, test: 1, avoid: [mazes] }),
    /expected puzzles of 81 cells and 11 tokens to avoid, got some of 81 cells and 6 tokens/,
  )
  const unlabelled = { ...all.train, labels: all.train.labels.map(() => IGNORE_LABEL) }
  assert.throws(
    () => generateSudoku({ size: 4, train: 1, test: 1, avoid: [unlabelled] }),
    /expected whole solutions to avoid, got one with blanks — give puzzles with their answers/,
  )
  assert.throws(
    () => generateSudoku({ size: 9, train: 1, test: 1, avoid: [all.train] }),
    /expected puzzles of 81 cells and 11 tokens to avoid, got some of 16 cells and 6 tokens — give/,
  )
})

test.run()
