// Several sets and several directories as one split: the published order, what must agree, and the file in messages.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { TrainingBatches } from '../../src/data/batches.js'
import { exampleCount, writeDataset, type Dataset } from '../../src/data/dataset.js'
import { openDataset, readDataset, type DatasetDirectory } from '../../src/data/directory.js'
import { openSource } from '../../src/formats/open-file.js'

type Files = Map<string, Uint8Array>

/**
 * One cell per example, whose token counts up from `first`. Each puzzle has one of the sizes, is a group of its own,
 * and has the identifier 1.
 */
function counting(first: number, sizes: number[]): Dataset {
  const total = sizes.reduce((a, b) => a + b, 0)
  return {
    metadata: {
      padId: 0,
      ignoreLabelId: 0,
      blankPuzzleId: 0,
      vocabulary: 100,
      cells: 1,
      puzzles: 2,
      totalGroups: sizes.length,
      meanPuzzleExamples: total / sizes.length,
      totalPuzzles: sizes.length,
      sets: ['all'],
    },
    inputs: Uint8Array.from({ length: total }, (_, i) => first + i),
    labels: Int8Array.from({ length: total }, (_, i) => first + i),
    puzzleIds: new Int32Array(sizes.length).fill(1),
    puzzleIndices: Int32Array.from([
      0,
      ...sizes.map(
        (
          sum => size =>
            (sum += size)
        )(0),
      ),
    ]),
    groupIndices: Int32Array.from({ length: sizes.length + 1 }, (_, i) => i),
  }
}

const text = (json: unknown) => new TextEncoder().encode(JSON.stringify(json))
const jsonOf = (files: Files) => JSON.parse(new TextDecoder().decode(files.get('train/dataset.json')))

/** A directory of these sets, as writers of several sets lay it out. */
function directory(
  name: string,
  sets: Record<string, Dataset>,
  change: Record<string, unknown> = {},
): DatasetDirectory & { files: Files } {
  const files: Files = new Map()
  for (const [set, dataset] of Object.entries(sets))
    for (const [path, bytes] of writeDataset(dataset, 'train')) files.set(path.replace('all__', `${set}__`), bytes)
  const all = Object.values(sets).map(({ metadata }) => metadata)
  const sum = (of: (metadata: Dataset['metadata']) => number) =>
    all.reduce((total, metadata) => total + of(metadata), 0)
  const examples = sum(({ meanPuzzleExamples, totalPuzzles }) => meanPuzzleExamples * totalPuzzles)
  files.set(
    'train/dataset.json',
    text({
      ...jsonOf(files),
      sets: Object.keys(sets),
      total_groups: sum(({ totalGroups }) => totalGroups),
      total_puzzles: sum(({ totalPuzzles }) => totalPuzzles),
      mean_puzzle_examples: examples / sum(({ totalPuzzles }) => totalPuzzles),
      ...change,
    }),
  )
  const open = async (path: string) => {
    const bytes = files.get(path)
    if (!bytes) throw new Error(`dataset ${name}/${path}: no such file or directory`)
    return openSource(bytes)
  }
  return { name, open, files }
}

const refusal = (...directories: DatasetDirectory[]) =>
  openDataset(directories, 'train').then(
    () => 'nothing',
    (error: Error) => error.message,
  )

test('several sets lie one after the other, whether in memory or in their files', async () => {
  const one = directory('d', { easy: counting(1, [2, 1]), hard: counting(11, [1, 3, 1]) })
  for (const kept of [Infinity, 0]) {
    const dataset = await openDataset([one], 'train', kept)
    assert.equal(
      [exampleCount(dataset), dataset.metadata.sets, dataset.metadata.totalGroups, dataset.metadata.totalPuzzles],
      [8, ['easy', 'hard'], 5, 5],
    )
    assert.equal(
      [dataset.puzzleIndices, dataset.groupIndices, dataset.setGroups],
      [Int32Array.of(0, 2, 3, 4, 7, 8), Int32Array.of(0, 1, 2, 3, 4, 5), Int32Array.of(0, 2, 5)],
    )
    assert.equal([...('read' in dataset ? await dataset.sample() : dataset).inputs], [1, 2, 3, 11, 12, 13, 14, 15])
    assert.is('read' in dataset, kept === 0)
  }
  assert.equal(
    [...(await readDataset(async path => one.files.get(path)!, 'train')).inputs],
    [1, 2, 3, 11, 12, 13, 14, 15],
  )
})

test('several directories: the sets of all in turn, identifiers as they stand, one table row for each', async () => {
  const sets = (first: number) => ({ easy: counting(first, [1]), hard: counting(first + 10, [1, 2]) })
  const dataset = (await openDataset([directory('a', sets(1)), directory('b', sets(51))], 'train')) as Dataset
  assert.equal([...dataset.inputs], [1, 51, 11, 12, 13, 61, 62, 63])
  assert.equal([...dataset.setGroups!], [0, 1, 2, 4, 6])
  assert.equal([...dataset.puzzleIds], [1, 1, 1, 1, 1, 1])
  const { puzzles, totalGroups, totalPuzzles, meanPuzzleExamples } = dataset.metadata
  assert.equal([puzzles, totalGroups, totalPuzzles, meanPuzzleExamples], [4, 6, 6, 8 / 6])
})

