// Sudoku: text, rules, shuffles, tables, the solver and the generator, for 4×4, 6×6 and 9×9.
import { existsSync, readFileSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { Dataset } from '../../src/data/dataset.js'
import { Random } from '../../src/data/random.js'
import {
  applySudokuShuffle,
  decodeSudoku,
  describeSudokuViolation,
  drawSudokuShuffle,
  encodeSudoku,
  generateSudoku,
  invertSudokuShuffle,
  isSudokuSolved,
  solveSudoku,
  sudokuFromRows,
  sudokuSizeOf,
  sudokuViolations,
  sudokuVocabulary,
  type SudokuSize,
} from '../../src/data/sudoku.js'
import { parsePuzzleCsv } from '../../src/data/table.js'
import { sharedPath } from './shared.js'

const sizes: SudokuSize[] = [4, 6, 9]
const solved: Record<SudokuSize, string> = {
  4: '1234341221434321',
  6: '123456456123231564564231312645645312',
  9: '694152873713684952852739416187526349269413785435978621341267598576891234928345167',
}
const question9 = '6......7........5285.7..4.61....6..9.....3...43..78.....1.6.5....68.12...2834....'
const rowOf = (question: string, answer: string, line = 2) => ({ source: 's', question, answer, rating: '0', line })
const gridsOf = (values: ArrayLike<number>, cells: number) =>
  Array.from({ length: values.length / cells }, (_, i) => Uint8Array.from(values).slice(i * cells, (i + 1) * cells))

test('tokens are digit + 1, blanks 1, the vocabulary is size + 2', () => {
  assert.equal([...encodeSudoku('1.304.....0....4')], [2, 1, 4, 1, 5, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 5])
  for (const size of sizes) {
    assert.is(decodeSudoku(encodeSudoku(solved[size])), solved[size])
    assert.is(sudokuVocabulary(size), size + 2)
    assert.is(sudokuSizeOf(size * size), size)
  }
  assert.is(decodeSudoku([0, 1, 2, 10, 11, -100]), '?.19??')
  assert.throws(() => encodeSudoku('123'), /expected 16, 36 or 81 cells, got 3/)
  assert.throws(() => encodeSudoku('12345'.padEnd(16, '.')), /digits 1 … 4, '.' or '0', got "5" at character 5/)
  assert.throws(() => encodeSudoku('x'.padEnd(81, '.')), /got "x" at character 1/)
  assert.throws(() => sudokuVocabulary(5 as SudokuSize), /expected size 4, 6 or 9, got 5/)
})

test('violations name unit, digit and cells', () => {
  for (const size of sizes) {
    const ids = encodeSudoku(solved[size])
    assert.equal(sudokuViolations(ids, size), [])
    assert.is(isSudokuSolved(ids, size), true)
    // Any two cells of a solved grid that swap different digits break some rule.
    const random = new Random(size)
    for (let i = 0; i < 50; i++) {
      const wrong = ids.slice()
      const cell = random.below(ids.length)
      wrong[cell] = 2 + ((wrong[cell] - 1) % size)
      const units = sudokuViolations(wrong, size)
      assert.equal(new Set(units.map(({ unit }) => unit)), new Set(['row', 'column', 'box']))
      for (const { cells, digit } of units) {
        assert.is(cells.length, 2)
        assert.ok(cells.includes(cell))
        assert.is(digit, wrong[cell] - 1)
      }
    }
  }
  const grid = encodeSudoku('11..............')
  assert.equal(sudokuViolations(grid, 4), [
    { unit: 'row', index: 0, digit: 1, cells: [0, 1] },
    { unit: 'box', index: 0, digit: 1, cells: [0, 1] },
  ])
  assert.is(describeSudokuViolation(sudokuViolations(grid, 4)[0], 4), '2 times 1 in row 1')
  grid[5] = 0
  grid[0] = 7
  assert.equal(
    sudokuViolations(grid, 4, encodeSudoku('31..............')).map(one => describeSudokuViolation(one, 4)),
    [
      'the given 3 at row 1 column 1 was changed',
      'no digit of 1 … 4 at row 1 column 1',
      'no digit of 1 … 4 at row 2 column 2',
    ],
  )
  assert.is(isSudokuSolved(encodeSudoku('.'.repeat(16)), 4), false)
  assert.throws(() => sudokuViolations(grid, 9), /expected 81 cells for size 9, got 16/)
})

test('the boxes of 6×6 have 2 rows and 3 columns', () => {
  const grid = encodeSudoku('.'.repeat(36))
  grid[0] = grid[8] = 2
  assert.equal(sudokuViolations(grid, 6), [{ unit: 'box', index: 0, digit: 1, cells: [0, 8] }])
  grid[8] = 1
  grid[12 + 3] = grid[18 + 5] = 2
  assert.equal(sudokuViolations(grid, 6), [{ unit: 'box', index: 3, digit: 1, cells: [15, 23] }])
})

test('shuffles keep the rules, have inverses, and keep question and answer together', () => {
  const random = new Random(1)
  for (const size of sizes) {
    const answer = encodeSudoku(solved[size])
    const question = answer.map(id => (random.below(2) ? id : 1))
    const transposed = new Set<boolean>()
    const seen = new Set<string>()
    for (let i = 0; i < 200; i++) {
      const shuffle = drawSudokuShuffle(size, random)
      const [newQuestion, newAnswer] = [applySudokuShuffle(question, shuffle), applySudokuShuffle(answer, shuffle)]
      assert.equal(sudokuViolations(newAnswer, size, newQuestion), [])
      assert.is(newQuestion.filter(id => id > 1).length, question.filter(id => id > 1).length)
      assert.equal(applySudokuShuffle(newAnswer, invertSudokuShuffle(shuffle)), answer)
      assert.equal(
        [...shuffle.tokens].sort((a, b) => a - b),
        Array.from({ length: size + 2 }, (_, token) => token),
      )
      assert.equal([shuffle.tokens[0], shuffle.tokens[1]], [0, 1])
      // Transposed: the first row of the result comes from one column.
      transposed.add(Math.floor(shuffle.map[0] / size) !== Math.floor(shuffle.map[1] / size))
      seen.add(decodeSudoku(newAnswer))
    }
    assert.equal(transposed, new Set(size === 6 ? [false] : [false, true]))
    assert.ok(seen.size > { 4: 60, 6: 100, 9: 195 }[size], `${size}: ${seen.size}`)
  }
})

test('every shuffle of a 4×4 and of a 6×6 Sudoku is drawn', () => {
  // Ways to move the cells: bands, rows within bands, stacks, columns within stacks, transposition of square boxes.
  const moves = { 4: (2 * 2 ** 2) ** 2 * 2, 6: 6 * 2 ** 3 * (2 * 6 ** 2) }
  const random = new Random(8)
  for (const [size, draws] of [
    [4, 3000],
    [6, 60_000],
  ] as const) {
    const [maps, relabellings] = [new Set<string>(), new Set<string>()]
    for (let i = 0; i < draws; i++) {
      const { map, tokens } = drawSudokuShuffle(size, random)
      maps.add(String.fromCharCode(...map))
      relabellings.add(String.fromCharCode(...tokens))
    }
    assert.equal([maps.size, relabellings.size], [moves[size], size === 4 ? 24 : 720])
  }
})

test('a table gives groups of one puzzle and its shuffles', () => {
  const dataset = sudokuFromRows([rowOf(question9, solved[9]), rowOf(solved[9], solved[9])], { augment: 3, seed: 1 })
  const { metadata, inputs, labels } = dataset
  assert.equal(metadata, {
    padId: 0,
    ignoreLabelId: 0,
    blankPuzzleId: 0,
    vocabulary: 11,
    cells: 81,
    puzzles: 1,
    totalGroups: 2,
    meanPuzzleExamples: 1,
    totalPuzzles: 8,
    sets: ['all'],
  })
  assert.equal([...dataset.groupIndices], [0, 4, 8])
  assert.equal([...dataset.puzzleIndices], [0, 1, 2, 3, 4, 5, 6, 7, 8])
  assert.equal([...dataset.puzzleIds], new Array(8).fill(0))
  assert.is(decodeSudoku(inputs.slice(0, 81)), question9)
  gridsOf(inputs, 81).forEach((question, i) => assert.is(isSudokuSolved(gridsOf(labels, 81)[i], 9, question), true))
  assert.equal(
    sudokuFromRows([rowOf(question9, solved[9])], { augment: 3, seed: 1 }),
    sudokuFromRows([rowOf(question9, solved[9])], { augment: 3, seed: 1 }),
  )
  assert.not.equal(
    sudokuFromRows([rowOf(question9, solved[9])], { augment: 3, seed: 2 }),
    sudokuFromRows([rowOf(question9, solved[9])], { augment: 3, seed: 1 }),
  )
})

test('a subsample is drawn without replacement by the seed', () => {
  const rows = Array.from({ length: 16 }, (_, i) =>
    rowOf(solved[4].slice(0, i) + '.' + solved[4].slice(i + 1), solved[4]),
  )
  const draw = (seed: number) => gridsOf(sudokuFromRows(rows, { subsample: 7, seed }).inputs, 16).map(decodeSudoku)
  assert.is(new Set(draw(1)).size, 7)
  assert.equal(draw(1), draw(1))
  assert.not.equal(draw(1), draw(2))
  assert.is(sudokuFromRows(rows, { subsample: 99 }).metadata.totalPuzzles, 16)
})

test('a wrong row is named by file and line', () => {
  const refuse = (question: string, answer: string, pattern: RegExp) =>
    assert.throws(
      () => sudokuFromRows([rowOf(question9, solved[9]), rowOf(question, answer, 3)], { name: 't.csv' }),
      (error: Error) =>
        error.message.startsWith('t.csv:3: ') && pattern.test(error.message) && !error.message.includes('\n'),
    )
  refuse(solved[4], solved[4], /expected 81 characters in the question, as in the first puzzle, got 16/)
  refuse(question9, solved[9] + '1', /81 characters in the answer.* got 82/)
  refuse(question9.replace('6', 'x'), solved[9], /question: .* got "x" at character 1/)
  refuse(question9, solved[9].replace('8', '.'), /answer without blanks, got one at character 7/)
  refuse(question9, '4' + solved[9].slice(1), /the given 6 at row 1 column 1 was changed/)
  refuse('.'.repeat(81), '4' + solved[9].slice(1), /2 times 4 in row 1/)
  assert.throws(() => sudokuFromRows([], { name: 't.csv' }), /t\.csv: expected at least one puzzle/)
  assert.throws(
    () => sudokuFromRows([rowOf('12', '12')], { name: 't.csv' }),
    /t\.csv:2: question: sudoku: expected 16, 36 or 81 cells, got 2/,
  )
  assert.throws(() => sudokuFromRows([rowOf(question9, solved[9])], { augment: -1 }), /augment/)
  assert.throws(() => sudokuFromRows([rowOf(question9, solved[9])], { subsample: 0 }), /subsample/)
})

test('the solver is exact', () => {
  assert.is(solveSudoku(encodeSudoku('.'.repeat(16)), 4, 1000).length, 288)
  assert.equal(solveSudoku(encodeSudoku(question9), 9).map(decodeSudoku), [solved[9]])
  assert.is(solveSudoku(encodeSudoku('.'.repeat(81)), 9, 5).length, 5)
  assert.equal(solveSudoku(encodeSudoku('11'.padEnd(81, '.')), 9), [])
  // No digit is left for the first cell, though no rule is broken yet.
  assert.equal(solveSudoku(encodeSudoku('.123' + '4...' + '....' + '....'), 4), [])
})

test('generated puzzles have one solution, are distinct, and the splits share no solution', () => {
  const cases: { size: SudokuSize; train: number; test: number; clues?: number }[] = [
    { size: 4, train: 3000, test: 500, clues: 5 },
    { size: 4, train: 200, test: 50 },
    { size: 6, train: 100, test: 30, clues: 12 },
    { size: 6, train: 40, test: 20 },
    { size: 9, train: 20, test: 5, clues: 30 },
    { size: 9, train: 8, test: 4 },
  ]
  for (const options of cases) {
    const { size, clues } = options
    const cells = size * size
    const start = performance.now()
    const splits = generateSudoku({ ...options, seed: 7 })
    const time = performance.now() - start
    console.log(
      `${size}×${size}, ${options.train} + ${options.test} puzzles, ${clues ?? 'fewest'} clues: ${time.toFixed(0)} ms`,
    )
    assert.ok(time < 10_000)
    const questions = new Set<string>()
    const answers = { train: new Set<string>(), test: new Set<string>() }
    for (const split of ['train', 'test'] as const) {
      const { inputs, labels, metadata } = splits[split]
      assert.is(metadata.totalGroups, options[split])
      gridsOf(inputs, cells).forEach((question, i) => {
        const answer = gridsOf(labels.subarray(i * cells, (i + 1) * cells), cells)[0]
        questions.add(decodeSudoku(question))
        answers[split].add(decodeSudoku(answer))
        if (clues !== undefined) assert.is(question.filter(id => id > 1).length, clues)
        assert.equal(solveSudoku(question, size), [answer])
      })
    }
    assert.is(questions.size, options.train + options.test)
    for (const answer of answers.test) assert.is(answers.train.has(answer), false)
  }
})

test('without a number of clues no given can be spared', () => {
  const { inputs } = generateSudoku({ size: 6, train: 10, test: 1 }).train
  for (const question of gridsOf(inputs, 36)) {
    question.forEach((id, cell) => {
      if (id === 1) return
      const fewer = question.slice()
      fewer[cell] = 1
      assert.is(solveSudoku(fewer, 6).length, 2)
    })
  }
})

test('the generator depends on the seed alone', () => {
  const make = (seed: number): Dataset => generateSudoku({ size: 6, train: 5, test: 2, seed }).train
  assert.equal(make(1), make(1))
  assert.not.equal(make(1), make(2))
})

test('what cannot be generated is refused, in time', () => {
  assert.throws(() => generateSudoku({ size: 5 as SudokuSize, train: 1, test: 1 }), /size 4, 6 or 9, got 5/)
  assert.throws(
    () => generateSudoku({ size: 4, train: 1, test: 0 }),
    /expected test to be a whole number from 1, got 0/,
  )
  assert.throws(() => generateSudoku({ size: 9, train: 1, test: 1, clues: 16 }), /17 … 80 clues for size 9, got 16/)
  // 43 grids with 16 ways to leave one cell out: 688 puzzles at most.
  assert.throws(
    () => generateSudoku({ size: 4, train: 1, test: 1000, clues: 15 }),
    /expected 1000 distinct test puzzles of size 4 with 15 clues, found 6\d\d/,
  )
})

test('real puzzles: every answer is right, and the solver agrees', () => {
  for (const split of ['train', 'test']) {
    const path = sharedPath(`data/sudoku-extreme-sample/${split}.csv`)
    if (!existsSync(path)) return console.log(`skipped: ${path} is absent`)
    const rows = parsePuzzleCsv(new Uint8Array(readFileSync(path)), path)
    const { metadata, inputs, labels } = sudokuFromRows(rows, { name: path })
    assert.equal([metadata.totalPuzzles, metadata.cells, metadata.vocabulary], [rows.length, 81, 11])
    for (let i = 0; i < 50 * 81; i += 81)
      assert.equal(solveSudoku(inputs.subarray(i, i + 81), 9), [Uint8Array.from(labels.subarray(i, i + 81))])
  }
})

test.run()
