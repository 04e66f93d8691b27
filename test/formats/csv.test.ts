// CSV: cells, quotes and line numbers, in one piece or many, and broken files.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Random } from '../../src/data/random.js'
import { type CsvRecord, CsvReader, parseCsv } from '../../src/formats/csv.js'

/** The records of a text that comes in pieces of so many characters. */
function read(text: string, size = text.length || 1, delimiter = ','): CsvRecord[] {
  const reader = new CsvReader('t', delimiter)
  const records = Array.from({ length: Math.ceil(text.length / size) }, (_, i) =>
    reader.read(text.slice(i * size, (i + 1) * size)),
  ).flat()
  return [...records, ...reader.end()]
}

test('cells, quotes, empty lines and line numbers, however the text is cut', () => {
  const text = 'a,b\n\n x ,\r\n"q ""1"", ","two\nlines"\r\n"",5"6\rlast,""'
  const records = [
    { cells: ['a', 'b'], line: 1 },
    { cells: [' x ', ''], line: 3 },
    { cells: ['q "1", ', 'two\nlines'], line: 5 },
    { cells: ['', '5"6'], line: 6 },
    { cells: ['last', ''], line: 7 },
  ]
  for (let size = 1; size <= text.length; size++) assert.equal(read(text, size), records, `pieces of ${size}`)
  assert.equal(read(''), [])
  assert.equal(read('a,b;"c;d"\n', 3, ';'), [{ cells: ['a,b', 'c;d'], line: 1 }])
  assert.equal(
    read('lines\nwithout\nany\n').map(({ cells }) => cells),
    [['lines'], ['without'], ['any']],
  )
})

test('a quote that is left open, and text after a closing one', () => {
  assert.throws(
    () => read('a,b\nc,"d\ne'),
    /^t:2: expected a closing quote, got none until the end of the table: it is a broken table$/,
  )
  assert.throws(() => read('a,"b" c\n'), /^t:1: expected a delimiter after a closing quote, got text/)
  const reader = new CsvReader('t')
  reader.read('a,b\n"')
  assert.throws(() => {
    for (let i = 0; i < 100; i++) reader.read(`${'x'.repeat(99_999)}\n`)
  }, /^t:2: expected rows of at most 4194304 characters, got a longer one — is there a quote that is not closed\?$/)
})

test('a table by its header', () => {
  assert.equal(parseCsv('\ufeffb,note,a\r\n1,n,2\r\n', ['a', 'b']), [{ a: '2', b: '1', line: 2 }])
  const throws = (text: string, pattern: RegExp) =>
    assert.throws(
      () => parseCsv(text, ['a', 'b'], 't.csv'),
      (error: Error) => pattern.test(error.message) && !error.message.includes('\n'),
    )
  throws('', /^t\.csv:1: expected a header line a,b, got an empty file/)
  throws('b,c\n1,2\n', /^t\.csv:1: .* got "b,c" — column "a" is missing/)
  throws('a,b\n1,2\n3\n', /^t\.csv:3: expected 2 cells as in the first line, got 1: it is a broken table/)
})

test('random bytes either parse or throw an Error', () => {
  const random = new Random(3)
  const text = new TextEncoder().encode('a,b\nx,"1,2"\ny,"3"""\n')
  for (let i = 0; i < 500; i++) {
    const damaged = text.slice()
    for (let hits = 0; hits < 3; hits++) damaged[random.below(damaged.length)] = random.below(256)
    try {
      for (const row of parseCsv(new TextDecoder().decode(damaged), ['a', 'b'])) assert.type(row.a, 'string')
    } catch (error) {
      assert.match((error as Error).message, /^csv:\d+: /)
    }
  }
})

test.run()
