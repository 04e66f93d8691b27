// "trm data arc" and "trm score arc" from a user's view.
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
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { exampleCount, type Split } from '../../src/data/dataset.js'
import { readDataset, readIdentifiers } from '../../src/data/directory.js'
import { parseSafetensors, writeSafetensors, type StoredTensor } from '../../src/formats/safetensors.js'
import { sharedPath } from '../data/shared.js'
import { refusal, run, type CommandName } from './commands.js'
import { trm } from './trm.js'
import { pattern } from '../pattern.js'
import { words } from './words.js'

const test = suite('trm data arc, trm score arc', { folder: '' })
test.before.each(context => {
  context.folder = mkdtempSync(join(tmpdir(), 'trm-arc-'))
})
test.after.each(({ folder }) => rmSync(folder, { recursive: true, force: true }))

const golden = sharedPath('goldens/arc')
const absent = existsSync(golden) ? '' : `skipped: ${golden} is absent`
const read = (path: string) => new Uint8Array(readFileSync(path))
const json = (...path: string[]) => JSON.parse(readFileSync(join(...path), 'utf8'))
const split = (folder: string, name: Split) => readDataset(async path => read(join(folder, path)), name)
const names = (folder: string) => readIdentifiers(async path => read(join(folder, path)))
/** A task with two colours, so that there are 72 ways to colour it. */
const small = { train: [{ input: [[1]], output: [[2]] }], test: [{ input: [[2]], output: [[1]] }] }
const asked = { ...small, test: [{ input: [[2]] }] }

/** Kaggle's two files of a subset with the tasks a and b. */
function writeSubset(
  folder: string,
  subset: string,
  tasks: unknown = { a: asked, b: asked },
  solutions: unknown = { a: [[[1]]], b: [[[1]]] },
): void {
  const text = (value: unknown) => (typeof value === 'string' ? value : JSON.stringify(value))
  writeFileSync(join(folder, `arc_${subset}_challenges.json`), text(tasks))
  if (solutions !== null) writeFileSync(join(folder, `arc_${subset}_solutions.json`), text(solutions))
}

test('the published input gives a directory like the published one, which can be scored', async ({ folder }) => {
  if (absent) return console.log(absent)
  const out = join(folder, 'out')
  const printed = await run(
    'data',
    'arc',
    '--train',
    `${golden}/arc-agi`,
    ...words('--subsets evaluation --augment 4 --out'),
    out,
  )
  assert.match(printed, /train: 655 examples in 40 groups, 30×30, vocabulary 12\n.*test: 205 examples in 40 groups/)
  assert.equal(json(out, 'test_puzzles.json'), json(golden, 'data/test_puzzles.json'))
  for (const name of ['train', 'test'] as const)
    assert.equal(json(out, name, 'dataset.json'), json(golden, 'data', name, 'dataset.json'))
  assert.equal(
    (await names(out)).filter(name => !name.includes('|||')).sort(),
    (await names(`${golden}/data`)).filter(name => !name.includes('|||')).sort(),
  )
  // Labels as predictions solve everything, in every augmentation.
  const { inputs, labels, puzzleIds, puzzleIndices } = await split(out, 'test')
  const rows = Int32Array.from(
    { length: 205 },
    (_, row) => puzzleIds[puzzleIndices.findLastIndex(start => start <= row)],
  )
  const tensors: [string, StoredTensor][] = [
    ['inputs', { dtype: 'U8', shape: [205, 900], data: inputs as Uint8Array }],
    ['preds', { dtype: 'I32', shape: [205, 900], data: Int32Array.from(labels, label => Math.max(label, 0)) }],
    ['puzzle_identifiers', { dtype: 'I64', shape: [205], data: BigInt64Array.from(rows, BigInt) }],
    ['q_halt_logits', { dtype: 'BF16', shape: [205], data: new Uint16Array(205) }],
  ]
  writeFileSync(join(folder, 'p.safetensors'), writeSafetensors(tensors))
  assert.match(
    await run(
      'score',
      'arc',
      '--data',
      out,
      '--predictions',
      join(folder, 'p.safetensors'),
      '--out',
      join(folder, 'score'),
    ),
    /ARC\/pass@1: +100\.0 %/,
  )
})

