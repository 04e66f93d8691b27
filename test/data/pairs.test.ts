// Tables read in pieces give the same as in memory: rows, draws, files; ratings, puzzles without answers, tables that
// change.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type Dataset, writeDataset } from '../../src/data/dataset.js'
import { type PuzzleTableOptions, readPuzzles } from '../../src/data/gather.js'
import { generateMaze, mazeFromRows, mazeKind, decodeMaze } from '../../src/data/maze.js'
import { type PuzzleKind, puzzleDataset, puzzleFiles } from '../../src/data/pairs.js'
import { decodeSudoku, generateSudoku, sudokuFromRows, sudokuKind } from '../../src/data/sudoku.js'
import { parsePuzzleCsv } from '../../src/data/table.js'

/** A table as text: each puzzle of a dataset, with its number as rating. */
function tableOf({ inputs, labels, metadata: { cells } }: Dataset, decode: (ids: ArrayLike<number>) => string): string {
  const rows = Array.from({ length: inputs.length / cells }, (_, i) =>
    [inputs, labels].map(table => decode(table.slice(i * cells, (i + 1) * cells))),
  )
  const lines = rows.map(([question, answer], i) => `s,${question},${answer},${i}\n`)
  return `source,question,answer,rating\n${lines.join('')}`
}

const sudokus = tableOf(generateSudoku({ size: 6, train: 30, test: 1, clues: 15 }).train, decodeSudoku)
const mazes = tableOf(generateMaze({ size: 7, train: 12, test: 1 }).train, decodeMaze)

/** The text in pieces of so many bytes, as often as asked. */
const pieces = (text: string, size = 100) =>
  async function* () {
    const bytes = new TextEncoder().encode(text)
    for (let i = 0; i < bytes.length; i += size) yield bytes.subarray(i, i + size)
  }

const joined = (piece: Uint8Array | Iterable<Uint8Array>) =>
  piece instanceof Uint8Array ? [...piece] : [...piece].flatMap(part => [...part])

test('files from pieces are those of the dataset in memory', async () => {
  const cases: [string, PuzzleKind, Dataset, PuzzleTableOptions][] = []
  for (const options of [
    {},
    { augment: 3, seed: 5 },
    { subsample: 7, augment: 2, seed: 9 },
    { subsample: 99, seed: 1 },
  ]) {
    cases.push([sudokus, sudokuKind, sudokuFromRows(parsePuzzleCsv(sudokus), options), options])
    cases.push([mazes, mazeKind, mazeFromRows(parsePuzzleCsv(mazes), options), options])
  }
  for (const [text, kind, dataset, options] of cases) {
    const expected = writeDataset(dataset, 'train')
    const table = await readPuzzles(pieces(text), kind, options)
    const files = puzzleFiles(table, 'train')
    assert.equal([...files.keys()], [...expected.keys()])
    for (const [path, bytes] of files)
      assert.equal(joined(bytes), [...expected.get(path)!], `${kind.name} ${JSON.stringify(options)} ${path}`)
    assert.equal(puzzleDataset(table), dataset)
  }
})

test('many puzzles, over several chunks and pieces', async () => {
  const [, row] = sudokus.split('\n')
  const text = `source,question,answer,rating\n${`${row}\n`.repeat(9000)}`
  const table = await readPuzzles(pieces(text, 70_000), sudokuKind, {})
  assert.is(table.pairs.length, 9000)
  assert.is(decodeSudoku(table.pairs.question(8999)), row.split(',')[1])
  const { inputs } = puzzleDataset(table)
  for (let i = 0; i < inputs.length; i++) if (inputs[i] !== inputs[i % 36]) assert.unreachable(`cell ${i}`)
})

test('ratings below the least are left out, before anything is drawn', async () => {
  const rows = parsePuzzleCsv(sudokus)
  const hard = rows.filter(({ rating }) => Number(rating) >= 20)
  const options = { subsample: 4, seed: 3 }
  assert.equal(sudokuFromRows(rows, { ...options, minRating: 20 }), sudokuFromRows(hard, options))
  const table = await readPuzzles(pieces(sudokus), sudokuKind, { ...options, minRating: 20 })
  assert.equal([table.counts.usable, table.counts.below], [10, 20])
  assert.equal(puzzleDataset(table), sudokuFromRows(hard, options))
  const refused = (text: string, minRating: number) =>
    readPuzzles(pieces(text), sudokuKind, { name: 't', minRating }).then(
      () => '',
      (error: Error) => error.message,
    )
  assert.is(await refused(sudokus, 99), 't: expected at least one puzzle with a rating from 99, got 30 below')
  assert.match(await refused(sudokus.replace(',3\n', ',hard\n'), 1), /^t:5: expected a number as rating, got "hard"$/)
  assert.match(
    await refused(sudokus.replaceAll(/,\d+\n/g, '\n').replace(',rating', ''), 1),
    new RegExp(
      '^t:1: expected a column of ratings \\(rating, difficulty, backtracks\\), ' +
        'found the columns "source,question,answer"$',
    ),
  )
})

