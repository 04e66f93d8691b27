// Dataset directories: the official one, round trips, and every way in which a directory can be wrong.
import { existsSync, readFileSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import {
  DATASET_PATHS,
  exampleCount,
  IGNORE_LABEL,
  writeDataset,
  writeIdentifiers,
  type Dataset,
} from '../../src/data/dataset.js'
import { readDataset, readIdentifiers } from '../../src/data/directory.js'
import { Random } from '../../src/data/random.js'
import { parseNpy, writeNpy, type NpyArray } from '../../src/formats/npy.js'
import { sharedPath } from './shared.js'

const from = (files: Map<string, Uint8Array>) => async (path: string) => {
  const bytes = files.get(path)
  if (!bytes) throw new Error(`no file ${path}`)
  return bytes
}

/** 5 examples of 3 cells in 3 puzzles in 2 groups. */
const small = (): Dataset => ({
  metadata: {
    padId: 0,
    ignoreLabelId: 0,
    blankPuzzleId: 0,
    vocabulary: 6,
    cells: 3,
    puzzles: 4,
    totalGroups: 2,
    meanPuzzleExamples: 5 / 3,
    totalPuzzles: 3,
    sets: ['all'],
  },
  inputs: Uint8Array.from([0, 1, 2, 3, 4, 5, 1, 1, 1, 2, 2, 2, 3, 3, 3]),
  labels: Int8Array.from([IGNORE_LABEL, 1, 2, 3, 4, 5, 1, 1, IGNORE_LABEL, 2, 2, 2, 3, 3, 3]),
  puzzleIds: Int32Array.of(1, 2, 3),
  puzzleIndices: Int32Array.of(0, 2, 3, 5),
  groupIndices: Int32Array.of(0, 2, 3),
})

const json = (files: Map<string, Uint8Array>, path: string) => JSON.parse(new TextDecoder().decode(files.get(path)))

test('a dataset survives writing and reading', async () => {
  for (const split of ['train', 'test'] as const) {
    const files = new Map([...writeDataset(small(), split), ...writeIdentifiers(['<blank>', 'a', 'b', 'c'])])
    for (const path of files.keys()) assert.ok(DATASET_PATHS.includes(path))
    assert.equal(await readDataset(from(files), split), small())
    assert.equal(await readIdentifiers(from(files)), ['<blank>', 'a', 'b', 'c'])
    assert.equal(
      parseNpy(files.get(`${split}/all__labels.npy`)!).data,
      Uint8Array.from([0, 1, 2, 3, 4, 5, 1, 1, 0, 2, 2, 2, 3, 3, 3]),
    )
    assert.equal(Object.keys(json(files, `${split}/dataset.json`)), [
      'pad_id',
      'ignore_label_id',
      'blank_identifier_id',
      'vocab_size',
      'seq_len',
      'num_puzzle_identifiers',
      'total_groups',
      'mean_puzzle_examples',
      'total_puzzles',
      'sets',
    ])
  }
})

test('large vocabularies are kept in 32 bits', async () => {
  const dataset = small()
  dataset.metadata.vocabulary = 1000
  dataset.inputs = Int32Array.from(dataset.inputs, token => token * 100)
  dataset.labels = Int32Array.from(dataset.labels, label => (label === IGNORE_LABEL ? label : label * 100))
  const files = writeDataset(dataset, 'train')
  assert.is(parseNpy(files.get('train/all__inputs.npy')!).dtype, 'i4')
  assert.equal(await readDataset(from(files), 'train'), dataset)
})

test('the official directory loads, and is written with the same arrays, byte for byte', async () => {
  const folder = sharedPath('goldens/arc/data')
  if (!existsSync(folder)) return console.log(`skipped: ${folder} is absent`)
  const read = async (path: string) => new Uint8Array(readFileSync(`${folder}/${path}`))
  for (const split of ['train', 'test'] as const) {
    const dataset = await readDataset(read, split, folder)
    assert.is(dataset.metadata.cells, 900)
    assert.is(dataset.labels.length, exampleCount(dataset) * 900)
    assert.ok(dataset.labels.includes(IGNORE_LABEL) && !dataset.labels.includes(0))
    const files = writeDataset(dataset, split)
    for (const [path, bytes] of files) {
      if (path.endsWith('.npy')) assert.is(Buffer.compare(bytes, await read(path)), 0, path)
      else assert.equal(json(files, path), JSON.parse(new TextDecoder().decode(await read(path))))
    }
  }
  assert.is((await readIdentifiers(read))[0], '<blank>')
})

test('total_puzzles may be missing, arrays may be wider, ignore_label_id may be null', async () => {
  const files = writeDataset(small(), 'train')
  const { total_puzzles: _, ...rest } = json(files, 'train/dataset.json')
  files.set('train/dataset.json', new TextEncoder().encode(JSON.stringify({ ...rest, ignore_label_id: null })))
  for (const name of ['inputs', 'labels', 'puzzle_indices']) {
    const path = `train/all__${name}.npy`
    const { shape, data } = parseNpy(files.get(path)!)
    files.set(path, writeNpy({ shape, dtype: 'i8', data: BigInt64Array.from(Array.from(data as Uint8Array, BigInt)) }))
  }
  const dataset = await readDataset(from(files), 'train')
  assert.is(dataset.metadata.totalPuzzles, 3)
  assert.equal([...dataset.labels], [0, 1, 2, 3, 4, 5, 1, 1, 0, 2, 2, 2, 3, 3, 3])
})

test('every disagreement is named with the file', async () => {
  const refuse = async (path: string, change: (files: Map<string, Uint8Array>) => void, pattern: RegExp) => {
    const files = writeDataset(small(), 'train')
    change(files)
    try {
      await readDataset(from(files), 'train', '/x')
    } catch (error) {
      const { message } = error as Error
      assert.match(message, pattern)
      assert.ok(message.startsWith(`dataset: /x/train/${path}`) && !message.includes('\n'), message)
      return
    }
    assert.unreachable(`${path} ${pattern}`)
  }
  const meta = (change: Record<string, unknown>) => (files: Map<string, Uint8Array>) => {
    files.set(
      'train/dataset.json',
      new TextEncoder().encode(JSON.stringify({ ...json(files, 'train/dataset.json'), ...change })),
    )
  }
  const array = (name: string, value: NpyArray) => (files: Map<string, Uint8Array>) =>
    files.set(`train/all__${name}.npy`, writeNpy(value))
  const i4 = (...data: number[]): NpyArray => ({ shape: [data.length], dtype: 'i4', data: Int32Array.from(data) })
  const u1 = (rows: number, ...data: number[]): NpyArray => ({
    shape: [rows, data.length / rows],
    dtype: 'u1',
    data: Uint8Array.from(data),
  })

  await refuse('dataset.json', files => files.set('train/dataset.json', Uint8Array.of(123)), /expected JSON/)
  await refuse(
    'dataset.json',
    files => files.set('train/dataset.json', new TextEncoder().encode('[]')),
    /expected an object/,
  )
  for (const field of [
    'pad_id',
    'vocab_size',
    'seq_len',
    'num_puzzle_identifiers',
    'total_groups',
    'mean_puzzle_examples',
    'blank_identifier_id',
    'ignore_label_id',
  ]) {
    await refuse(
      'dataset.json',
      meta({ [field]: undefined }),
      new RegExp(`expected ${field} to be a .*number.*, got nothing`),
    )
    await refuse('dataset.json', meta({ [field]: '3' }), new RegExp(`expected ${field} .* got "3"`))
  }
  await refuse('dataset.json', meta({ seq_len: 0 }), /expected seq_len/)
  for (const sets of [undefined, [], 'all'])
    await refuse('dataset.json', meta({ sets }), /expected sets to be a list of names such as \["all"\], got /)
  for (const set of ['../all', '', '.all', 'a\u001b', 3])
    await refuse(
      'dataset.json',
      meta({ sets: ['all', set] }),
      /expected the names in sets to begin file names, got (["3])/,
    )
  await refuse('dataset.json', meta({ sets: ['all', 'all'] }), /expected different names in sets, got \["all","all"\]/)
  await refuse('dataset.json', meta({ pad_id: '\u009b\u202e' }), /got "\\u009b\\u202e"/)
  await refuse(
    'dataset.json',
    files => files.set('train/dataset.json', new TextEncoder().encode('\u001b[2J')),
    /expected JSON, got something else — [ -~]*$/,
  )
  await refuse('dataset.json', meta({ pad_id: 6 }), /pad_id below vocab_size 6, got 6/)
  await refuse('dataset.json', meta({ blank_identifier_id: 4 }), /blank_identifier_id below/)
  await refuse(
    'all__inputs.npy',
    meta({ seq_len: 5 }),
    /expected shape \(N, 5\), got \(5, 3\) — rebuild the directory with "trm data"/,
  )
  await refuse(
    'all__inputs.npy',
    files => files.set('train/all__inputs.npy', files.get('train/all__inputs.npy')!.slice(0, 130)),
    /truncated/,
  )
  await refuse('all__inputs.npy', array('inputs', i4(1, 2, 3)), /expected shape \(N, 3\), got \(3\)/)
  await refuse(
    'all__inputs.npy',
    array('inputs', u1(5, 6, ...new Array(14).fill(1))),
    /tokens of 0 … 5, got 6 at row 0, cell 0/,
  )
  await refuse(
    'all__inputs.npy',
    array('inputs', { shape: [5, 3], dtype: 'i4', data: Int32Array.from([...new Array(14).fill(1), 257]) }),
    /got 257 at row 4, cell 2/,
  )
  await refuse(
    'all__labels.npy',
    array('labels', u1(5, ...new Array(14).fill(1), 9)),
    /labels of 0 … 5, got 9 at row 4, cell 2/,
  )
  await refuse(
    'all__labels.npy',
    array('labels', u1(4, ...new Array(12).fill(1))),
    /expected 5 rows as in inputs, got 4/,
  )
  await refuse('all__puzzle_identifiers.npy', array('puzzle_identifiers', i4(1, 2)), /3 puzzles .* got 2/)
  await refuse(
    'all__puzzle_identifiers.npy',
    array('puzzle_identifiers', i4(1, 2, 4)),
    /identifiers of 0 … 3, got 4 at puzzle 2/,
  )
  await refuse(
    'all__puzzle_identifiers.npy',
    array('puzzle_identifiers', { shape: [3], dtype: 'f4', data: new Float32Array(3) }),
    /expected integers/,
  )
  await refuse(
    'all__puzzle_indices.npy',
    array('puzzle_indices', i4(0, 2, 5)),
    /expected 4 numbers for 3 puzzles, got 3/,
  )
  await refuse('all__puzzle_indices.npy', array('puzzle_indices', i4(1, 2, 3, 5)), /the first number to be 0, got 1/)
  await refuse(
    'all__puzzle_indices.npy',
    array('puzzle_indices', i4(0, 3, 2, 5)),
    /do not fall, got 3 then 2 at element 2/,
  )
  await refuse('all__puzzle_indices.npy', array('puzzle_indices', i4(0, 2, 3, 6)), /the last number to be 5, got 6/)
  await refuse('all__group_indices.npy', array('group_indices', i4(0, 0, 3)), /numbers that rise, got 0 then 0/)
  await refuse('all__group_indices.npy', array('group_indices', i4(0, 3)), /3 numbers for 2 groups, got 2/)
})

test('labels that cannot be stored are refused', () => {
  const dataset = small()
  dataset.metadata.ignoreLabelId = null
  assert.throws(() => writeDataset(dataset, 'train'), /ignore_label_id that fits the file/)
})

test('random damage either loads or throws an Error', async () => {
  const random = new Random(6)
  const original = writeDataset(small(), 'train')
  let refused = 0
  for (let i = 0; i < 1000; i++) {
    const files = new Map([...original].map(([path, bytes]) => [path, bytes.slice()]))
    const path = [...files.keys()][random.below(files.size)]
    const bytes = files.get(path)!
    if (random.below(4) === 0) files.set(path, bytes.slice(0, random.below(bytes.length)))
    else bytes[random.below(bytes.length)] = random.below(256)
    try {
      exampleCount(await readDataset(from(files), 'train'))
    } catch (error) {
      refused++
      assert.match((error as Error).message, /^dataset: /)
    }
  }
  assert.ok(refused > 100)
})

test.run()
