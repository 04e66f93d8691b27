// "trm data" from a user's view: directories written whole or not at all, and a message for every mistake.
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { helpText, parseArguments, UsageError } from '../../src/cli/arguments.js'
import { dataCommand } from '../../src/cli/data.js'
import { exampleCount, type Split } from '../../src/data/dataset.js'
import { readDataset, readIdentifiers } from '../../src/data/directory.js'
import { decodeSudoku } from '../../src/data/sudoku.js'
import { sharedPath } from '../data/shared.js'
import { here } from './here.js'
import { pattern } from '../pattern.js'
import { words } from './words.js'

const test = suite('trm data', { folder: '' })
test.before.each(context => {
  context.folder = mkdtempSync(join(tmpdir(), 'trm-data-'))
})
test.after.each(({ folder }) => rmSync(folder, { recursive: true, force: true }))

const solved = '1234341221434321'
const table = (...questions: string[]) =>
  `source,question,answer,rating\n${questions.map(question => `s,${question},${solved},1\n`).join('')}`
const read = (folder: string, split: Split) =>
  readDataset(async path => new Uint8Array(readFileSync(join(folder, path))), split, folder)

/** Runs the command; returns what it printed. */
async function run(...args: string[]): Promise<string> {
  return (await here(dataCommand, ...args)).slice(0, -1)
}

/** The message of the error that the command throws; it must be one line. */
async function refusal(...args: string[]): Promise<string> {
  try {
    await run(...args)
  } catch (error) {
    assert.instance(error, Error)
    assert.not.match((error as Error).message, /\n/)
    return `${(error as Error).name}: ${(error as Error).message}`
  }
  throw new Error(`expected a refusal of ${args.join(' ')}`)
}

test('a directory from tables', async ({ folder }) => {
  writeFileSync(join(folder, 'train.csv'), table(`..${solved.slice(2)}`, `${solved.slice(0, 14)}..`, solved))
  writeFileSync(join(folder, 'test.csv'), table(`....${solved.slice(4)}`))
  const out = join(folder, 'deep/out')
  const args = [
    'sudoku',
    '--train',
    join(folder, 'train.csv'),
    '--test',
    join(folder, 'test.csv'),
    '--out',
    out,
    ...words('--augment 4 --subsample=2 --seed 3'),
  ]
  const printed = await run(...args)
  assert.match(printed, /train: 10 examples in 2 groups, 4×4, vocabulary 6\n.*test: 1 examples in 1 groups/)
  const train = await read(out, 'train')
  assert.equal([exampleCount(train), train.metadata.totalGroups], [10, 2])
  assert.is(decodeSudoku((await read(out, 'test')).inputs), `....${solved.slice(4)}`)
  assert.equal(await readIdentifiers(async path => readFileSync(join(out, path))), ['<blank>'])
  // The same seed writes the same bytes.
  const other = join(folder, 'other')
  await run(...args.map(arg => (arg === out ? other : arg)))
  for (const path of ['train/all__inputs.npy', 'train/all__labels.npy', 'train/dataset.json'])
    assert.equal(readFileSync(join(out, path)), readFileSync(join(other, path)))
  assert.equal(readdirSync(join(folder, 'deep')), ['out'])
})