test('the published predictions give the published files', async ({ folder }) => {
  if (absent) return console.log(absent)
  const out = join(folder, 'deep/out')
  const printed = await run(
    'score',
    'arc',
    '--data',
    `${golden}/data`,
    '--predictions',
    `${golden}/predictions.safetensors`,
    '--out',
    out,
  )
  assert.match(printed, /ARC\/pass@1: +68\.8 %\nARC\/pass@2: +78\.8 %[^]*40 tasks, 41 test inputs$/)
  for (const name of ['metrics.json', 'submission.json']) assert.equal(json(out, name), json(golden, 'expected', name))
  assert.equal(readdirSync(out).sort(), ['metrics.json', 'submission.json'])
})

test('subsets as files and as folders, from several prefixes', async ({ folder }) => {
  const tasks = join(folder, 'tasks')
  mkdirSync(join(tasks, 'evaluation/deep'), { recursive: true })
  writeFileSync(join(tasks, 'evaluation/deep/c.json'), JSON.stringify(small))
  writeFileSync(join(tasks, 'evaluation/d.json'), JSON.stringify(small))
  writeSubset(folder, 'training')
  const out = join(folder, 'out')
  const args = [
    'arc',
    '--train',
    join(folder, 'arc'),
    tasks,
    '--subsets',
    'training, evaluation',
    '--augment',
    '3',
    '--out',
    out,
    '--seed',
    '2',
  ]
  const printed = await run('data', ...args)
  assert.match(printed, /train: 24 examples in 4 groups.*\n.*test: 8 examples in 2 groups/)
  assert.equal((await names(out)).filter(name => !name.includes('|||')).sort(), ['<blank>', 'a', 'b', 'c', 'd'])
  assert.is(exampleCount(await split(out, 'test')), 8)
  // test_puzzles.json is part of a dataset directory: it can be replaced, but only with --force.
  assert.match(await refusal('data', ...args), /found a dataset in it — add --force to replace it/)
  await run('data', ...args.map(arg => (arg === '3' ? '2' : arg)), '--force')
  assert.is(exampleCount(await split(out, 'test')), 6)
  assert.match(
    await run('data', ...args.map(arg => (arg === '3' ? '1000' : arg)), '--force'),
    /^4 of 4 tasks have fewer than 1000 distinct augmentations\n/,
  )
  writeFileSync(join(tasks, 'evaluation/c.json'), JSON.stringify(small))
  assert.match(
    await refusal('data', ...args, '--force'),
    /expected one file for each task, found .*c\.json and .*c\.json/,
  )
})

test('real tasks, ARC-AGI-1 and 2', async ({ folder }) => {
  const prefix = sharedPath('data/arc/arc-agi')
  if (!existsSync(`${prefix}_training_challenges.json`)) return console.log(`skipped: ${prefix}_*.json are absent`)
  const build = (...args: string[]) =>
    run('data', 'arc', '--train', prefix, '--augment', '1', '--force', '--out', join(folder, 'out'), ...args)
  assert.match(await build(), /in 960 groups[^]*test: \d+ examples in 400 groups/)
  assert.match(
    await build('--subsets', 'training2,evaluation2,concept'),
    /in 1280 groups[^]*test: \d+ examples in 120 groups/,
  )
  // Most of ARC-AGI-1's evaluation tasks are training tasks of ARC-AGI-2.
  assert.match(
    await refusal(
      'data',
      'arc',
      '--train',
      prefix,
      '--subsets',
      'training2,evaluation',
      '--force',
      '--out',
      join(folder, 'out'),
    ),
    /tasks of evaluation to occur once/,
  )
})

