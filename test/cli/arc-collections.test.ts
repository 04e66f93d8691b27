// "trm data arc" on real-world collections: stray files, copies, Kaggle's folders, tasks that do not fit.
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { refusal, run } from './commands.js'
import { pattern } from '../pattern.js'
import { words } from './words.js'

const test = suite('collections of ARC tasks', { folder: '' })
test.before.each(context => {
  context.folder = mkdtempSync(join(tmpdir(), 'trm-arc-'))
})
test.after.each(({ folder }) => rmSync(folder, { recursive: true, force: true }))

const solved = { train: [{ input: [[1, 2]], output: [[2, 1]] }], test: [{ input: [[3, 4]], output: [[4, 3]] }] }
const asked = { ...solved, test: [{ input: [[3, 4]] }] }
const large = { ...solved, train: [{ input: Array(31).fill([1]), output: [[1]] }] }

function write(folder: string, files: Record<string, unknown>): void {
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true })
    writeFileSync(join(folder, path), typeof content === 'string' ? content : JSON.stringify(content))
  }
}

const build = (folder: string, ...args: string[]) => [
  'arc',
  '--train',
  folder,
  ...words('--subsets training,evaluation --augment 1 --out'),
  join(folder, 'out'),
  '--force',
  ...args,
]
const tasksOf = (folder: string) =>
  JSON.parse(readFileSync(join(folder, 'out/identifiers.json'), 'utf8'))
    .filter((name: string) => !/[<|]/.test(name))
    .sort()

test('hidden files and folders are no tasks', async ({ folder }) => {
  write(folder, {
    'training/t1.json': solved,
    'training/deep/t2.json': solved,
    'training/.ipynb_checkpoints/t1-checkpoint.json': solved,
    'training/._t1.json': 'not JSON',
    'training/.DS_Store': 'x',
    'training/__MACOSX/training/t3.json': solved,
    'training/deep/.git/t4.json': solved,
    'evaluation/e1.json': solved,
    'evaluation/.ipynb_checkpoints/e1-checkpoint.json': solved,
  })
  await run('data', ...build(folder))
  assert.equal(tasksOf(folder), ['e1', 't1', 't2'])
  // A dataset directory can be replaced although file managers left files in it; other files prevent that.
  write(folder, { 'out/.DS_Store': 'x', 'out/train/._all__inputs.npy': 'x' })
  await run('data', ...build(folder))
  write(folder, { 'out/.env': 'x' })
  assert.match(
    await refusal('data', ...build(folder)),
    /expected .*out to be empty or a dataset directory, found \.env in it/,
  )
  write(folder, { 'only/.DS_Store': 'x', 'hidden/training/.a/t.json': solved, 'hidden/evaluation/e.json': solved })
  await run('data', ...build(folder, '--out', join(folder, 'only')))
  assert.match(
    await refusal('data', ...build(join(folder, 'hidden'))),
    /expected JSON files of tasks in .*training, found none/,
  )
})

test('copies, files that are no tasks and names that occur twice are named', async ({ folder }) => {
  write(folder, { 'training/t1.json': solved, 'evaluation/e1.json': solved })
  for (const copy of [
    't1-checkpoint',
    't1 copy',
    't1 copy 2',
    't1 - Copy',
    't1 - Copy (3)',
    't1 (1)',
    't1(1)',
    't1_copy',
    'Copy of t1',
  ]) {
    const path = join(folder, 'training', `${copy}.json`)
    write(folder, { [`training/${copy}.json`]: solved })
    const message = await refusal('data', ...build(folder))
    assert.ok(
      message.includes(
        `${path} looks like a copy of ${join(folder, 'training/t1.json')}` +
          ` — delete or rename it, or leave it out: --without `,
      ),
      message,
    )
    await run('data', ...build(folder, '--without', copy))
    assert.equal(tasksOf(folder), ['e1', 't1'])
    rmSync(path)
  }
  // Without an original, the name of a copy is allowed.
  write(folder, { 'training/x (1).json': solved, 'training/y-checkpoint.json': solved })
  await run('data', ...build(folder))
  assert.equal(tasksOf(folder), ['e1', 't1', 'x (1)', 'y-checkpoint'])
  const cases: [string, unknown, RegExp][] = [
    [
      'README',
      { about: 'ARC' },
      pattern(
        /training\/README\.json: expected train to be a list of pairs, at least one, got nothing/,
        / — leave it out: --without README$/,
      ),
    ],
    [
      'dataset',
      [1],
      pattern(
        /training\/dataset\.json: expected an object of lists train and test, got \[1\]/,
        / — leave it out: --without dataset$/,
      ),
    ],
    [
      'notes',
      'text',
      /training\/notes\.json: expected JSON, got something else — .*; or leave it out: --without notes$/,
    ],
  ]
  for (const [name, content, pattern] of cases) {
    write(folder, { [`training/${name}.json`]: content })
    assert.match(await refusal('data', ...build(folder)), pattern)
    await run('data', ...build(folder, '--without', name))
    rmSync(join(folder, `training/${name}.json`))
  }
  write(folder, { 'training/deep/t1.json': solved })
  assert.match(
    await refusal('data', ...build(folder)),
    /expected one file for each task, found .*training\/deep\/t1\.json and .*training\/t1\.json — delete or rename one/,
  )
  write(folder, { 'k_training_challenges.json': `{"x": ${JSON.stringify(solved)}, "x": ${JSON.stringify(solved)}}` })
  assert.match(
    await refusal('data', ...build(join(folder, 'k'))),
    /k_training_challenges\.json: expected every name once, got "x" twice/,
  )
})