test('puzzles without answers are solved where they have one solution', async () => {
  const rows = parsePuzzleCsv(sudokus)
  const asked = rows.map(row => ({ ...row, answer: '' }))
  assert.equal(sudokuFromRows(asked, { augment: 1 }), sudokuFromRows(rows, { augment: 1 }))
  const lines = asked.map(({ question }) => question)
  const vague = lines[1].replaceAll(/[1-3]/g, '.')
  // No 6 fits into the last cell of the first row, though no rule is broken yet.
  const none = `12345.${'.'.repeat(11)}6${'.'.repeat(18)}`
  const wrong = `66${'.'.repeat(34)}`
  for (const [puzzle, trouble] of [
    [vague, 'with several solutions'],
    [none, 'without a solution'],
    [wrong, 'without a solution, with 2 times 6 in row 1'],
  ]) {
    const text = [...lines.slice(0, 3), puzzle, ...lines.slice(3)].join('\n')
    // Of those that are not drawn only a contradiction is seen.
    for (const subsample of [undefined, 31]) {
      const read = (skipUnsolved: boolean, count = subsample) =>
        readPuzzles(pieces(text), sudokuKind, {
          name: 't',
          subsample: count,
          skipUnsolved,
          hints: { unsolved: ' — a hint' },
        })
      await read(false).then(
        () => assert.unreachable(),
        (error: Error) =>
          assert.is(
            error.message,
            `t:4: expected a puzzle with exactly one solution, as no answer is given, got one ${trouble} — a hint`,
          ),
      )
      const table = await read(true)
      assert.equal(table.counts, { usable: 30, below: 0, solved: 30, unsolved: [4] })
      assert.equal(puzzleDataset(table), sudokuFromRows(rows))
      const drawn = await read(true, 5)
      assert.equal([drawn.counts.solved, drawn.pairs.length], [5, 5])
      assert.equal(puzzleDataset(drawn), sudokuFromRows(rows, { subsample: 5 }))
    }
  }
  const unanswered = mazes.replaceAll(/,[^,]*,\d+\n/g, '\n').replace(',answer,rating', '')
  await readPuzzles(pieces(unanswered), mazeKind, { name: 'm' }).then(
    () => assert.unreachable(),
    (error: Error) =>
      assert.match(
        error.message,
        /^m:1: expected a column of answers \(answer, solution, .*\), found the columns "source,question"$/,
      ),
  )
})

test('questions with other blanks, and as lists', () => {
  const [row] = parsePuzzleCsv(sudokus)
  const same = (question: string) =>
    assert.equal(sudokuFromRows([{ ...row, question }]), sudokuFromRows([row]), question)
  for (const sign of ['0', '*', '_', '-', '?', 'x']) same(row.question.replaceAll('.', sign))
  same(` ${row.question} `)
  same(JSON.stringify([...row.question].map(Number).map(digit => digit || 0)))
  same(row.question.replace(/.{6}/g, '$&\n'))
})

test('files of other kinds are named', async () => {
  const read = (bytes: Uint8Array) =>
    readPuzzles(
      async function* () {
        yield bytes
      },
      sudokuKind,
      { name: 't' },
    ).then(
      () => '',
      (error: Error) => error.message,
    )
  assert.match(
    await read(Uint8Array.of(80, 65, 82, 49, 21, 0, 21)),
    /^t: this is a Parquet file, expected a table \(CSV\)/,
  )
  assert.match(
    await read(new TextEncoder().encode('version https://git-lfs.github.com/spec/v1\noid sha256:1\n')),
    /^t: this is a Git LFS pointer, expected a table/,
  )
  assert.match(await read(new Uint8Array()), /^t: this is an empty file/)
})

test('a table that changes while it is read, and one with too many copies', async () => {
  let pass = 0
  const changing = () => pieces(pass++ ? sudokus.split('\n').slice(0, 20).join('\n') : sudokus)()
  await readPuzzles(changing, sudokuKind, { name: 't', subsample: 25 }).then(
    () => assert.unreachable(),
    (error: Error) => assert.is(error.message, 't: it changed while it was read'),
  )
  await readPuzzles(pieces(sudokus), sudokuKind, { augment: 2 ** 27 }).then(
    () => assert.unreachable(),
    (error: Error) => assert.match(error.message, /fewer than 2\^31 examples/),
  )
})

test.run()
