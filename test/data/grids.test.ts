// Tasks of one's own: what is read from JSON Lines and CSV, its tokens, and the line of every mistake.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { exampleCount, writeDataset } from '../../src/data/dataset.js'
import { readDataset } from '../../src/data/directory.js'
import { checkGridTask, customTask, encodeGrid, gridDataset, gridTaskOf, parseGrids } from '../../src/data/grids.js'
import { mutations } from '../mutations.js'

const bytes = (text: string) => new TextEncoder().encode(text)
const read = (text: string) => parseGrids(bytes(text), 't').map(({ input, output }) => ({ input, output }))

test('every way to write a grid', () => {
  const wanted = [{ input: ['#.S', '#.#'], output: ['S.#', '#.#'] }]
  const grids = {
    text: '"#.S/#.#"',
    breaks: '"#.S\\n#.#\\n"',
    rows: '["#.S", "#.#"]',
    cells: '[["#",".","S"],["#",".","#"]]',
  }
  for (const [name, grid] of Object.entries(grids))
    assert.equal(read(`\n{"input": ${grid}, "output": "S.#/#.#", "more": 1}\r\n\n`), wanted, name)
  assert.equal(read('\ufeffnote,output,input\nx,S.#/#.#,#.S/#.#\n'), wanted)
  assert.equal(read('input,output\n"#.S\n#.#","S.#\r\n#.#\r\n"\n'), wanted)
  assert.equal(read('{"input": [[0, 9], [10, 35]], "output": [["a", 1], [2, 3]]}'), [
    { input: ['09', 'az'], output: ['a1', '23'] },
  ])
  // Where there are line breaks, "/" is a cell; characters beyond 16 bits are one cell.
  assert.equal(read('{"input": "/.\\n./", "output": "🌊.\\n.🌊"}'), [{ input: ['/.', './'], output: ['🌊.', '.🌊'] }])
  assert.equal(read(''.padEnd(3) + '{"input": " ", "output": "x"}'), [{ input: [' '], output: ['x'] }])
})

test('tokens, padding, and labels that are not scored', async () => {
  const pairs = parseGrids(bytes('{"input": "ab/ba", "output": "ba/ab"}\n{"input": "c..", "output": "..c"}'), 't')
  const task = gridTaskOf(pairs)
  assert.equal(task, { alphabet: ['.', 'a', 'b', 'c'], rows: 2, columns: 3 })
  const dataset = gridDataset(pairs, task)
  assert.equal([...dataset.inputs], [2, 3, 0, 3, 2, 0, 4, 1, 1, 0, 0, 0])
  assert.equal([...dataset.labels], [3, 2, -100, 2, 3, -100, 1, 1, 4, -100, -100, -100])
  assert.equal([exampleCount(dataset), dataset.metadata.vocabulary, dataset.metadata.cells], [2, 5, 6])
  const files = new Map([...writeDataset(dataset, 'train')])
  assert.equal(await readDataset(async path => files.get(path)!, 'train'), dataset)
  const other = gridTaskOf(pairs, [...'cba.!'])
  assert.equal([...encodeGrid(other, ['c!'])], [1, 5, 0, 0, 0, 0])
  const typed = customTask(task)
  assert.equal([...typed.encode('ab/c.')], [2, 3, 0, 4, 1, 0])
  assert.equal([...typed.encode('ab\nc.\n')], [2, 3, 0, 4, 1, 0])
  assert.is(typed.decode([2, 3, 0, 4, 1, 9]), 'ab c.?')
  assert.ok(typed.fits(6, 5) && !typed.fits(6, 4) && !typed.fits(5, 5))
})