test('what is wrong with the input is named, and nothing is left behind', async ({ folder }) => {
  const build = (...args: string[]) =>
    refusal(
      'data',
      'arc',
      '--train',
      join(folder, 'arc'),
      '--subsets',
      'evaluation',
      '--out',
      join(folder, 'out'),
      ...args,
    )
  assert.match(
    await build(),
    pattern(
      /^Error: data: no subset "evaluation"/,
      /: found neither .*arc_evaluation_challenges\.json nor a folder .*arc\/evaluation/,
      / — check the prefix and --subsets/,
    ),
  )
  const cases: [unknown, unknown, RegExp][] = [
    ['{"a": [', {}, /arc_evaluation_challenges\.json: expected JSON/],
    [{ a: asked }, '', /arc_evaluation_solutions\.json: this is an empty file, expected JSON/],
    [{ a: asked }, {}, /solutions\.json: task "a": expected the outputs of its test pairs, got nothing/],
    [
      { a: { ...small, train: [{ input: Array(31).fill([1]), output: [[1]] }] } },
      { a: [[[1]]] },
      /train 1 input: expected a grid of 1 … 30 rows, got 31/,
    ],
    [
      { a: { ...small, train: [{ input: [[10]], output: [[1]] }] } },
      { a: [[[1]]] },
      /row 1 column 1: expected a colour of 0 … 9, got 10/,
    ],
    [
      { a: { ...small, train: [{ input: [[1, 2], [3]], output: [[1]] }] } },
      { a: [[[1]]] },
      /row 2: expected 2 colours as in row 1, got 1/,
    ],
    [{}, {}, /expected tasks in subset evaluation, got none/],
  ]
  for (const [tasks, solutions, pattern] of cases) {
    writeSubset(folder, 'evaluation', tasks, solutions)
    assert.match(await build(), pattern)
  }
  rmSync(join(folder, 'arc_evaluation_solutions.json'))
  writeSubset(folder, 'evaluation', { a: asked }, null)
  assert.match(
    await build(),
    pattern(
      /task "a": test 1: expected an output, got nothing/,
      / — put the solutions file next to the challenges file/,
      /; or name evaluation in --test-set, or leave it out: --without a$/,
    ),
  )
  writeSubset(folder, 'evaluation')
  writeFileSync(join(folder, 'taken'), '')
  assert.match(await build('--out', join(folder, 'taken')), /expected .*taken to be free or a directory/)
  assert.match(
    await build('--out', join(folder, 'taken/below')),
    /cannot write .*: a part of the path is not a directory/,
  )
  if (process.getuid?.() !== 0) {
    const locked = join(folder, 'locked')
    mkdirSync(locked)
    chmodSync(locked, 0o500)
    assert.match(await build('--out', join(locked, 'out')), /cannot write .*: permission denied/)
    rmSync(locked, { recursive: true })
  }
  assert.equal(readdirSync(folder).sort(), ['arc_evaluation_challenges.json', 'arc_evaluation_solutions.json', 'taken'])
})

test('mistakes in the command line are usage errors', async ({ folder }) => {
  const cases: [CommandName, string[], RegExp][] = [
    ['data', ['arc'], /trm data arc: expected --train PREFIX/],
    [
      'data',
      ['arc', '--train', 'x', '--out', folder, '--augment', '1001'],
      /--augment: expected a whole number, 0 … 1000, got "1001"/,
    ],
    [
      'data',
      ['arc', '--train', 'x', '--out', folder, '--subsets', 'training,,concept'],
      /--subsets: expected different names with commas between/,
    ],
    [
      'data',
      ['arc', '--train', 'x', '--out', folder, '--subsets', 'training,training'],
      /--subsets: expected different names/,
    ],
    [
      'data',
      ['arc', '--train', 'x', '--out', folder, '--subsets', 'training'],
      /--test-set: expected some of the subsets training, got nothing/,
    ],
    [
      'data',
      ['arc', '--train', 'x', '--out', folder, '--test-set', 'mine'],
      /--test-set: expected some of the subsets training, evaluation, concept, got "mine"/,
    ],
    ['score', [], /trm score: expected arc, got nothing/],
    ['score', ['sudoku'], /got "sudoku"/],
    ['score', ['arc', '--data', 'x'], /expected --predictions F /],
  ]
  for (const [command, args, pattern] of cases) {
    const message = await refusal(command, ...args)
    assert.match(message, pattern)
    assert.match(message, /^UsageError: trm (data|score)/)
  }
  assert.match(await run('data', 'arc', '--help'), /PREFIX_S_challenges\.json/)
  assert.match(await run('data', '--help'), /trm data arc --train PREFIX/)
  assert.match(await run('score', '--help'), /trm score arc --data DIR/)
  assert.match(await run('score', 'arc', '--help'), /puzzle_identifiers \(N\)/)
})