test('a task that is too large can be left out by name', async ({ folder }) => {
  write(folder, {
    'training/t1.json': solved,
    'training/big.json': large,
    'evaluation/e1.json': solved,
    'evaluation/t1.json': solved,
  })
  assert.match(
    await refusal('data', ...build(folder)),
    /training\/big\.json: train 1 input: expected a grid of 1 … 30 rows, got 31 — leave it out: --without big$/,
  )
  const twice = pattern(
    /tasks of evaluation to occur once, since they are tested on/,
    /, got "t1" in training and evaluation — leave one subset out, or this task of one/,
  )
  assert.match(await refusal('data', ...build(folder, '--without', 'big')), twice)
  await run('data', ...build(folder, '--without', 'big.json, evaluation/t1'))
  assert.equal(tasksOf(folder), ['e1', 't1'])
  const stranger = await refusal('data', ...build(folder, '--without', 'big,evaluation/t1,Big2'))
  assert.match(
    stranger,
    /^UsageError: trm data arc: --without: expected names of tasks in training, evaluation, got "Big2"/,
  )
  assert.match(
    await refusal('data', ...build(folder, '--without', 'big,big')),
    /^UsageError: trm data arc: --without: expected different names/,
  )
  assert.match(
    await refusal('data', ...build(folder, '--without', 'big,evaluation/t1,evaluation/e1')),
    /expected tasks in subset evaluation, got none/,
  )
  write(folder, {
    'k_training_challenges.json': { t1: solved, 'too big': large },
    'k_evaluation_challenges.json': { e1: solved },
  })
  assert.match(
    await refusal('data', ...build(join(folder, 'k'))),
    /k_training_challenges\.json: task "too big": train 1 input: .* — leave it out: --without "too big"$/,
  )
  await run('data', ...build(join(folder, 'k'), '--out', join(folder, 'out'), '--without', 'too big'))
  assert.equal(tasksOf(folder), ['e1', 't1'])
})

test("Kaggle's files by their prefix or their folder; the test file needs no solutions", async ({ folder }) => {
  const challenges = { a: asked, b: asked }
  write(folder, {
    'arc-agi_training_challenges.json': { t: asked },
    'arc-agi_training_solutions.json': { t: [[[4, 3]]] },
    'arc-agi_evaluation_challenges.json': { e: asked },
    'arc-agi_evaluation_solutions.json': { e: [[[4, 3]]] },
    'arc-agi_test_challenges.json': challenges,
    'sample_submission.json': { a: [] },
    '._arc-agi_test_challenges.json': 'x',
  })
  const args = (...more: string[]) => [...build(folder), '--subsets', 'training,evaluation,test', ...more]
  for (const prefix of [join(folder, 'arc-agi'), folder, `${folder}/`]) {
    const printed = await run('data', ...args('--train', prefix, '--test-set', 'test'))
    assert.match(printed, /^test: 2 of 2 test inputs have no known output: they are answered, not scored\n/)
    assert.equal(Object.keys(JSON.parse(readFileSync(join(folder, 'out/test_puzzles.json'), 'utf8'))), ['a', 'b'])
  }
  // Only where --test-set names the subset. Elsewhere a lost solutions file is an error: nothing learns placeholders.
  assert.match(
    await refusal('data', ...args()),
    pattern(
      /task "a": test 1: expected an output, got nothing/,
      / — put the solutions file next to the challenges file; or name test in --test-set, or leave/,
    ),
  )
  const both = await run('data', ...args('--test-set', 'evaluation,test'))
  assert.match(both, /^test: 2 of 2 test inputs/)
  write(folder, { 'arc-agi_test_solutions.json': {} })
  assert.match(
    await refusal('data', ...args('--test-set', 'test')),
    pattern(
      /arc-agi_test_solutions\.json: expected the outputs of all 2 tasks/,
      /, got nothing for 2 of them: "a", "b" — do both files belong together\?/,
    ),
  )
  write(folder, { 'other_test_challenges.json': challenges })
  assert.match(
    await refusal('data', ...args('--test-set', 'test')),
    pattern(
      /expected one file of challenges for subset "test"/,
      /, found .*arc-agi_test_challenges\.json and .*other_test_challenges\.json/,
      / — tell which by PREFIX/,
    ),
  )
  await run(
    'data',
    ...args('--test-set', 'test', '--train', join(folder, 'other'), folder, '--without', 'b', '--subsets', 'test'),
  )
  // One file per task, as in the repositories of ARC.
  write(folder, { 'repo/data/training/t.json': solved, 'repo/data/evaluation/e.json': asked })
  assert.match(
    await run('data', ...build(join(folder, 'repo/data'), '--test-set', 'evaluation')),
    /^evaluation: 1 of 1 test inputs have no known output/,
  )
})

test.run()