test('a pass goes over the sets in turn, and drops the short batch of each', async () => {
  const dataset = await openDataset(
    [directory('d', { a: counting(1, [1, 1, 1, 1, 1]), b: counting(21, [1, 1, 1, 1]), c: counting(41, [1, 1]) })],
    'train',
  )
  const batches = new TrainingBatches(dataset, { batchSize: 2, seed: 1, epochsPerPass: 1 })
  for (let pass = 0; pass < 20; pass++) {
    const tens: number[][] = []
    for (let i = 0; i < 5; i++) tens.push([...(await batches.next()).inputs].map(token => Math.floor(token / 20)))
    assert.equal(tens, [
      [0, 0],
      [0, 0],
      [1, 1],
      [1, 1],
      [2, 2],
    ])
    assert.is(batches.state.epoch, 3 * pass + 3)
    const again = TrainingBatches.restore(dataset, JSON.parse(JSON.stringify(batches.state)))
    assert.equal(again.state, batches.state)
  }
  // Wherever it is taken, a state goes on in the same set.
  for (let steps = 0; steps < 12; steps++) {
    const [whole, begun] = [0, 1].map(() => new TrainingBatches(dataset, { batchSize: 2, seed: 2, epochsPerPass: 2 }))
    for (let i = 0; i < steps; i++) await Promise.all([whole.next(), begun.next()])
    const rest = TrainingBatches.restore(dataset, begun.state)
    for (let i = 0; i < 12; i++) assert.equal(await rest.next(), await whole.next())
  }
})

test('a set smaller than a batch goes on into the next one, an empty one is passed over', async () => {
  const dataset = await openDataset(
    [directory('d', { few: counting(1, [1]), none: counting(1, [0]), many: counting(21, [1, 1, 1]) })],
    'train',
  )
  const { inputs } = await new TrainingBatches(dataset, { batchSize: 4, seed: 1 }).next()
  assert.equal(
    [...inputs].sort((a, b) => a - b),
    [1, 21, 22, 23],
  )
})

test('the metadata is read first: a message is about the file that is wrong', async () => {
  const sets = () => ({ a: counting(1, [1, 1]), b: counting(1, [1]) })
  assert.is(
    await refusal(directory('d', sets(), { sets: ['a', 'c'] })),
    'dataset d/train/c__inputs.npy: no such file or directory',
  )
  assert.match(
    await refusal(directory('d', sets(), { vocab_size: 'x', sets: ['c'] })),
    /^dataset: d\/train\/dataset\.json: expected vocab_size /,
  )
  assert.match(
    await refusal(directory('d', sets(), { total_groups: 4 })),
    /^dataset: d\/train\/dataset\.json: expected total_groups to be 3, those of its sets together, got 4/,
  )
  assert.match(
    await refusal(directory('d', sets(), { total_puzzles: 2 })),
    /dataset\.json: expected total_puzzles to be 3, those of its sets together, got 2/,
  )
  assert.is(
    (await openDataset([directory('d', sets(), { total_puzzles: undefined })], 'train')).metadata.totalPuzzles,
    3,
  )
  const wrong = directory('d', sets())
  wrong.files.set('train/b__labels.npy', wrong.files.get('train/a__labels.npy')!)
  assert.match(await refusal(wrong), /^dataset: d\/train\/b__labels\.npy: expected 1 rows as in inputs, got 2/)
})

test('a folder of one split given as the directory is an error with a hint', async () => {
  const { files, open } = directory('d', { all: counting(1, [1]) })
  assert.match(
    await refusal({ name: 'd/train', open: path => open(`train/${path}`) }),
    /train\/train\/dataset\.json: no such file or directory — d\/train is one split, give the directory that holds it$/,
  )
  assert.is(files.size, 6)
})

test('directories that are used together have to agree', async () => {
  const sets = { all: counting(1, [1]) }
  const fields = {
    seq_len: 2,
    vocab_size: 101,
    pad_id: 1,
    ignore_label_id: null,
    blank_identifier_id: 1,
    num_puzzle_identifiers: 3,
    sets: ['other'],
  }
  for (const [field, value] of Object.entries(fields)) {
    const message = await refusal(directory('a', sets), directory('b', sets, { [field]: value }))
    assert.match(
      message,
      new RegExp(
        `^dataset: b/train/dataset\\.json: expected ${field} .* as in a/train/dataset\\.json, got .* — ` +
          'directories that are used together have to agree$',
      ),
    )
  }
})

test.run()
