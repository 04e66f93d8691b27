// Sudokus as people write and paste them: signs for blanks, drawn boxes, lists, several in a text, unclear texts.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { mazeViolations, parseMazes, decodeMaze } from '../../src/data/maze.js'
import {
  decodeSudoku,
  encodeSudoku,
  judgeSudoku,
  parseSudokus,
  solveSudoku,
  sudokuContradiction,
} from '../../src/data/sudoku.js'
import { mutations } from '../mutations.js'

const puzzle = '53..7....6..195....98....6.8...6...34..8.3..17...2...6.6....28....419..5....8..79'
const rows: string[] = puzzle.match(/.{9}/g)!
/** Rows 1, 5 and 9 are blank. */
const hollow = ['.........', ...rows.slice(1, 4), '.........', ...rows.slice(5, 8), '.........']
const apart = (row: string) => [...row].join(' ')
const boxes = (row: string) => row.match(/.{3}/g)!
/** Rows with a line before each band but the first. */
const banded = (line: string, write: (row: string) => string, all = rows) =>
  all.map((row, i) => (i && i % 3 === 0 ? `${line}\n` : '') + write(row)).join('\n')
const framed = (line: string, write: (row: string) => string, all = rows) =>
  `${line}\n${banded(line, write, all)}\n${line}`
const numbers = rows.map(row => [...row].map(sign => (sign === '.' ? 0 : Number(sign))))
const spaced = (row: string) => `| ${boxes(row).map(apart).join(' | ')} |`
const tight = (row: string) => boxes(row).join('|')

const read = (text: string) => parseSudokus(text).map(({ ids }) => decodeSudoku(ids))
const refusal = (text: string): string => {
  try {
    parseSudokus(text)
  } catch (error) {
    return (error as Error).message
  }
  throw new Error(`expected a refusal of ${JSON.stringify(text)}`)
}

test('every usual sign for a blank', () => {
  for (const sign of '.0*_-?xX') {
    for (const text of [
      puzzle,
      rows.join('\n'),
      rows.map(apart).join('\r\n'),
      banded('------+-------+------', row => boxes(row).map(apart).join(' | ')),
      banded('-----------', tight),
    ]) {
      assert.equal(read(text.replaceAll('.', sign)), [puzzle], text.replaceAll('.', sign))
    }
    assert.equal(read(hollow.join('\n').replaceAll('.', sign)), [hollow.join('')], sign)
  }
  assert.equal(read(puzzle.replaceAll('.', '·').replace(/\d/g, digit => String.fromCharCode(0xff10 + Number(digit)))), [
    puzzle,
  ])
})

test('drawn boxes, with blanks by a sign or by nothing', () => {
  const drawn = [
    framed('+-------+-------+-------+', spaced),
    framed(`+${'---+'.repeat(9)}`, row => `| ${[...row].join(' | ')} |`),
    rows.map(row => `| ${[...row].join(' | ')} |`).join(`\n|${'---|'.repeat(9)}\n`),
    ` *-----------*\n${banded(' |---+---+---|', row => ` |${tight(row)}|`)}\n *-----------*`,
    framed('-------------------------', spaced),
    banded('------+-------+------', row => boxes(row).map(apart).join(' | ')),
    banded('---+---+---', tight),
  ]
  for (const text of drawn) {
    assert.equal(read(text), [puzzle], text)
    const blank = text.replaceAll('.', ' ')
    assert.equal(read(blank), [puzzle], blank)
    // Editors cut what is blank at the end of a line.
    if (!/\|$/m.test(blank)) assert.equal(read(blank.replace(/ +$/gm, '')), [puzzle], blank)
  }
  assert.equal(
    read(
      '╔═══════╦═══════╦═══════╗\n' +
        banded('╠═══════╬═══════╬═══════╣', row => spaced(row).replaceAll('|', '║')) +
        '\n╚═══════╩═══════╩═══════╝',
    ),
    [puzzle],
  )
  assert.equal(read(framed('+-------+-------+-------+', spaced, hollow).replaceAll('.', ' ')), [hollow.join('')])
})

test('blanks that are drawn as frames are', () => {
  // Rows of nothing but "-" are rows where lines of another length, or with corners, are the frame.
  for (const line of ['-----------', '---+---+---', '---------------'])
    assert.equal(read(banded(line, tight, hollow).replaceAll('.', '-')), [hollow.join('')], line)
  assert.equal(read(framed('*************', row => `|${tight(row)}|`).replaceAll('.', '*')), [puzzle])
  // With the dots as blanks, lines of nine are a frame too.
  assert.equal(read(banded('---------', row => row)), [puzzle])
  assert.match(
    refusal(banded('---------', row => row.replaceAll('.', '-'), hollow)),
    /^sudoku: expected 9 rows of 9 cells, found/,
  )
  // The top and the bottom line are a frame, or the first and the last row of a puzzle.
  assert.equal(read('----\n1---\n-2--\n----'), ['....1....2......'])
  assert.equal(read('----\n1---\n-2--\n---3\n--4-\n----'), ['1....2.....3..4.'])
})

