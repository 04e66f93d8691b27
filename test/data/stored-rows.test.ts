// Rows that stay in their files: the same batches as from memory, in few reads, and every value is checked.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { testBatches, TrainingBatches, type Batch } from '../../src/data/batches.js'
import {
  exampleCount,
  singleExampleDataset,
  writeDataset,
  type Dataset,
  type StoredDataset,
} from '../../src/data/dataset.js'
import { openDataset, pickedDirectory, type DatasetDirectory } from '../../src/data/directory.js'
import { Random } from '../../src/data/random.js'
import { parseNpy, writeNpy, type NpyArray, type NpyDtype } from '../../src/formats/npy.js'
import { openSource } from '../../src/formats/open-file.js'
import { fingerprint } from '../../src/trm/training/resume.js'

/** 60 examples of 4 cells in 20 puzzles of 0 … 6 in 7 groups; the labels say which row they are of. */
function random(): Dataset {
  const seed = new Random(5)
  const sizes = Array.from({ length: 19 }, () => seed.below(7))
  const total = sizes.reduce((a, b) => a + b, 0)
  const puzzleIndices = Int32Array.from([
    0,
    ...sizes.map(
      (
        sum => size =>
          (sum += size)
      )(0),
    ),
    total + 3,
  ])
  const [rows, cells] = [total + 3, 4]
  return {
    metadata: {
      padId: 0,
      ignoreLabelId: 0,
      blankPuzzleId: 0,
      vocabulary: 120,
      cells,
      puzzles: 21,
      totalGroups: 7,
      meanPuzzleExamples: rows / 20,
      totalPuzzles: 20,
      sets: ['all'],
    },
    inputs: Uint8Array.from({ length: rows * cells }, () => seed.below(120)),
    labels: Int8Array.from({ length: rows * cells }, (_, i) => (i % 4 === 3 ? -100 : 1 + Math.floor(i / 4))),
    puzzleIds: Int32Array.from({ length: 20 }, (_, i) => i + 1),
    puzzleIndices,
    groupIndices: Int32Array.of(0, 1, 4, 5, 9, 10, 19, 20),
  }
}

interface Counted extends DatasetDirectory {
  /** Bytes of each read of a table, and how many files are open. */
  reads: number[]
  open: DatasetDirectory['open']
  opened: Set<string>
}

/** The files of a dataset as a directory that counts, each a Blob or bytes. */
function directoryOf(files: Map<string, Uint8Array>, asBlob = false): Counted {
  const [reads, opened]: [number[], Set<string>] = [[], new Set()]
  const open = async (path: string) => {
    const bytes = files.get(path)!
    const source = openSource(asBlob ? new Blob([bytes as BlobPart]) : bytes)
    opened.add(path)
    return {
      size: source.size,
      read: (at: number, length: number) => {
        if (/inputs|labels/.test(path) && at > 0) reads.push(length)
        return source.read(at, length)
      },
      close: async () => void opened.delete(path),
    }
  }
  return { name: 'd', open, reads, opened }
}

const stored = async (directory: DatasetDirectory) => (await openDataset([directory], 'train', 0)) as StoredDataset

const batchesOf = async (dataset: Dataset | StoredDataset, count: number) => {
  const batches = new TrainingBatches(dataset, { batchSize: 8, seed: 3 })
  const all: Batch[] = []
  for (let i = 0; i < count; i++) all.push(await batches.next())
  return { all, state: batches.state }
}

test('the same batches, in the same order, as from memory; also from Blobs', async () => {
  const dataset = random()
  const expected = await batchesOf(dataset, 40)
  const tests: Batch[] = []
  for await (const batch of testBatches(dataset, 7)) tests.push(batch)
  for (const asBlob of [false, true]) {
    const directory = directoryOf(writeDataset(dataset, 'train'), asBlob)
    const files = await stored(directory)
    assert.equal([...directory.opened], ['train/all__inputs.npy', 'train/all__labels.npy'])
    assert.is(directory.reads.length, 0, 'nothing is read before it is drawn')
    assert.equal(await batchesOf(files, 40), expected)
    let i = 0
    for await (const batch of testBatches(files, 7)) assert.equal(batch, tests[i++])
    assert.is(i, tests.length)
    await files.close()
    assert.is(directory.opened.size, 0)
  }
})

test('a directory that was picked in a page', async () => {
  const files = [...writeDataset(random(), 'train')].map(
    ([path, bytes]) =>
      Object.assign(new Blob([bytes as BlobPart]), {
        webkitRelativePath: `arc/${path}`,
        name: path.split('/')[1],
      }) as File,
  )
  const hidden = Object.assign(new Blob(['x']), {
    webkitRelativePath: 'arc/train/._all__inputs.npy',
    name: '._all__inputs.npy',
  }) as File
  assert.equal(await openDataset([pickedDirectory([hidden, ...files])], 'train'), random())
  await openDataset([pickedDirectory(files.slice(1))], 'train').then(
    () => assert.unreachable(),
    ({ message }) =>
      assert.match(message, /^dataset arc\/train\/dataset\.json: it is not among the 5 files that were picked/),
  )
})

test('every width and byte order of integers', async () => {
  const dataset = random()
  for (const [dtype, Type] of Object.entries({
    u2: Uint16Array,
    i4: Int32Array,
    i8: BigInt64Array,
    u8: BigUint64Array,
  }) as [NpyDtype, typeof Int32Array][]) {
    const files = writeDataset(dataset, 'train')
    for (const name of ['inputs', 'labels']) {
      const { shape, data } = parseNpy(files.get(`train/all__${name}.npy`)!)
      files.set(
        `train/all__${name}.npy`,
        writeNpy({
          shape,
          dtype,
          data: Type.from(
            Array.from(data as Uint8Array, Type.name.startsWith('Big') ? (BigInt as unknown as typeof Number) : Number),
          ),
        } as NpyArray),
      )
    }
    assert.equal(await batchesOf(await stored(directoryOf(files)), 5), await batchesOf(dataset, 5), dtype)
    assert.equal(await openDataset([directoryOf(files)], 'train'), dataset, dtype)
  }
})