test('tables of the field: other names, lines, gzip, ratings, columns on demand', async ({ folder }) => {
  const put = (name: string, content: string | Uint8Array) => {
    writeFileSync(join(folder, name), content)
    return join(folder, name)
  }
  const questions = [`..${solved.slice(2)}`, `${solved.slice(0, 14)}..`, solved, `....${solved.slice(4)}`]
  const official = put('official.csv', table(...questions))
  const tables = {
    quizzes: put(
      'quizzes.csv',
      `quizzes,solutions\r\n${questions.map(question => `${question.replaceAll('.', '0')},${solved}\r\n`).join('')}`,
    ),
    backtracks: put(
      'backtracks.csv',
      `question;answer;backtracks\n${questions.map((question, i) => `${question};${solved};${i}\n`).join('')}`,
    ),
    lines: put('lines.txt', `# one a line\n${questions.map(question => `${question}\n`).join('')}`),
    packed: put('packed.csv', gzipSync(readFileSync(official))),
    other: put('other.csv', `n,a,b\n${questions.map((question, i) => `${i},${question},${solved}\n`).join('')}`),
  }
  const columns = ['--question-column', 'a', '--answer-column', 'b']
  const build = (train: string, ...more: string[]) =>
    run(
      'sudoku',
      '--train',
      train,
      '--test',
      official,
      '--out',
      join(folder, 'out'),
      ...words('--force --augment 2 --subsample 3'),
      ...more,
    )
  const inputs = async () => (await read(join(folder, 'out'), 'train')).inputs
  await build(official)
  const expected = await inputs()
  for (const [name, path] of Object.entries(tables)) {
    const printed = await build(path, ...(name === 'other' ? columns : []))
    assert.equal(await inputs(), expected, name)
    if (name === 'quizzes')
      assert.match(printed, /quizzes\.csv: questions from column "quizzes"; answers from column "solutions"\n/)
    if (name === 'lines')
      assert.match(
        printed,
        /lines\.txt: no header; 3 puzzles without an answer, solved: each has exactly one solution\n/,
      )
    if (name === 'packed') assert.match(printed, /^.*out\/train: 9 examples/)
    if (name === 'other') assert.match(printed, /other\.csv: questions from column "a"; answers from column "b"\n/)
  }
  const rated = put('rated.csv', table(...questions).replace('1\n', '2\n'))
  assert.match(await build(rated, '--min-difficulty', '1'), /out\/test: 4 examples/)
  const hard = [
    'sudoku',
    '--train',
    tables.backtracks,
    '--out',
    join(folder, 'out'),
    '--force',
    '--min-difficulty',
    '2',
  ]
  assert.match(
    await run(...hard, '--test', tables.backtracks),
    pattern(
      /backtracks\.csv: ratings from column "backtracks"/,
      /; 2 of 4 puzzles have a rating from 2\n[^]*train: 2 examples[^]*test: 2 examples/,
    ),
  )
  assert.match(
    await refusal(...hard, '--test', official),
    /official\.csv: expected at least one puzzle with a rating from 2, got 4 below$/,
  )
  assert.match(
    await refusal(...hard, '--test', tables.quizzes),
    pattern(
      /quizzes\.csv:1: expected a column of ratings .*found the columns "quizzes,solutions"/,
      / — --rating-column NAME says which it is$/,
    ),
  )
  assert.match(
    await refusal(
      'sudoku',
      '--train',
      official,
      '--test',
      official,
      '--out',
      join(folder, 'x'),
      '--answer-column',
      'nope',
    ),
    /^UsageError: .*--answer-column: expected a column of .*official\.csv.*, got "nope"$/,
  )
  const vague = put('vague.txt', `${questions[0]}\n${'.'.repeat(16)}\n`)
  assert.match(
    await refusal('sudoku', '--train', vague, '--test', official, '--out', join(folder, 'x')),
    pattern(
      /vague\.txt:2: expected a puzzle with exactly one solution, .* got one with several solutions/,
      / — --skip-unsolved leaves such puzzles out$/,
    ),
  )
  assert.match(
    await run('sudoku', '--train', vague, '--test', official, '--out', join(folder, 'x'), '--skip-unsolved'),
    /1 puzzles without an answer, solved: .*; 1 left out without exactly one solution \(line 2\)\n/,
  )
  for (const content of [gzipSync(readFileSync(official)).subarray(0, 40), '<!doctype html>', 'PAR1\0\0\0']) {
    const other = /bad: this is a (web page|Parquet file), expected a table/
    assert.match(
      await refusal('sudoku', '--train', put('bad', content), '--test', official, '--out', join(folder, 'y')),
      typeof content === 'string' ? other : /bad: expected a gzip file, got one that is damaged or cut off/,
    )
  }
  assert.not.ok(existsSync(join(folder, 'y')))
})

test('generated directories', async ({ folder }) => {
  assert.match(
    await run(...words('generate sudoku --size 4 --train 20 --test 5 --clues 6 --out'), join(folder, 's')),
    /20 examples/,
  )
  const { inputs } = await read(join(folder, 's'), 'train')
  assert.is(inputs.filter(id => id > 1).length, 120)
  assert.match(
    await run('generate', 'maze', '--size', '7', '--train', '9', '--test', '2', '--out', join(folder, 'm')),
    /9 examples in 9 groups, 7×7, vocabulary 6/,
  )
  assert.is(exampleCount(await read(join(folder, 'm'), 'test')), 2)

  const solutions = async (name: string, split: Split) => {
    const { labels } = await read(join(folder, name), split)
    return Array.from({ length: labels.length / 16 }, (_, i) => labels.slice(16 * i, 16 * i + 16).join())
  }
  const known = new Set(await solutions('s', 'train'))
  const again = words('generate sudoku --size 4 --train 60 --test 9 --clues 6 --seed 1')
  await run(...again, '--out', join(folder, 'any'))
  assert.ok((await solutions('any', 'train')).some(solution => known.has(solution)))
  await run(...again, '--avoid', join(folder, 's'), '--out', join(folder, 'new'))
  for (const split of ['train', 'test'] as const)
    for (const solution of await solutions('new', split)) assert.not.ok(known.has(solution))
  for (const [avoid, complaint] of [
    ['', /^UsageError: trm data generate sudoku: --avoid: expected different names with commas between, got ""/],
    [join(folder, 'm'), /expected puzzles of 16 cells and 6 tokens to avoid, got some of 49 cells and 6 tokens — give/],
    [join(folder, 'none'), /none\/train\/dataset\.json/],
  ] as const) {
    assert.match(await refusal(...again, `--avoid=${avoid}`, '--out', join(folder, 'refused')), complaint)
    assert.not.ok(existsSync(join(folder, 'refused')))
  }
})