test('predictions that do not fit are refused', async ({ folder }) => {
  writeSubset(folder, 'evaluation')
  const data = join(folder, 'data')
  await run('data', 'arc', '--train', join(folder, 'arc'), '--subsets', 'evaluation', '--augment', '1', '--out', data)
  const path = join(folder, 'p.safetensors')
  const [count, length] = [2, 900]
  const tensors = (): Record<string, StoredTensor> => ({
    inputs: { dtype: 'U8', shape: [count, length], data: new Uint8Array(count * length) },
    preds: { dtype: 'U8', shape: [count, length], data: new Uint8Array(count * length) },
    puzzle_identifiers: { dtype: 'I32', shape: [count], data: Int32Array.of(1, 0) },
    q_halt_logits: { dtype: 'F32', shape: [count], data: new Float32Array(count) },
  })
  const score = (change: (all: Record<string, StoredTensor>) => void, out = join(folder, 'score')) => {
    const all = tensors()
    change(all)
    writeFileSync(path, writeSafetensors(Object.entries(all)))
    return refusal('score', 'arc', '--data', data, '--predictions', path, '--out', out)
  }
  assert.match(
    await score(all => delete all.preds),
    pattern(
      /p\.safetensors: expected the tensors inputs, preds \(or logits\)/,
      /, puzzle_identifiers and q_halt_logits, got no preds/,
    ),
  )
  assert.match(
    await score(all => (all.inputs = { dtype: 'U8', shape: [2, 450], data: new Uint8Array(900) })),
    /inputs: expected shape \(2, 900\), got \(2, 450\)/,
  )
  assert.match(
    await score(all => (all.preds = { dtype: 'F32', shape: [2, 900], data: new Float32Array(1800) })),
    /preds: expected integers, got F32/,
  )
  assert.match(
    await score(all => (all.q_halt_logits = { dtype: 'I32', shape: [2], data: new Int32Array(2) })),
    /q_halt_logits: expected floats, got I32/,
  )
  assert.match(
    await score(all => (all.puzzle_identifiers.data[0] = 99)),
    /row 0: expected a puzzle identifier of 0 … 4, got 99/,
  )
  assert.match(
    await score(all => (all.q_halt_logits.data[0] = NaN)),
    /row 0: expected a number as halting logit, got NaN/,
  )
  assert.match(await score(() => {}, path), /cannot write to .*p\.safetensors: /)
  assert.not.ok(existsSync(join(folder, 'score')))
  // An input that consists of PAD is no test input.
  assert.match(
    await run('score', 'arc', '--data', data, '--predictions', path, '--out', join(folder, 'score')),
    /2 test inputs, 2 of them without a prediction\n1 predictions belong to no test input of/,
  )
  writeFileSync(path, 'x')
  assert.match(
    await refusal('score', 'arc', '--data', data, '--predictions', path, '--out', folder),
    /p\.safetensors: expected at least 8 bytes, got 1/,
  )
  assert.match(
    await refusal('score', 'arc', '--data', folder, '--predictions', path, '--out', folder),
    /dataset .*identifiers\.json: no such file/,
  )
  if (absent) return
  // A wider type and a 64-bit logit are read too.
  const { tensors: stored } = parseSafetensors(read(`${golden}/predictions.safetensors`))
  const logits = stored.get('q_halt_logits')!
  stored.set('q_halt_logits', { ...logits, dtype: 'F64', data: Float64Array.from(logits.data as Float32Array) })
  writeFileSync(path, writeSafetensors(stored))
  await run('score', 'arc', '--data', `${golden}/data`, '--predictions', path, '--out', join(folder, 'wide'))
  assert.equal(json(folder, 'wide/metrics.json'), json(golden, 'expected/metrics.json'))
})

