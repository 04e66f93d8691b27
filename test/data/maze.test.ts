// Mazes: text, shortest paths, tables with symmetries, and the generator.
import { existsSync, readFileSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { Dataset } from '../../src/data/dataset.js'
import { DIHEDRAL_INVERSE, dihedralMap, dihedralTransform } from '../../src/data/dihedral.js'
import {
  answerMaze,
  decodeMaze,
  encodeMaze,
  generateMaze,
  mazeFromRows,
  mazeViolations,
  shortestMazePath,
} from '../../src/data/maze.js'
import { parsePuzzleCsv } from '../../src/data/table.js'
import { sharedPath } from './shared.js'

const question = 'S  ##' + '# #  ' + '    #' + ' ## G' + '     '
const rowOf = (question: string, answer: string, line = 2) => ({ source: 's', question, answer, rating: '0', line })
const violations = (q: string, a: string) => mazeViolations(encodeMaze(q), encodeMaze(a))
// S at the top left, G at the bottom right; two shortest paths around the wall in the middle.
const ring = 'S   ' + ' ## ' + ' ## ' + '   G'
const over = 'Sooo' + ' ##o' + ' ##o' + '   G'

test('tokens are places in "# SGo" + 1', () => {
  assert.equal([...encodeMaze('# SG' + 'o###' + '    ' + '    ').slice(0, 5)], [1, 2, 3, 4, 5])
  assert.is(decodeMaze(encodeMaze(question)), question)
  assert.is(decodeMaze([0, 1, 6, -100]), '?#??')
  assert.throws(() => encodeMaze('# S'), /expected a square grid, got 3 cells/)
  assert.throws(() => encodeMaze('#x  '), /characters "# SGo", got "x" at character 2/)
})

test('answers are judged against the shortest path', () => {
  assert.is(shortestMazePath(encodeMaze(ring)), 6)
  assert.equal(violations(ring, over), [])
  assert.equal(violations(ring, 'S   ' + 'o## ' + 'o## ' + 'oooG'), [])
  assert.equal(violations(ring, ring), ['the marked cells do not join S and G'])
  assert.equal(violations(ring, 'Sooo' + 'o##o' + ' ##o' + '   G'), ['6 cells are marked, the shortest path has 5'])
  assert.equal(violations(ring, 'Sooo' + ' #oo' + ' ##o' + '   G'), ["'o' instead of '#' at row 2 column 3"])
  assert.match(violations(ring, 'Sooo' + ' ##o' + ' ##o' + '   o').join(), /'o' instead of 'G' at row 4 column 4/)
  const long = 'S #G' + '    ' + '    ' + '    '
  assert.equal(violations(long, 'So#G' + ' ooo' + '    ' + '    '), [])
  assert.equal(violations(long, 'S #G' + 'o  o' + 'oooo' + '    '), ['the marked path has 7 steps, the shortest has 5'])
  assert.equal(violations('S#' + '#G', 'S#' + '#G'), ['no path exists'])
  assert.equal(violations('SG' + '##', 'SG' + '##'), [])
  assert.throws(() => violations('S ' + '##', 'S ' + '##'), /expected one G, got 0/)
  assert.throws(() => violations('SG' + 'S#', 'SG' + 'S#'), /expected one S, got 2/)
  assert.throws(() => violations(ring, 'SG##'), /expected an answer of 16 cells, got 4/)
})

test('a table gives groups of one maze and its symmetries', () => {
  const { metadata, inputs, labels, groupIndices } = mazeFromRows([rowOf(ring, over), rowOf(ring, over)], {
    augment: 7,
  })
  assert.equal([metadata.vocabulary, metadata.cells, metadata.totalPuzzles, metadata.totalGroups], [6, 16, 16, 2])
  assert.equal([...groupIndices], [0, 8, 16])
  for (let id = 0; id < 8; id++) {
    const cells = inputs.slice(id * 16, (id + 1) * 16)
    assert.is(decodeMaze(dihedralTransform({ cells, rows: 4, columns: 4 }, DIHEDRAL_INVERSE[id]).cells), ring)
    assert.equal(mazeViolations(cells, labels.slice(id * 16, (id + 1) * 16)), [])
  }
  assert.is(mazeFromRows([rowOf(ring, over), rowOf(ring, over)], { subsample: 1 }).metadata.totalPuzzles, 1)
})

test('a wrong row is named by file and line', () => {
  const refuse = (q: string, a: string, pattern: RegExp) =>
    assert.throws(
      () => mazeFromRows([rowOf(ring, over), rowOf(q, a, 3)], { name: 'm.csv' }),
      (error: Error) =>
        error.message.startsWith('m.csv:3: ') && pattern.test(error.message) && !error.message.includes('\n'),
    )
  refuse(question, question, /expected 16 characters in the question, as in the first maze, got 25/)
  refuse(ring, over + ' ', /16 characters in the answer/)
  refuse(ring.replace('#', '?'), over, /got "\?" at character 6/)
  refuse(over, over, /without a marked path/)
  refuse(ring, ring, /do not join S and G/)
  refuse(ring.replace('S', ' '), over, /expected one S, got 0/)
  assert.throws(() => mazeFromRows([rowOf(ring, over)], { augment: 8 }), /augment to be 0 … 7, got 8/)
  assert.throws(() => mazeFromRows([]), /at least one maze/)
})

test('generated mazes have one path, which the answer marks; none occurs twice', () => {
  for (const [size, train, count, rooms] of [
    [5, 60, 20],
    [6, 60, 20],
    [11, 40, 10],
    [30, 20, 5],
    [7, 60, 20, true],
    [15, 20, 5, true],
  ] as [number, number, number, boolean?][]) {
    const splits = generateMaze({ size, rooms, train, test: count, seed: 3 })
    const cells = size * size
    const seen = new Set<string>()
    for (const { inputs, labels } of [splits.train, splits.test]) {
      for (let i = 0; i < inputs.length; i += cells) {
        const [maze, path] = [inputs.slice(i, i + cells), labels.slice(i, i + cells)]
        assert.equal(mazeViolations(maze, path), [])
        // A connected grid with one edge less than cells is a tree: no second path exists.
        const open = (cell: number) => maze[cell] !== 1
        let [nodes, edges] = [0, 0]
        for (let cell = 0; cell < cells; cell++) {
          if (!open(cell)) continue
          nodes++
          if (cell % size < size - 1 && open(cell + 1)) edges++
          if (cell + size < cells && open(cell + size)) edges++
        }
        assert.is(edges, nodes - 1)
        const roomCount = ((size - 1) / 2) ** 2
        if (rooms) assert.is(nodes, 2 * roomCount - 1)
        else assert.ok(nodes > cells / 3)
        for (let cell = 0; rooms && cell < cells; cell++) {
          const [row, column] = [Math.floor(cell / size), cell % size]
          if (row % 2 && column % 2) assert.ok(open(cell), 'a room')
          else if (row % 2 === column % 2 || row === 0 || column === 0 || row === size - 1 || column === size - 1)
            assert.not.ok(open(cell), 'a wall')
        }
        for (let id = 0; id < 8; id++)
          assert.is(
            seen.has(decodeMaze(dihedralTransform({ cells: maze, rows: size, columns: size }, id).cells)),
            false,
          )
        seen.add(decodeMaze(maze))
      }
    }
    assert.is(seen.size, train + count)
  }
  assert.equal(
    generateMaze({ size: 6, train: 3, test: 1, seed: 1 }),
    generateMaze({ size: 6, train: 3, test: 1, seed: 1 }),
  )
})

test('no maze is one of those to avoid, not even turned or mirrored', () => {
  const keys = ({ inputs }: Dataset) => Array.from({ length: inputs.length / 25 }, (_, i) => keyOf(inputs, i))
  const keyOf = (inputs: ArrayLike<number>, row: number) =>
    Array.from({ length: 8 }, (_, id) =>
      Array.from(dihedralMap(5, 5, id), cell => inputs[25 * row + cell]).join(''),
    ).sort()[0]
  const known = generateMaze({ size: 5, rooms: true, train: 5, test: 1, seed: 0 }).train
  const before = new Set(keys(known))
  const options = { size: 5, rooms: true, train: 6, test: 2, seed: 1 }
  assert.ok(keys(generateMaze(options).train).some(key => before.has(key)))
  const made = generateMaze({ ...options, avoid: [known] })
  for (const key of [...keys(made.train), ...keys(made.test)]) assert.not.ok(before.has(key))
  assert.throws(
    () => generateMaze({ ...options, size: 7, avoid: [known] }),
    /expected puzzles of 49 cells and 6 tokens to avoid, got some of 25 cells and 6 tokens — give/,
  )
})

test('hard mazes have loops, long paths, and the answer that the published rule picks', () => {
  for (const { size, minPath } of [{ size: 30 }, { size: 12, minPath: 20 }]) {
    const { train, test } = generateMaze({ size, minPath, hard: true, train: 3, test: 1, seed: 2 })
    const cells = size * size
    for (const { inputs, labels } of [train, test])
      for (let at = 0; at < inputs.length; at += cells) {
        const question = inputs.slice(at, at + cells)
        const walls = question.filter(id => id === 1).length / cells
        assert.ok(walls > 0.31 && walls < 0.43, `${walls}`)
        assert.ok(shortestMazePath(question) >= (minPath ?? 109))
        assert.equal([...answerMaze(question)], [...labels.slice(at, at + cells)])
        assert.equal(mazeViolations(question, labels.slice(at, at + cells)), [])
      }
  }
  const { train } = generateMaze({ size: 9, minPath: 20, train: 5, test: 1 })
  for (let i = 0; i < 5; i++) assert.ok(shortestMazePath(train.inputs.slice(81 * i, 81 * (i + 1))) >= 20)
})

test('of several shortest paths the answer prefers a step down, then left, right, up', () => {
  assert.is(decodeMaze(answerMaze(encodeMaze(ring))), 'S   ' + 'o## ' + 'o## ' + 'oooG')
  assert.is(decodeMaze(answerMaze(encodeMaze('  S' + '   ' + 'G  '))), '  S' + '  o' + 'Goo')
  assert.throws(() => answerMaze(encodeMaze('S##' + '###' + '##G')), /expected a path from S to G, got none/)
})

test('wrong sizes are refused', () => {
  assert.throws(
    () => generateMaze({ size: 9, hard: true, rooms: true, train: 1, test: 1 }),
    /expected rooms or hard mazes, got both/,
  )
  assert.throws(
    () => generateMaze({ size: 6, hard: true, minPath: 30, train: 1, test: 1 }),
    /shortest path of at least 30 steps at size 6, found none in 5000 mazes/,
  )

  assert.throws(() => generateMaze({ size: 4, train: 1, test: 1 }), /size that is a whole number from 5, got 4/)
  assert.throws(
    () => generateMaze({ size: 8, rooms: true, train: 1, test: 1 }),
    /expected an odd size for rooms between walls, got 8/,
  )
  assert.throws(() => generateMaze({ size: 5, train: 0, test: 1 }), /expected train to be a whole number from 1/)
})

test('real mazes: every answer is a shortest path, the one that answerMaze marks', () => {
  for (const split of ['train', 'test']) {
    const path = sharedPath(`data/maze-30x30-hard/${split}.csv`)
    if (!existsSync(path)) return console.log(`skipped: ${path} is absent`)
    const rows = parsePuzzleCsv(new Uint8Array(readFileSync(path)), path)
    const { metadata } = mazeFromRows(rows, { name: path })
    for (const { question, answer } of rows.slice(0, 100))
      assert.is(decodeMaze(answerMaze(encodeMaze(question))), answer)
    assert.equal([metadata.totalPuzzles, metadata.cells, metadata.vocabulary], [rows.length, 900, 6])
  }
})

test.run()