test('real tables', async ({ folder }) => {
  const cases: ['sudoku' | 'maze', string, string, number][] = [
    ['sudoku', 'sudoku-extreme-sample', '2', 3000],
    ['maze', 'maze-30x30-hard', '7', 8000],
  ]
  for (const [kind, name, augment, expected] of cases) {
    const source = sharedPath(`data/${name}`)
    if (!existsSync(source)) return console.log(`skipped: ${source} is absent`)
    await run(
      kind,
      '--train',
      `${source}/train.csv`,
      '--test',
      `${source}/test.csv`,
      '--out',
      join(folder, kind),
      '--augment',
      augment,
    )
    assert.is(exampleCount(await read(join(folder, kind), 'train')), expected)
    assert.is(exampleCount(await read(join(folder, kind), 'test')), 500)
  }
})

test('an existing directory is only replaced when it is a dataset and --force is given', async ({ folder }) => {
  const out = join(folder, 'out')
  const make = (seed: string, ...more: string[]) => [
    ...words('generate maze --size 5 --train 3 --test 1 --out'),
    out,
    '--seed',
    seed,
    ...more,
  ]
  mkdirSync(out)
  await run(...make('1'))
  const first = readFileSync(join(out, 'train/all__inputs.npy'))
  assert.match(
    await refusal(...make('2')),
    /^Error: data: expected .*out to be empty, found a dataset in it — add --force to replace it/,
  )
  assert.equal(readFileSync(join(out, 'train/all__inputs.npy')), first)
  await run(...make('2', '--force'))
  assert.not.equal(readFileSync(join(out, 'train/all__inputs.npy')), first)
  writeFileSync(join(out, 'train/notes.txt'), 'mine')
  assert.match(await refusal(...make('3', '--force')), /found train\/notes\.txt in it — choose another --out/)
  assert.is(readFileSync(join(out, 'train/notes.txt'), 'utf8'), 'mine')
  assert.equal(readdirSync(folder), ['out'])
})

test('what cannot be read or written is named, and nothing is left behind', async ({ folder }) => {
  const train = join(folder, 'train.csv')
  const args = (out: string, source = train) => ['sudoku', '--train', source, '--test', source, '--out', out]
  assert.match(
    await refusal(...args(join(folder, 'out'))),
    /^Error: data: cannot read .*train\.csv: no such file or directory$/,
  )
  writeFileSync(train, table(`2${solved.slice(1)}`))
  assert.match(
    await refusal(...args(join(folder, 'out'))),
    /train\.csv:2: expected an answer that solves the question, .* the given 2 at row 1 column 1 was changed/,
  )
  writeFileSync(train, 'a,b\n')
  assert.match(
    await refusal(...args(join(folder, 'out'))),
    pattern(
      /train\.csv:1: expected a header with a column of puzzles .* found the columns "a,b"/,
      / — --question-column NAME says which it is$/,
    ),
  )
  writeFileSync(train, 'question\n')
  assert.match(
    await refusal(...args(join(folder, 'out'))),
    /train\.csv: expected at least one puzzle, got an empty table/,
  )
  writeFileSync(train, table(solved))
  assert.match(await refusal(...args(train)), /expected .*train\.csv to be free or a directory/)
  assert.match(
    await refusal(...args(join(train, 'below'))),
    /cannot write .*below: a part of the path is not a directory/,
  )
  if (process.getuid?.() !== 0) {
    const locked = join(folder, 'locked')
    mkdirSync(locked)
    chmodSync(locked, 0o500)
    assert.match(await refusal(...args(join(locked, 'out'))), /cannot write .*: permission denied/)
    rmSync(locked, { recursive: true })
  }
  const nine = join(folder, 'six.csv')
  writeFileSync(
    nine,
    'source,question,answer,rating\ns,123456456123231564564231312645645312,123456456123231564564231312645645312,0\n',
  )
  assert.match(
    await refusal('sudoku', '--train', train, '--test', nine, '--out', join(folder, 'out')),
    /puzzles of one size, got 16 cells in .* and 36 in/,
  )
  assert.equal(readdirSync(folder).sort(), ['six.csv', 'train.csv'])
})