test('rows that lie together are read at once', async () => {
  const inputs = Uint8Array.from({ length: 40 * 900 }, (_, i) => 1 + (i % 11))
  const dataset = singleExampleDataset({
    inputs,
    labels: Int8Array.from(inputs),
    cells: 900,
    vocabulary: 12,
    groupSize: 1,
  })
  const directory = directoryOf(writeDataset(dataset, 'train'))
  const files = await stored(directory)
  const rows = exampleCount(dataset)
  for await (const { count } of testBatches(files, rows)) assert.is(count, rows)
  assert.equal(directory.reads, [rows * 900, rows * 900])
  directory.reads.length = 0
  // Between rows 0 and 30 there are more bytes than are worth reading.
  const cells = new Int32Array(4 * 900)
  await files.read(Int32Array.of(31, 0, 2, 30), cells, cells.slice())
  assert.equal(
    directory.reads.sort((a, b) => a - b),
    [2, 2, 3, 3].map(count => count * 900),
  )
  assert.equal(cells.slice(0, 900), Int32Array.from(dataset.inputs.slice(31 * 900, 32 * 900)))
})

test('a state is that behind the batch that was given, not behind what is read ahead', async () => {
  const dataset = await stored(directoryOf(writeDataset(random(), 'train')))
  const whole = new TrainingBatches(dataset, { batchSize: 8, seed: 1 })
  const start = whole.state
  const first = await whole.next()
  const { state } = whole
  const rest = [await whole.next(), await whole.next()]
  assert.equal(await TrainingBatches.restore(dataset, start).next(), first)
  const again = TrainingBatches.restore(dataset, state)
  assert.equal([await again.next(), await again.next()], rest)
})

test('a wrong value gives an error with its row when it is drawn, and not before', async () => {
  const cases: [string, number, RegExp][] = [
    [
      'inputs',
      120,
      /^dataset: d\/train\/all__inputs\.npy: expected tokens of 0 … 119, got 120 at row 33, cell 2 — rebuild/,
    ],
    [
      'labels',
      250,
      /^dataset: d\/train\/all__labels\.npy: expected labels of 0 … 119, got 250 at row 33, cell 2 — rebuild/,
    ],
  ]
  for (const [name, value, pattern] of cases) {
    const files = writeDataset(random(), 'train')
    files.get(`train/all__${name}.npy`)![128 + 4 * 33 + 2] = value
    await openDataset([directoryOf(files)], 'train').then(
      () => assert.unreachable(),
      ({ message }) => assert.match(message, pattern),
    )
    const dataset = await stored(directoryOf(files))
    const out = new Int32Array(8)
    await dataset.read(Int32Array.of(32, 34), out, out.slice())
    await dataset.read(Int32Array.of(32, 33), out, out.slice()).then(
      () => assert.unreachable(),
      ({ message }) => assert.match(message, pattern),
    )
    let seen = 0
    try {
      for await (const { count } of testBatches(dataset, 10)) seen += count
      assert.unreachable()
    } catch (error) {
      assert.match((error as Error).message, pattern)
    }
    assert.is(seen, 30)
    for await (const { count } of testBatches(dataset, 10, 33)) seen += count
    assert.is(seen, 63, 'what is not asked for is not read')
  }
})

test('Fortran order: a table that fits memory is turned, a larger one is refused', async () => {
  const dataset = random()
  const files = writeDataset(dataset, 'train')
  const {
    shape: [rows, cells],
    data,
  } = parseNpy(files.get('train/all__inputs.npy')!)
  const turned = writeNpy({
    shape: [rows, cells],
    dtype: 'u1',
    data: Uint8Array.from(
      data as Uint8Array,
      (_, i) => (data as Uint8Array)[(i % rows) * cells + Math.floor(i / rows)],
    ),
  })
  turned.set(
    new TextEncoder().encode('True '),
    new TextDecoder('latin1').decode(turned.subarray(0, 128)).indexOf('False'),
  )
  files.set('train/all__inputs.npy', turned)
  assert.equal(await openDataset([directoryOf(files)], 'train'), dataset)
  const directory = directoryOf(files)
  await stored(directory).then(
    () => assert.unreachable(),
    ({ message }) =>
      assert.match(
        message,
        new RegExp(
          '^dataset: d/train/all__inputs\\.npy: expected C order in a table of \\d+ bytes, .* — ' +
            'save numpy\\.ascontiguousarray\\(array\\) instead$',
        ),
      ),
  )
  assert.is(directory.opened.size, 0)
  turned[128 + 2 * rows + 33] = 200
  await openDataset([directoryOf(files)], 'train').then(
    () => assert.unreachable(),
    ({ message }) => assert.match(message, /got 200 at row 33, cell 2/),
  )
})

test('the fingerprint of tables in files goes by a sample of the rows, and by everything else', async () => {
  const [one, same, other] = [random(), random(), random()]
  other.inputs[0] = (other.inputs[0] + 1) % 120
  const prints = await Promise.all(
    [one, same, other].map(async dataset => fingerprint(await stored(directoryOf(writeDataset(dataset, 'train'))))),
  )
  assert.is(prints[0], prints[1])
  assert.is.not(prints[0], prints[2])
})

test.run()