test('spaces, commas and tabs between which nothing is', () => {
  for (const all of [rows, hollow]) {
    const text = all.join('\n').replaceAll('.', ' ')
    assert.equal(read(text), [all.join('')])
    for (const sign of [',', ';', '\t']) {
      assert.equal(
        read(
          all
            .map(row => [...row].join(sign))
            .join('\n')
            .replaceAll('.', ''),
        ),
        [all.join('')],
        JSON.stringify(sign),
      )
      assert.equal(read(all.map(row => [...row].join(sign)).join('\n')), [all.join('')])
    }
  }
  assert.equal(read(rows.join('\n').replaceAll('.', ' ').replace(/ +$/gm, '')), [puzzle])
  assert.equal(read(rows.map(apart).join('\n').replaceAll('.', ' ')), [puzzle])
  assert.equal(read(puzzle.replaceAll('.', ' ')), [puzzle])
  assert.equal(read(rows.map(row => [...row].map(sign => `"${sign === '.' ? '' : sign}"`).join(',')).join('\n')), [
    puzzle,
  ])
})

test('lists', () => {
  for (const text of [
    JSON.stringify(numbers),
    JSON.stringify(numbers.flat()),
    JSON.stringify(numbers, null, 2),
    JSON.stringify(rows),
    JSON.stringify(puzzle),
    JSON.stringify([puzzle]),
    JSON.stringify(numbers.map(row => row.map(digit => digit || null))),
    JSON.stringify(rows.map(row => [...row].map(sign => (sign === '.' ? '' : sign)))),
    JSON.stringify({ puzzle, solution: '1'.repeat(81) }),
    JSON.stringify({ newboard: { grids: [{ value: numbers, solution: numbers, difficulty: 'Easy' }] } }),
    `[${numbers.map(row => `[${row.join(', ')}]`).join(',\n ')}]`.replaceAll('0', 'None'),
    `[[${numbers.map(row => row.join(' ')).join(']\n [')}]]`,
    `{{${numbers.map(row => row.join(', ')).join('},\n{')}}}`,
    `['${rows.map(row => [...row].join("', '")).join("'],\n['")}']`,
    `(${numbers.flat().join(', ')})`,
  ])
    assert.equal(read(text), [puzzle], text)
})

test('one line, several lines, other line ends, comments, headings, names', () => {
  for (const text of [
    `"${puzzle}"`,
    `${puzzle}\n`,
    `${puzzle.slice(0, 50)}\n${puzzle.slice(50)}`,
    rows.join('/'),
    rows.join('\\n'),
    `${rows.join('\r\n')}\r\n`,
    rows.map((row, i) => (i % 3 ? row : `\n${row}`)).join('\n'),
    `# easy: 1 2 3\n${puzzle} # 30 clues`,
    `Grid 01\n${rows.join('\n')}`,
    `0000183b305c ${puzzle} 1.2`,
    `${puzzle};name,7`,
  ])
    assert.equal(read(text), [puzzle], text)
})

test('several in a text, with the lines in which they end', () => {
  for (const [text, lines] of [
    [`${puzzle}\n${hollow.join('')}\n`, [1, 2]],
    [`Grid 01\n${rows.join('\n')}\nGrid 02\n${hollow.join('\n')}\n`, [10, 20]],
    [`${rows.join('\n')}\n\n${hollow.join('\n')}`, [9, 19]],
    [JSON.stringify([puzzle, hollow.join('')]), [1, 1]],
    [`{"puzzle":"${puzzle}"}\n{"puzzle":"${hollow.join('')}"}\n`, [1, 2]],
  ] as const) {
    assert.equal(read(text), [puzzle, hollow.join('')], text)
    assert.equal(
      parseSudokus(text).map(({ line }) => line),
      [...lines],
    )
  }
  assert.equal(
    read(`12${'.'.repeat(14)}\n6${'.'.repeat(35)}`).map(({ length }) => length),
    [16, 36],
  )
})