test('mistakes in the command line are usage errors', async ({ folder }) => {
  const out = join(folder, 'out')
  const cases: [string[], RegExp][] = [
    [[], /trm data: expected sudoku, maze or generate, got nothing/],
    [['chess'], /got "chess"/],
    [['generate'], /trm data generate: expected sudoku or maze, got nothing/],
    [['sudoku'], /trm data sudoku: expected --train F\.csv .*, got nothing/],
    [
      ['sudoku', '--trian', 'x'],
      pattern(
        /unknown option --trian — known are --train, --test, --out, --augment, --subsample, --seed/,
        /, --force, --min-difficulty, --skip-unsolved, --question-column, --answer-column/,
        /, --rating-column, --help/,
      ),
    ],
    [['sudoku', '-x'], /unknown option -x/],
    [['sudoku', '--train'], /--train: expected a value \(F\.csv\), got none/],
    [['sudoku', '--train', '--test', 'x'], /--train: expected a value \(F\.csv\), got the option --test/],
    [['sudoku', '--seed', 'abc'], /--seed: expected a whole number, from 0, got "abc"/],
    [['sudoku', '--seed', '-1'], /--seed: expected a whole number, from 0, got "-1"/],
    [['sudoku', '--seed', '1.5'], /got "1\.5"/],
    [['sudoku', '--seed='], /got ""/],
    [['sudoku', '--force=yes'], /--force: expected no value, got "yes"/],
    [['maze', '--augment', '8'], /--augment: expected a whole number, 0 … 7, got "8"/],
    [
      ['generate', 'sudoku', '--size', '5', '--train', '1', '--test', '1', '--out', out],
      /--size: expected 4, 6 or 9, got 5/,
    ],
    [
      ['generate', 'sudoku', 'extra', '--size', '4', '--train', '1', '--test', '1', '--out', out],
      /expected options only, got "extra"/,
    ],
    [['generate', 'maze', '--size', '4', '--train', '1', '--test', '1', '--out', out], /5 … 100, got "4"/],
  ]
  for (const [args, pattern] of cases) {
    const message = await refusal(...args)
    assert.match(message, pattern)
    assert.match(message, /^UsageError: trm data/)
  }
  assert.match(
    await refusal('generate', 'sudoku', '--size', '9', '--train', '1', '--test', '1', '--clues', '9', '--out', out),
    /17 … 80 clues/,
  )
  assert.equal(readdirSync(folder), [])
})

test('help is everywhere', async () => {
  assert.match(await run('--help'), /trm data sudoku\|maze --train/)
  assert.match(dataCommand.help, /generate/)
  assert.match(await run('generate', '--help'), /--clues[^]*maze/)
  for (const args of [['sudoku'], ['maze'], ['generate', 'sudoku'], ['generate', 'maze']]) {
    const text = await run(...args, '--help')
    assert.match(text, new RegExp(`Usage: trm data ${args.join(' ')} `))
    assert.match(text, /--out DIR +directory to write \(required\)/)
  }
})

test('the option table makes types, checks and help', () => {
  const usage = {
    command: 'trm x',
    summary: 'Does x.',
    positionals: ['FILE'],
    options: {
      rate: { type: 'number', fraction: true, min: -2, max: 2, default: 0.5, description: 'a rate' },
      kind: { type: 'string', choices: ['a', 'b'], description: 'a kind' },
      deep: { type: 'boolean', description: 'a flag' },
    },
  } as const
  const parsed = parseArguments(['f', '--rate', '-1.5e0', '--deep'], usage)!
  const rate: number = parsed.values.rate
  const kind: string | undefined = parsed.values.kind
  const deep: boolean = parsed.values.deep
  assert.equal([rate, kind, deep, parsed.positionals], [-1.5, undefined, true, ['f']])
  assert.equal(parseArguments(['--', '--odd'], usage)!.positionals, ['--odd'])
  assert.is(
    helpText(usage),
    [
      'Does x.',
      '',
      'Usage: trm x FILE [options]',
      '',
      'Options:',
      '  --rate N    a rate (-2 … 2, default 0.5)',
      '  --kind a|b  a kind',
      '  --deep      a flag',
      '  --help      show this text',
    ].join('\n'),
  )
  for (const [args, pattern] of [
    [['f', '--rate', '3'], /--rate: expected a number, -2 … 2, got "3"/],
    [['f', '--rate', '0x1'], /got "0x1"/],
    [['f', '--rate', 'Infinity'], /got "Infinity"/],
    [['f', '--kind', 'c'], /--kind: expected one of a, b, got "c"/],
    [[], /expected FILE, got nothing/],
    [['f', 'g'], /expected FILE, got "f" "g"/],
    [['f', '--__proto__', '1'], /unknown option --__proto__/],
    [['f', '--no-deep'], /unknown option --no-deep/],
  ] as [string[], RegExp][]) {
    assert.throws(
      () => parseArguments(args, usage),
      (error: Error) => error instanceof UsageError && pattern.test(error.message),
    )
  }
})

test.run()