test('a mistake gives an error with its line', () => {
  const throws = (text: string, pattern: RegExp) =>
    assert.throws(
      () => read(text),
      (error: Error) => pattern.test(error.message) && !error.message.includes('\n'),
      text,
    )
  const ok = '{"input": "a", "output": "b"}\n'
  throws(`${ok}\n{"input": "a"`, /^t:3: expected a line of JSON/)
  throws(`${ok}[1]`, /^t:2: expected \{"input": …, "output": …\}, got no input$/)
  throws(`${ok}null`, /^t:2: .*got no input/)
  throws(`${ok}{"input": "a"}`, /^t:2: .*got no output/)
  throws(`${ok}{"input": "ab/c", "output": "a"}`, /^t:2: input: expected rows of 2 cells as the first, got 1 in row 2$/)
  throws(
    `${ok}{"input": "a", "output": ["a", []]}`,
    /^t:2: output: expected rows of 1 cells as the first, got 0 in row 2$/,
  )
  throws(`${ok}{"input": "", "output": ""}`, /^t:2: input: expected a grid of cells, got none$/)
  throws(`${ok}{"input": [], "output": ""}`, /^t:2: input: expected a grid of cells, got none$/)
  throws(`${ok}{"input": 7, "output": ""}`, /^t:2: input: expected a grid, text or a list of rows, got 7$/)
  for (const cell of ['36', '-1', '1.5', '"ab"', 'null', '[1]'])
    throws(
      `${ok}{"input": [["a", ${cell}]], "output": "ab"}`,
      /^t:2: input: row 1, column 2: expected a character or a whole number of 0 … 35, got /,
    )
  throws(
    `${ok}{"input": "ab", "output": "a/b"}`,
    /^t:2: expected an output of the input's size, 1×2, got 2×1 — fill up/,
  )
  throws(
    'question,output\na,b\n',
    /^t:1: expected a header line input,output, got "question,output" — column "input" is missing/,
  )
  throws('input,output\na,b\nab,b\n', /^t:3: expected an output of the input's size/)
  throws('', /^t: this is an empty file, expected JSON or a table \(CSV\)/)
  assert.throws(() => parseGrids(new Uint8Array([0x7b, 0xff]), 't'), /^t: expected text in UTF-8/)
  const pairs = parseGrids(bytes(ok + '{"input": "c", "output": "a"}'), 't')
  assert.throws(
    () => gridDataset(pairs, gridTaskOf(pairs, ['a', 'b'])),
    /^t:2: input: row 1, column 1: expected one of the alphabet "ab", got "c"$/,
  )
  assert.throws(() => gridTaskOf(pairs, ['a', 'a']), /^grids: expected an alphabet of different characters/)
  assert.throws(
    () =>
      gridTaskOf(
        pairs,
        Array.from({ length: 127 }, (_, i) => String.fromCodePoint(300 + i)),
      ),
    /^grids: expected an alphabet of 1 … 126 characters, got 127/,
  )
  assert.throws(() => gridTaskOf([]), /^grids: expected at least one example, got none/)
  assert.throws(
    () => encodeGrid({ alphabet: ['a'], rows: 1, columns: 2 }, ['aaa']),
    /^grids: expected a grid of at most 1×2, got 1×3$/,
  )
  for (const bad of [
    null,
    1,
    {},
    { alphabet: 'ab', rows: 1, columns: 1 },
    { alphabet: ['ab'], rows: 1, columns: 1 },
    { alphabet: ['a'], rows: 0, columns: 1 },
    { alphabet: ['a'], rows: 1000, columns: 1000 },
  ]) {
    assert.throws(() => checkGridTask(bad, 'w'), /^w: expected /, JSON.stringify(bad))
  }
})

test('200 mutations each of JSON Lines and CSV: an error with a place, or grids', async () => {
  const lines = bytes(
    '{"input": ["#.S", "#.#"], "output": "S.#/#.#"}\n{"input": [[0,1],[2,3]], "output": [[3,2],[1,0]]}\n',
  )
  const table = bytes('input,output\n#.S/#.#,S.#/#.#\n"ab\ncd","ba\ndc"\n')
  for (const file of [lines, table]) {
    await mutations(
      file,
      changed => {
        const pairs = parseGrids(changed, 'file')
        if (pairs.length) gridDataset(pairs, gridTaskOf(pairs))
      },
      /^(file(:\d+)?|grids): /,
    )
  }
})

test.run()