test('training and evaluation: votes, pass@K and the submission, also of a test file without solutions', async ({
  folder,
}) => {
  writeSubset(folder, 'evaluation')
  // Written as text, because an object would put the last name first.
  writeSubset(
    folder,
    'test',
    `{"d": ${JSON.stringify({ ...asked, test: [{ input: [[3]] }, { input: [[4, 4]] }] })}, ` +
      `"c": ${JSON.stringify(asked)}, "12345678": ${JSON.stringify(asked)}}`,
    null,
  )
  const data = join(folder, 'data')
  const built = await run(
    'data',
    'arc',
    '--train',
    join(folder, 'arc'),
    ...words('--subsets evaluation,test --test-set evaluation,test --augment 2 --out'),
    data,
  )
  assert.match(built, /^test: 4 of 4 test inputs have no known output: they are answered, not scored\n/)
  const checkpoint = join(folder, 'run', 'model.safetensors')
  const trained = await trm(
    'train',
    '--data',
    data,
    '--out',
    join(folder, 'run'),
    ...words(
      '--config small-attention --steps 1 global_batch_size=2 arch.hidden_size=16 arch.puzzle_emb_ndim=16 ' +
        'arch.halt_max_steps=2 arch.H_cycles=1 arch.L_cycles=1',
    ),
  )
  assert.is(trained.code, 0, trained.stderr)
  const evaluated = []
  for (const out of ['first', 'second']) {
    const { code, stdout, stderr } = await trm(
      'eval',
      '--checkpoint',
      checkpoint,
      '--data',
      data,
      '--out',
      join(folder, out),
      '--batch-size',
      '4',
      ...(out === 'second' ? ['--json'] : []),
    )
    assert.is(code, 0, stderr)
    evaluated.push(stdout)
    const text = readFileSync(join(folder, out, 'submission.json'), 'utf8')
    assert.equal([...text.matchAll(/"(\w+)":\[\{"attempt_1"/g)].map(([, name]) => name).slice(-3), [
      'd',
      'c',
      '12345678',
    ])
    const submission = JSON.parse(text)
    assert.equal(Object.keys(submission).sort(), ['12345678', 'a', 'b', 'c', 'd'])
    assert.is(submission.d.length, 2)
    for (const attempt of Object.values<Record<string, number[][]>[]>(submission)
      .flat()
      .flatMap(attempts => [attempts.attempt_1, attempts.attempt_2])) {
      assert.ok(
        attempt.length >= 1 &&
          attempt.length <= 30 &&
          attempt.every(
            row =>
              row.length === attempt[0].length && row.length >= 1 && row.every(colour => colour >= 0 && colour <= 9),
          ),
        JSON.stringify(attempt),
      )
    }
    assert.equal(Object.keys(json(folder, out, 'metrics.json')), [
      'ARC/pass@1',
      'ARC/pass@2',
      'ARC/pass@5',
      'ARC/pass@10',
      'ARC/pass@100',
      'ARC/pass@1000',
    ])
  }
  assert.match(
    evaluated[0],
    pattern(
      /18 examples in .*\n[^]*ARC\/pass@2/,
      /: +[\d.]+ %\n[^]*5 tasks, 6 test inputs\n4 of 6 test inputs have no known output/,
      /: they are answered, and count as neither right nor wrong\n/,
    ),
  )
  const metrics = json(folder, 'second', 'metrics.json')
  for (const [name, share] of Object.entries(metrics)) assert.is(JSON.parse(evaluated[1])[name], share)
  for (const file of ['metrics.json', 'submission.json'])
    assert.equal(json(folder, 'first', file), json(folder, 'second', file))
  const wrong = await trm(
    'eval',
    '--checkpoint',
    checkpoint,
    '--data',
    data,
    '--split',
    'train',
    '--out',
    join(folder, 'third'),
  )
  assert.is(wrong.code, 2)
  assert.match(
    wrong.stderr,
    /--out: expected the test split of a directory of "trm data arc" to score, got the train split/,
  )
  assert.not.ok(existsSync(join(folder, 'third')))
})

test.run()