test('a text without a Sudoku gives an error of one line', () => {
  for (const [text, pattern] of [
    ['', /found none$/],
    ['hello world', /expected a puzzle, digits row by row .*, found none$/],
    ['12345', /expected 16, 36 or 81 cells, got 5$/],
    [puzzle.slice(1), /got 80$/],
    [`${puzzle}1`, /got 82$/],
    [`${puzzle},${puzzle}`, /got 162$/],
    [rows.slice(0, 4).join('\n'), /expected 9 rows of 9 cells, found 4, from line 1 on$/],
    [rows.join('\n').replace('5', ''), /got 80: line 1 has 8, others have 9$/],
    [
      `Grid\n${rows.slice(0, 3).join('\n')}\nGrid\n${rows.join('\n')}`,
      /expected 9 rows of 9 cells, found 3, from line 2 on$/,
    ],
    [puzzle.replace('.', '@'), /got "@" in line 1$/],
    [puzzle.replace('.', '\u001b'), /got "\\u001b" in line 1$/],
    [puzzle.replace('.', '_'), /expected one sign for blanks, got "_" and "\."/],
    ['5'.repeat(16), /expected digits 1 … 4, got 5 in line 1$/],
    ['[1,2,3]', /got 3$/],
    ['{}', /found none$/],
  ] as [string, RegExp][]) {
    assert.match(refusal(text), pattern)
    assert.not.match(refusal(text), /[\n\u001b]/)
  }
})

test('mutations load or give an error of one line', async () => {
  for (const text of [framed('+-------+-------+-------+', spaced), JSON.stringify(numbers), hollow.join('\n')]) {
    await mutations(
      new TextEncoder().encode(text),
      bytes => parseSudokus(new TextDecoder().decode(bytes)),
      /^sudoku: /,
      { count: 60 },
    )
  }
})

test('contradictions with both places, and how many solutions there are', () => {
  const contradiction = (text: string) => sudokuContradiction(encodeSudoku(text), text.length === 16 ? 4 : 9)
  assert.is(contradiction(puzzle), '')
  assert.is(contradiction('1.1.'.padEnd(16, '.')), '2 times 1 in row 1, at row 1 column 1 and row 1 column 3')
  assert.is(contradiction('3.......3'.padEnd(16, '.')), '2 times 3 in column 1, at row 1 column 1 and row 3 column 1')
  assert.is(contradiction('2....2'.padEnd(16, '.')), '2 times 2 in box 1, at row 1 column 1 and row 2 column 2')
  const [solution] = solveSudoku(encodeSudoku(puzzle), 9)
  assert.equal(judgeSudoku(encodeSudoku(puzzle), 9), { verdict: 'one', solution })
  assert.is(judgeSudoku(encodeSudoku(puzzle.replaceAll('7', '.')), 9).verdict, 'several')
  assert.is(judgeSudoku(encodeSudoku('.'.repeat(81)), 9).verdict, 'several')
  assert.is(judgeSudoku(encodeSudoku('.123' + '4...' + '....' + '....'), 4).verdict, 'none')
  assert.is(judgeSudoku(encodeSudoku('11'.padEnd(81, '.')), 9).verdict, 'none')
  // Takes a second.
  const hard = '.....5.8....6.1.43..........1.5........1.6...3.......553.....61........4.........'
  assert.is(judgeSudoku(encodeSudoku(hard), 9, 100).verdict, 'unknown')
})

test('mazes: rows of which an editor cut the end, one in a line, several', () => {
  const maze = ['S  #', ' # #', '   G', '#   ']
  const ids = parseMazes(maze.join(''))[0].ids
  assert.equal(mazeViolations(ids, ids).length > 0, true)
  for (const text of [
    maze.join(''),
    maze.join('\n'),
    `${maze.join('\r\n')}\r\n`,
    maze.map(row => row.trimEnd()).join('\n'),
    `${maze.join('').slice(0, 6)}\n${maze.join('').slice(6)}`,
  ]) {
    assert.equal(
      parseMazes(text, 16).map(found => decodeMaze(found.ids)),
      [maze.join('')],
      text,
    )
  }
  assert.equal(
    parseMazes(`${maze.join('\n')}\n\n${maze.join('\n')}`, 16).map(({ line }) => line),
    [4, 9],
  )
  assert.equal(
    parseMazes(`${maze.join('')}\n${maze.join('')}\n`, 16).map(({ line }) => line),
    [1, 2],
  )
  assert.throws(() => parseMazes(maze.slice(1).join('\n'), 16), /^maze: expected 4 rows of 4 characters, got 3 rows$/)
  assert.throws(() => parseMazes('S  .', 4), /expected characters "# SGo", got "\."/)
})

test.run()
