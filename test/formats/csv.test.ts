// Puzzle tables: columns, quoting, line numbers and broken files.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Random } from '../../src/data/random.js'
import { parsePuzzleCsv } from '../../src/formats/csv.js'

test('rows with line numbers; blanks inside cells are kept', () => {
  const rows = parsePuzzleCsv('source,question,answer,rating\nx,  # ,ooo ,3\n\n"a,b","q ""1""",z,\n')
  assert.equal(rows, [
    { source: 'x', question: '  # ', answer: 'ooo ', rating: '3', line: 2 },
    { source: 'a,b', question: 'q "1"', answer: 'z', rating: '', line: 4 },
  ])
})

test('bytes, byte-order mark, CRLF, other column orders and further columns', () => {
  const text = '\ufeffrating,note,answer,question,source\r\n5,n,A,Q,S\r\n'
  for (const input of [text, new TextEncoder().encode(text)]) {
    assert.equal(parsePuzzleCsv(input), [{ source: 'S', question: 'Q', answer: 'A', rating: '5', line: 2 }])
  }
  assert.equal(parsePuzzleCsv('source,question,answer,rating\n'), [])
})

test('errors name file and line', () => {
  const throws = (text: string, pattern: RegExp) =>
    assert.throws(() => parsePuzzleCsv(text, 't.csv'), (error: Error) => pattern.test(error.message) && !error.message.includes('\n'))
  throws('', /^t\.csv:1: expected a header line source,question,answer,rating, got an empty file/)
  throws('question,answer\n1,2\n', /^t\.csv:1: .* column "source" is missing/)
  throws('source,question,answer,rating\na,b,c,1\na,b,c\n', /^t\.csv:3: .*broken table/)
  throws('source,question,answer,rating\na,b,c,"1\n', /^t\.csv:\d+: .*broken table/)
})

test('random bytes either parse or throw an Error', () => {
  const random = new Random(3)
  const text = new TextEncoder().encode('source,question,answer,rating\na,"1,2",3,4\nb,5,6,7\n')
  for (let i = 0; i < 500; i++) {
    const damaged = text.slice()
    for (let hits = 0; hits < 3; hits++) damaged[random.below(damaged.length)] = random.below(256)
    try {
      for (const row of parsePuzzleCsv(damaged)) assert.type(row.question, 'string')
    } catch (error) {
      assert.match((error as Error).message, /^csv:\d+: /)
    }
  }
})

test.run()
