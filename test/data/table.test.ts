// Puzzle tables as people have them: names of columns, delimiters, no header, lines of puzzles, unusable tables.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type ColumnNames, parsePuzzleCsv, type PuzzleRow, TableReader } from '../../src/data/table.js'
import { mutations } from '../mutations.js'

const question = '12......3.1...4.'
const answer = '1234341221434321'
const pair = ({ question, answer, rating }: PuzzleRow) => [question, answer, rating]
const first = (text: string, asked?: ColumnNames) => pair(parsePuzzleCsv(text, 't', asked)[0])

test('rows with line numbers; blanks inside cells are kept', () => {
  assert.equal(parsePuzzleCsv('source,question,answer,rating\nx,  # ,ooo ,3\n\n"a,b","q ""1""",z,\n'), [
    { source: 'x', question: '  # ', answer: 'ooo ', rating: '3', line: 2 },
    { source: 'a,b', question: 'q "1"', answer: 'z', rating: '', line: 4 },
  ])
  const text = '\ufeffrating,note,answer,question,source\r\n5,n,A,Q,S\r\n'
  for (const input of [text, new TextEncoder().encode(text)])
    assert.equal(parsePuzzleCsv(input), [{ source: 'S', question: 'Q', answer: 'A', rating: '5', line: 2 }])
  assert.equal(parsePuzzleCsv('source,question,answer,rating\n'), [])
})

test('the names that are in use', () => {
  for (const [header, cells, expected] of [
    ['question,answer,backtracks', [question, answer, '7'], [question, answer, '7']],
    ['quizzes,solutions', [question, answer], [question, answer, '']],
    ['puzzle,solution,clues,difficulty', [question, answer, '5', '2.2'], [question, answer, '2.2']],
    ['id,puzzle,solution,clues,difficulty', ['1', question, answer, '5', '0.0'], [question, answer, '0.0']],
    ['Puzzle,Solution', [question, answer], [question, answer, '']],
    [' QUESTION , Answer , Rating ', [question, answer, '1'], [question, answer, '1']],
    ['input,output', [question, answer], [question, answer, '']],
    ['"quiz","solution"', [question, answer], [question, answer, '']],
    ['puzzle', [question], [question, '', '']],
    // The official name counts where others are there too.
    ['puzzle,question,answer', ['11', question, answer], [question, answer, '']],
    ['difficulty,rating,question,answer', ['hard', '3', question, answer], [question, answer, '3']],
  ] as [string, string[], string[]][]) {
    for (const delimiter of [',', ';', '\t'])
      assert.equal(
        first([header.replaceAll(',', delimiter), cells.join(delimiter)].join('\n')),
        expected,
        `${header} with ${delimiter}`,
      )
  }
})

test('other names, or numbers, on demand', () => {
  const text = `board_q;board_a;x\n${question};${answer};9\n`
  assert.equal(first(text, { question: 'board_q', answer: 'board_a', rating: 'x' }), [question, answer, '9'])
  assert.equal(first(text, { question: '1', answer: '2' }), [question, answer, ''])
  assert.equal(first(text, { question: 'board_q' }), [question, '', ''])
  // A table without the asked column is read by known names.
  const reader = new TableReader('t', { question: 'board_q', rating: '3' })
  assert.equal(reader.read(`question,answer\n${question},${answer}\n`).map(pair), [[question, answer, '']])
  assert.equal(reader.layout?.asked, [])
})

test('lines of puzzles, with or without their answers', () => {
  for (const [line, expected] of [
    [question, [question, '', '']],
    [`${question},${answer}`, [question, answer, '']],
    [`${answer},${question}`, [question, answer, '']],
    [`7\t${question}\t${answer}`, [question, answer, '']],
    [`0f3b  ${question} 1.2`, [question, '', '']],
    [`"${question}"`, [question, '', '']],
    ['.'.repeat(81), ['.'.repeat(81), '', '']],
  ] as [string, string[]][])
    assert.equal(first(`# puzzles, "one" a line\n\n${line}\n`), expected, line)
  assert.equal(
    parsePuzzleCsv(`# a\n${question}\n# b, c\n\n  \n${question}\r\n`).map(({ line }) => line),
    [2, 6],
  )
  assert.equal(first(`${question},3`, { rating: '2' }), [question, '', '3'])
  const maze = '#####S   ##   ##   ####G##'.slice(0, 25)
  assert.equal(first(`${maze},${maze.replaceAll(' ', 'o')}`), [maze, maze.replaceAll(' ', 'o'), ''])
})

test('the same rows however the text is cut', () => {
  for (const text of [
    `# c\n\nquizzes,solutions\n${question},${answer}\n"${question}",${answer}\n`,
    `# c\r\n${question} 1\r\n${question} 2`,
  ]) {
    const whole = parsePuzzleCsv(text)
    assert.is(whole.length, 2)
    for (let size = 1; size < text.length; size++) {
      const reader = new TableReader('t')
      const rows = Array.from({ length: Math.ceil(text.length / size) }, (_, i) =>
        reader.read(text.slice(i * size, (i + 1) * size)),
      ).flat()
      assert.equal([...rows, ...reader.end()], whole, `pieces of ${size}`)
    }
  }
})

test('a table that cannot be used gives an error with what was found', () => {
  const throws = (text: string, pattern: RegExp, asked?: ColumnNames) =>
    assert.throws(
      () => parsePuzzleCsv(text, 't.csv', asked),
      (error: Error) => pattern.test(error.message) && !error.message.includes('\n'),
    )
  throws('', /^t\.csv: this is an empty file, expected a table \(CSV\)/)
  throws('# only a comment\n', /^t\.csv: this is an empty file/)
  throws(
    'a,b\n1,2\n',
    new RegExp(
      '^t\\.csv:1: expected a header with a column of puzzles \\(question, puzzle, .*\\) or lines of puzzles, ' +
        'found the columns "a,b"$',
    ),
  )
  throws('a,b\n1,2\n', /found the columns "a,b", not "c"$/, { question: 'c' })
  throws('puzzle,input\n1,2\n', /^t\.csv:1: expected one column of questions, found puzzle, input — which is it\?/)
  throws('question\n1\n', /^t\.csv:1: expected puzzles and answers in different columns, got "question" for both/, {
    answer: 'question',
  })
  throws('source,question,answer,rating\na,b,c,1\na,b,c\n', /^t\.csv:3: expected 4 cells as in the first line, got 3/)
  throws(`${question}\n${question},${answer}\n`, /^t\.csv:2: expected 1 cells as in the first line, got 2/)
  throws(`${question},${answer},${answer}\n`, /^t\.csv:1: expected a puzzle and its answer in a line, found 3 puzzles/)
  throws('<!DOCTYPE html>\n<html>', /^t\.csv: this is a web page, expected a table/)
  throws('{"a": [1]}', /^t\.csv: this is JSON, expected a table/)
  throws('\u001b[31m,b\n', /found the columns "\\u001b\[31m,b"$/)
  throws('x'.repeat(2 ** 20 + 1), /^t\.csv:1: expected a header/)
})

test('mutations load or give an error of one line', async () => {
  const table = new TextEncoder().encode(`source,question,answer,rating\n${`s,"${question}",${answer},3\n`.repeat(5)}`)
  await mutations(table, bytes => parsePuzzleCsv(bytes, 't'), /^t(:\d+)?: /, { count: 300 })
})

test.run()
