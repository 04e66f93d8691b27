// The directories of a training: several of them, those without a test split, and tables of five gigabytes.
import { mkdirSync, mkdtempSync, openSync, closeSync, ftruncateSync, rmSync, writeFileSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import {
  closeSplit,
  openSplit,
  openTestSplit,
  readGridTasks,
  sharedIdentifiers,
  trainingPaths,
  withoutTest,
} from '../../src/cli/datasets.js'
import { TrainingBatches } from '../../src/data/batches.js'
import { exampleCount, writeDataset, writeIdentifiers, type StoredDataset } from '../../src/data/dataset.js'
import { GRID_TASK_PATH } from '../../src/data/grids.js'
import { generateSudoku } from '../../src/data/sudoku.js'
import { writeNpy } from '../../src/formats/npy.js'
import { trm } from './trm.js'
import { pattern } from '../pattern.js'

const folder = mkdtempSync(join(tmpdir(), 'trm-datasets-'))
test.after(() => rmSync(folder, { recursive: true, force: true }))
const path = (...parts: string[]) => join(folder, ...parts)

function write(directory: string, files: Iterable<[string, Uint8Array]>): string {
  for (const [file, bytes] of files) {
    mkdirSync(dirname(path(directory, file)), { recursive: true })
    writeFileSync(path(directory, file), bytes)
  }
  return path(directory)
}

const { train, test: held } = generateSudoku({ size: 4, train: 40, test: 8, clues: 8 })
const whole = write('whole', [...writeDataset(train, 'train'), ...writeDataset(held, 'test'), ...writeIdentifiers()])
const bare = write('bare', writeDataset(train, 'train'))
// A folder with only a file manager's files has no test split.
const visited = write('visited', [
  ...writeDataset(train, 'train'),
  ['test/.DS_Store', Uint8Array.of(1)],
  ['test/._all__inputs.npy', Uint8Array.of(1)],
])

test("directories by --data, by data_paths, and by HRM's data_path", () => {
  const of = (data: string[], settings = {}) => trainingPaths(data, settings, 'trm train')
  assert.equal(of(['a', 'b']), { train: ['a', 'b'], test: undefined })
  assert.equal(of([], { data_paths: ['a'], data_paths_test: [] }), { train: ['a'], test: undefined })
  assert.equal(of([], { data_paths: ['a', 'b'], data_paths_test: ['c'] }), { train: ['a', 'b'], test: ['c'] })
  assert.equal(of(['x'], { data_paths: ['a'], data_paths_test: ['c'] }), { train: ['x'], test: undefined })
  assert.equal(of([], { data_path: 'data/arc' }), { train: ['data/arc'], test: undefined })
  const refused = (pattern: RegExp, ...given: Parameters<typeof of>) => assert.throws(() => of(...given), pattern)
  refused(/^trm train: expected --data DIR .*, got nothing/, [])
  refused(/^config: data_paths is \[3\], expected a list of directories/, [], { data_paths: [3] })
  refused(/^config: data_paths_test is \[""\], expected/, [], { data_paths: ['x'], data_paths_test: [''] })
})

test('the test split: where there is one, where there is none, where only hidden files are', async () => {
  assert.equal(await withoutTest([whole, bare, visited]), [bare, visited])
  const open = async (paths: { train: string[]; test?: string[] }) => {
    const notes: string[] = []
    const split = await openTestSplit({ test: undefined, ...paths }, notes)
    return [split && exampleCount(split), ...notes]
  }
  assert.equal(await open({ train: [whole] }), [8])
  assert.equal(await open({ train: [bare, visited] }), [
    undefined,
    `${bare}, ${visited}: no test split: nothing is evaluated, and no best.safetensors is kept`,
  ])
  assert.equal(await open({ train: [bare, whole] }), [8, `${bare}: no test split: evaluated on that of ${whole}`])
  assert.equal(await open({ train: [bare], test: [whole] }), [8])
  await open({ train: [whole], test: [bare] }).then(
    () => assert.unreachable(),
    ({ message }) =>
      assert.match(
        message,
        /bare\/test\/dataset\.json: no such file or directory — data_paths_test of the configuration names it/,
      ),
  )
  const torn = write('torn', [...writeDataset(train, 'train'), ['test/all__inputs.npy', Uint8Array.of(1)]])
  await open({ train: [torn] }).then(
    () => assert.unreachable(),
    ({ message }) => assert.match(message, /torn\/test\/dataset\.json: no such file or directory$/),
  )
  const metadata = { ...held.metadata, totalGroups: 0, totalPuzzles: 0, meanPuzzleExamples: 0 }
  const none = {
    metadata,
    inputs: new Uint8Array(0),
    labels: new Int8Array(0),
    puzzleIds: new Int32Array(0),
    puzzleIndices: new Int32Array(1),
    groupIndices: new Int32Array(1),
  }
  const empty = write('empty', [...writeDataset(train, 'train'), ...writeDataset(none, 'test')])
  assert.equal(await open({ train: [empty] }), [
    undefined,
    `${empty}: the test split has no examples: nothing is evaluated, and no best.safetensors is kept`,
  ])
})

test('directories together: their alphabets have to agree, other names of identifiers are told', async () => {
  const alphabet = (symbols: string) =>
    new TextEncoder().encode(JSON.stringify({ rows: 4, columns: 4, alphabet: [...symbols] }))
  const [one, other] = ['xo', 'ox'].map(symbols => write(symbols, [[GRID_TASK_PATH, alphabet(symbols)]]))
  const message = await readGridTasks([one, other]).then(
    () => '',
    (error: Error) => error.message,
  )
  assert.match(
    message,
    pattern(
      /^dataset .*ox: expected the alphabet "xo" as in .*xo, got the alphabet "ox"/,
      / — directories that are used together have to agree$/,
    ),
  )
  assert.match(
    await readGridTasks([one, whole]).then(
      () => '',
      (error: Error) => error.message,
    ),
    /got no grids\.json/,
  )
  assert.is(await readGridTasks([whole, bare]), undefined)
  const named = write('named', writeIdentifiers(['<blank>', 'a']))
  assert.equal(await sharedIdentifiers([whole, whole]), [])
  assert.match(
    (await sharedIdentifiers([whole, named]))[0],
    /whole and .*named have other names for their puzzle identifiers: equal identifiers share a row of puzzle_emb/,
  )
})

test('training and evaluating without a test split, and on two directories', async () => {
  const settings = ['--config', 'tiny', '--steps', '2', 'global_batch_size=4', 'lr_warmup_steps=1', 'eval_interval=1']
  const run = await trm('train', '--data', visited, '--out', path('run'), ...settings)
  assert.is(run.code, 0, run.stderr)
  assert.match(run.stdout, /visited: no test split: nothing is evaluated, and no best\.safetensors is kept\n/)
  assert.not.match(run.stdout, /held-out/)
  const both = await trm('train', '--out', path('both'), ...settings, `data_paths=[${whole},${bare}]`)
  assert.is(both.code, 0, both.stderr)
  assert.match(
    both.stdout,
    /bare: no test split: evaluated on that of .*whole\n[^]*held-out exact accuracy .*\(8 puzzles\)/,
  )
  const evaluated = async (...args: string[]) =>
    JSON.parse((await trm('eval', '--checkpoint', path('both', 'model.safetensors'), '--json', ...args)).stdout)
  const { data, examples } = await evaluated('--data', whole, '--data', whole)
  assert.equal([data, examples], [[whole, whole], 16])
  const lacking = await trm('eval', '--checkpoint', path('run', 'model.safetensors'), '--data', bare)
  assert.equal(
    [lacking.code, lacking.stderr.trim()],
    [1, `trm: dataset ${bare}: it has no test split — evaluate on --split train, or give another --data`],
  )
})

/** A sparse table of zeros: it has its full length, but takes almost no space on disk. */
function sparse(file: string, rows: number, cells: number): void {
  const header = Buffer.from(writeNpy({ shape: [0, 0], dtype: 'u1', data: new Uint8Array(0) }))
  const text =
    `{'descr': '|u1', 'fortran_order': False, 'shape': (${rows}, ${cells}), }`.padEnd(header.length - 11) + '\n'
  header.write(text, 10, 'latin1')
  const handle = openSync(file, 'w')
  writeSync(handle, header)
  ftruncateSync(handle, header.length + rows * cells)
  closeSync(handle)
}

test('tables of five gigabytes: opened at once, rows read where they lie', async () => {
  const [rows, cells, groups, each] = [5_578_573, 900, 1280, 1001]
  const puzzles = groups * each
  const vector = (length: number, value: (i: number) => number) =>
    writeNpy({ shape: [length], dtype: 'i4', data: Int32Array.from({ length }, (_, i) => value(i)) })
  const json = {
    pad_id: 0,
    ignore_label_id: 0,
    blank_identifier_id: 0,
    vocab_size: 12,
    seq_len: cells,
    num_puzzle_identifiers: puzzles + 1,
    total_groups: groups,
    mean_puzzle_examples: rows / puzzles,
    total_puzzles: puzzles,
    sets: ['all'],
  }
  const large = write('large', [
    ['train/dataset.json', new TextEncoder().encode(JSON.stringify(json))],
    ['train/all__puzzle_identifiers.npy', vector(puzzles, i => i + 1)],
    ['train/all__puzzle_indices.npy', vector(puzzles + 1, i => Math.floor((i * rows) / puzzles))],
    ['train/all__group_indices.npy', vector(groups + 1, i => i * each)],
  ])
  for (const name of ['inputs', 'labels']) sparse(path('large', 'train', `all__${name}.npy`), rows, cells)
  const handle = openSync(path('large', 'train', 'all__inputs.npy'), 'r+')
  writeSync(handle, Buffer.from([7]), 0, 1, 128 + rows * cells - 1)
  closeSync(handle)
  const started = performance.now()
  const before = process.memoryUsage().rss
  const dataset = (await openSplit([large], 'train')) as StoredDataset
  assert.is(exampleCount(dataset), rows)
  const inputs = new Int32Array(2 * cells)
  await dataset.read(Int32Array.of(rows - 1, 0), inputs, inputs.slice())
  assert.equal([inputs[cells - 1], inputs[cells]], [7, 0])
  const batches = new TrainingBatches(dataset, { batchSize: 768, seed: 0 })
  for (let step = 0; step < 5; step++) assert.ok((await batches.next()).puzzleIds.every(id => id > 0))
  const [seconds, bytes] = [(performance.now() - started) / 1000, process.memoryUsage().rss - before]
  console.log(
    `opened, and five batches of 768 rows drawn, in ${seconds.toFixed(1)} s with ${(bytes / 1e6).toFixed(0)} MB`,
  )
  assert.ok(bytes < 300e6, `${bytes} bytes`)
  await closeSplit(dataset)
  rmSync(large, { recursive: true })
})

test.run()
