// "trm data grids": a directory from JSON Lines and CSV, training, evaluation, a solved grid; each mistake in one line.
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Random } from '../../src/data/random.js'
import { trm } from './trm.js'
import { pattern } from '../pattern.js'
import { words } from './words.js'

const folder = mkdtempSync(join(tmpdir(), 'trm-grids-'))
test.after(() => rmSync(folder, { recursive: true, force: true }))
const path = (...parts: string[]) => join(folder, ...parts)
const random = new Random(2)
const row = (columns: number) => Array.from({ length: columns }, () => '.ox'[random.below(3)]).join('')
/** Pairs of 2 × 2 … 2 × 3 cells: o becomes x and x becomes o. */
const pairs = (count: number) =>
  Array.from({ length: count }, (_, i) => [row(2 + (i % 2)), row(2 + (i % 2))]).map(input => ({
    input,
    output: input.map(text => text.replace(/[ox]/g, c => (c === 'o' ? 'x' : 'o'))),
  }))
const tell = (error: string) => error.trim().replace(folder, '…')

test('data, training, evaluation, an answer', async () => {
  writeFileSync(
    path('train.jsonl'),
    pairs(60)
      .map(pair => `${JSON.stringify(pair)}\n`)
      .join(''),
  )
  writeFileSync(
    path('test.csv'),
    `input,output\n${pairs(9)
      .map(({ input, output }) => `${input.join('/')},${output.join('/')}\n`)
      .join('')}`,
  )
  const built = await trm(
    'data',
    'grids',
    '--train',
    path('train.jsonl'),
    '--test',
    path('test.csv'),
    '--out',
    path('data'),
  )
  assert.is(built.code, 0, built.stderr)
  assert.match(
    built.stdout,
    pattern(
      /^alphabet: "\.ox"; \d of 9 test inputs occur in training too\n.*train/,
      /: 60 examples in 60 groups, 6 cells, vocabulary 4\n.*test: 9 examples/,
    ),
  )
  assert.equal(readdirSync(path('data')).sort(), ['grids.json', 'identifiers.json', 'test', 'train'])
  const trained = await trm(
    'train',
    '--data',
    path('data'),
    '--out',
    path('run'),
    ...words('--config tiny global_batch_size=16 --steps 40 lr_warmup_steps=5 lr=5e-3'),
  )
  assert.is(trained.code, 0, trained.stderr)
  for (const file of ['model.safetensors', 'best.safetensors', 'training.safetensors']) {
    const { exactAccuracy, examples } = JSON.parse(
      (await trm('eval', '--checkpoint', path('run', file), '--data', path('data'), '--json')).stdout,
    )
    assert.is(examples, 9)
    assert.ok(exactAccuracy >= 0 && exactAccuracy <= 1)
  }
  const solved = await trm('solve', '--checkpoint', path('run', 'model.safetensors'), 'ox/xx')
  assert.is(solved.code, 0, solved.stderr)
  assert.match(solved.stdout, /o x  \n  x x  \n\nstep 1: \d cells changed, halting confidence [\d.]+ %\n/)
  assert.match(solved.stdout, /the rules of this task are not known: the answer is not checked/)
  const lines = (await trm('solve', '--checkpoint', path('run', 'model.safetensors'), 'ox/xx', '--json')).stdout
    .trim()
    .split('\n')
    .map(line => JSON.parse(line))
  assert.is(lines.at(-1).solved, null)
  assert.match(lines.at(-1).result, /^..\s..\s$/)
})

test('mistakes: one line, and nothing is written', async () => {
  const refusal = async (code: number, ...args: string[]) => {
    const result = await trm(...args)
    assert.is(result.code, code, result.stdout + result.stderr)
    assert.is(result.stderr.trim().split('\n').length, 1, result.stderr)
    return tell(result.stderr)
  }
  const build = (train: string, ...more: string[]) => {
    writeFileSync(path('bad.jsonl'), train)
    return refusal(
      1,
      'data',
      'grids',
      '--train',
      path('bad.jsonl'),
      '--test',
      path('test.csv'),
      '--out',
      path('x'),
      ...more,
    )
  }
  assert.match(
    await build('{"input": "ab", "output": "ab"}\n{"input": "ab"}\n'),
    /^trm: …\/bad\.jsonl:2: expected \{"input": …, "output": …\}, got no output$/,
  )
  assert.match(await build('\n'), /^trm: …\/bad\.jsonl:1: expected a header line input,output, got an empty file/)
  assert.match(await build('input,output\n'), /^trm: …\/bad\.jsonl: expected at least one example, got none$/)
  assert.match(
    await build('{"input": "oq", "output": "oq"}', '--alphabet', '.ox'),
    /^trm: …\/bad\.jsonl:1: input: row 1, column 2: expected one of the alphabet "\.ox", got "q"$/,
  )
  assert.match(await build('{"input": "o", "output": "o"}', '--alphabet', 'oo'), /different characters/)
  assert.match(
    await refusal(1, 'data', 'grids', '--train', path('none'), '--test', path('test.csv'), '--out', path('x')),
    /none: no such file/,
  )
  assert.match(await refusal(2, 'data', 'grids', '--out', path('x')), /--train F/)
  assert.not.ok(existsSync(path('x')))
  const other = await trm(
    'data',
    'grids',
    '--train',
    path('train.jsonl'),
    '--test',
    path('test.csv'),
    '--out',
    path('other'),
    '--alphabet',
    'xo.',
  )
  assert.is(other.code, 0, other.stderr)
  assert.match(
    await refusal(1, 'eval', '--checkpoint', path('run', 'model.safetensors'), '--data', path('other')),
    /the data has the alphabet "xo\.", the model "\.ox"/,
  )
  assert.match(
    await refusal(1, 'solve', '--checkpoint', path('run', 'model.safetensors'), 'oxo/oxo/oxo'),
    /expected a grid of at most 2×3, got 3×3/,
  )
  assert.match(
    await refusal(1, 'solve', '--checkpoint', path('run', 'model.safetensors'), 'oz'),
    /column 2: expected one of the alphabet "\.ox", got "z"/,
  )
  writeFileSync(path('other', 'grids.json'), '{"alphabet": 5}')
  assert.match(
    await refusal(1, 'train', '--data', path('other'), '--out', path('x'), '--config', 'tiny'),
    /dataset …\/other\/grids\.json: expected an alphabet of different characters, got 5/,
  )
  assert.is(JSON.parse(readFileSync(path('data', 'grids.json'), 'utf8')).rows, 2)
})

test.run()
