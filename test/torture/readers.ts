// Every reader of files with a sample file, for mutations; most run as a command does. No test is here.
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import * as assert from 'uvu/assert'
import YAML from 'yaml'
import { dataCommand } from '../../src/cli/data.js'
import { exportCommand } from '../../src/cli/export.js'
import { datasetDirectory, datasetFiles } from '../../src/cli/files.js'
import { readGridTask } from '../../src/cli/grids.js'
import { importCommand } from '../../src/cli/import.js'
import { scoreCommand } from '../../src/cli/score.js'
import { giveSettings } from '../../src/cli/settings.js'
import { testBatches, TrainingBatches } from '../../src/data/batches.js'
import { exampleCount } from '../../src/data/dataset.js'
import { openDataset, readDataset, readIdentifiers } from '../../src/data/directory.js'
import { generateSudoku } from '../../src/data/sudoku.js'
import { tasks } from '../../src/data/tasks.js'
import type { Engine } from '../../src/engine/index.js'
import { parseNpy, writeNpy } from '../../src/formats/npy.js'
import { parseSafetensors, type StoredTensor, writeSafetensors } from '../../src/formats/safetensors.js'
import { readTorch as readTensors } from '../../src/formats/torch.js'
import { writeTorch } from '../../src/formats/torch-write.js'
import { readZip, writeZip } from '../../src/formats/zip.js'
import { readCheckpoint, saveCheckpoint } from '../../src/trm/published/checkpoint.js'
import { readTorch } from '../../src/trm/published/foreign.js'
import { Trm } from '../../src/trm/model.js'
import { fingerprint, readTraining, restoreTraining } from '../../src/trm/training/resume.js'
import { presets, resolveRun } from '../../src/trm/published/settings.js'
import { train } from '../../src/trm/training/train.js'
import { Trainer } from '../../src/trm/training/trainer.js'
import { here } from '../cli/here.js'
import { rootFolder } from '../files.js'
import { ATTENTION } from '../trm/samples.js'
import { words } from '../cli/words.js'

export interface Reader {
  name: string
  sample: Uint8Array
  /** Reads a file, and uses the result as far as that is cheap. */
  read(bytes: Uint8Array): unknown
  /** Pattern of all messages: they name the file, or the part of the program. */
  clear: RegExp
  /** Bytes at the beginning that are changed, where the rest is numbers. */
  within?: number
}

const text = (...lines: string[]) => new TextEncoder().encode(`${lines.join('\n')}\n`)

/** Length of a safetensors file before its numbers, in bytes. */
const headerOf = (file: Uint8Array) => 8 + Number(new DataView(file.buffer, file.byteOffset).getBigUint64(0, true))

/** A directory that commands wrote can be read again. */
async function checkDirectory(directory: string): Promise<void> {
  for (const split of ['train', 'test'] as const) {
    const dataset = await readDataset(datasetFiles(directory), split, directory)
    assert.ok(exampleCount(dataset) > 0)
    for await (const { inputs } of testBatches(dataset, 4))
      assert.ok(inputs.every(token => token >= 0 && token < dataset.metadata.vocabulary))
  }
}

/** All readers; their files lie in a folder of their own, which `release` removes. */
export async function openReaders(engine: Engine): Promise<{ readers: Reader[]; release(): void }> {
  const folder = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'trm-readers-'))
  const path = (...parts: string[]) => join(folder, ...parts)
  const root = await rootFolder()
  const [out, data, arc, gridData] = ['out', 'data', 'arc', 'grid-data'].map(name => path(name))
  /** Puts the bytes into a file. */
  const put = (name: string, bytes: Uint8Array) => {
    writeFileSync(path(name), bytes)
    return path(name)
  }

  /** `trm data …` on a file, and what it wrote. */
  const building = (name: string, file: string, sample: Uint8Array, ...args: string[]): Reader => ({
    name,
    sample,
    clear: /^(.*\/FILE[^/]*|sudoku|maze|arc|grids|trm data \w+|dataset|data)\b.*: /,
    async read(bytes) {
      rmSync(out, { recursive: true, force: true })
      const given = put(file, bytes)
      await here(dataCommand, ...args.map(arg => (arg === 'FILE' ? given : arg)), '--out', out)
      await checkDirectory(out)
    },
  })

  const sudokus = text(
    'source,question,answer,rating',
    ...['1234341221434321', '3412123443212143'].map(
      (answer, i) => `"s, ${i}",${answer.replace(/[12]/g, i ? '.' : '0')},${answer},${3 * i}`,
    ),
  )
  const mazes = text('source,question,answer,rating', 'a,S ## ##G#,So##o##G#,3', 'b,G ## ##S#,Go##o##S#,3')
  // With 17 clues each.
  const clues = text(
    '000000010400000000020000000000050407008000300001090000300400200050100000000806000',
    '000000012000035000000600070700000300000400800100000000000120000080000040050000600',
    '# a remark',
  )
  const goodClues = put('sudokus.txt', clues)
  const [goodSudokus, goodMazes] = [put('sudoku.csv', sudokus), put('maze.csv', mazes)]

  const tasksJson = {
    aaaa1111: {
      train: [
        {
          input: [
            [1, 2],
            [3, 4],
          ],
          output: [
            [4, 3],
            [2, 1],
          ],
        },
      ],
      test: [{ input: [[5, 6]], output: [[6, 5]] }],
    },
    bbbb2222: {
      train: [
        { input: [[0]], output: [[9]] },
        { input: [[7, 7, 7]], output: [[8], [8], [8]] },
      ],
      test: [
        { input: [[1]], output: [[2]] },
        { input: [[2]], output: [[3]] },
      ],
    },
  }
  const challenges = Object.fromEntries(
    Object.entries(tasksJson).map(([id, { train, test }]) => [
      id,
      { train, test: test.map(({ input }) => ({ input })) },
    ]),
  )
  const solutions = Object.fromEntries(
    Object.entries(tasksJson).map(([id, { test }]) => [id, test.map(({ output }) => output)]),
  )
  writeFileSync(path('arc-agi_training_challenges.json'), JSON.stringify(challenges))
  writeFileSync(path('arc-agi_training_solutions.json'), JSON.stringify(solutions))
  const kaggle = ['arc', '--train', path('arc-agi'), ...words('--subsets training --test-set training --augment 1')]
  await here(dataCommand, ...kaggle, '--out', arc)
  const puzzles = new Uint8Array(readFileSync(join(arc, 'test_puzzles.json')))
  /** `trm data arc` with one of its files changed. */
  const tasking = (name: string, file: string): Reader => {
    const sample = new Uint8Array(readFileSync(path(file)))
    return {
      name,
      sample,
      clear: /^(.*\.json\b.*|arc): /,
      async read(bytes) {
        rmSync(out, { recursive: true, force: true })
        put(file, bytes)
        try {
          await here(dataCommand, ...kaggle, '--out', out)
          await checkDirectory(out)
        } finally {
          put(file, sample)
        }
      },
    }
  }

  const lines = text(
    '{"input": ["#.S", "#.#"], "output": "S.#/#.#"}',
    '{"input": [[0,1],[2,3]], "output": [[3,2],[1,0]]}',
  )
  const gridTable = text('input,output', '#.S/#.#,S.#/#.#', '"ab', 'cd","ba', 'dc"')
  const goodGrids = put('good.jsonl', lines)
  await here(dataCommand, 'grids', '--train', goodGrids, '--test', goodGrids, '--out', gridData)

  const { train: learned } = generateSudoku({ size: 4, train: 20, test: 2, clues: 8 })
  await here(dataCommand, ...words('generate sudoku --size 4 --clues 8 --train 6 --test 2 --out'), data)
  /** A file of a dataset directory, which is read as for training. */
  const directoryOf = (directory: string, file: string): Reader => {
    const sample = new Uint8Array(readFileSync(join(directory, file)))
    return {
      name: `dataset directory, ${file.replace('all__', '')}`,
      sample,
      clear: /^(dataset|.*\.(json|npy))\b.*: /,
      async read(bytes) {
        writeFileSync(join(directory, file), bytes)
        try {
          await readIdentifiers(datasetFiles(directory), directory)
          await readGridTask(directory)
          await checkDirectory(directory)
          // Tables in memory, and rows that are read when they are drawn.
          for (const keptBytes of [undefined, 0]) {
            const dataset = await openDataset([datasetDirectory(directory)], 'train', keptBytes)
            const { count } = await new TrainingBatches(dataset, { batchSize: 3, seed: 1 }).next()
            assert.is(count, 3)
            if ('close' in dataset) await dataset.close()
          }
        } finally {
          writeFileSync(join(directory, file), sample)
        }
      },
    }
  }

  const config = {
    ...ATTENTION,
    hidden: 4,
    heads: 1,
    puzzleWidth: 4,
    puzzles: 1,
    vocabulary: learned.metadata.vocabulary,
    cells: learned.metadata.cells,
  }
  const model = Trm.create(engine, config)
  const checkpoint = await saveCheckpoint(model, { step: '5' })
  const { tensors } = readCheckpoint(checkpoint, 'FILE')
  const torch = writeTorch(tensors)
  await here(
    exportCommand,
    '--checkpoint',
    put('good.safetensors', checkpoint),
    '--out',
    path('good.pt'),
    '--config-out',
    path('arch.yaml'),
  )
  const options = { batchSize: 2, steps: 4, logInterval: 1, warmupSteps: 1 }
  let state: Uint8Array | undefined
  for await (const { saveTraining } of train(model, learned, options)) state = await saveTraining()
  const trainer = new Trainer(Trm.create(engine, config, { seed: 5 }), { batchSize: 2, totalSteps: 4, warmupSteps: 1 })
  const print = await fingerprint(learned)
  let before = await saveCheckpoint(trainer.model)
  const resume = async (bytes: Uint8Array) => {
    try {
      const batches = restoreTraining(trainer, learned, readTraining(bytes, 'FILE'), { data: print })
      for (let i = 0; i < 3; i++) assert.is((await batches.next()).inputs.length, 2 * config.cells)
      before = await saveCheckpoint(trainer.model)
    } catch (error) {
      assert.equal(await saveCheckpoint(trainer.model), before, 'nothing is overwritten')
      throw error
    }
  }
  const ofModel = /^(FILE|config)\b.*: /
  const readsModel = (bytes: Uint8Array) => {
    for (const { shape, data } of readCheckpoint(bytes, 'FILE').tensors.values())
      assert.is(
        data.length,
        shape.reduce((a, b) => a * b, 1),
      )
  }
  const golden = new Uint8Array(readFileSync(join(root, 'test/goldens/trm-att-rope.safetensors')))
  const fixture = (name: string) => new Uint8Array(readFileSync(join(root, 'test/formats/fixtures', name)))

  const count = 3
  const stored: [string, StoredTensor][] = [
    ['inputs', { dtype: 'I32', shape: [count, 900], data: new Int32Array(count * 900) }],
    ['preds', { dtype: 'I32', shape: [count, 900], data: new Int32Array(count * 900).fill(3) }],
    ['puzzle_identifiers', { dtype: 'I32', shape: [count], data: Int32Array.of(1, 2, 1) }],
    ['q_halt_logits', { dtype: 'F32', shape: [count], data: Float32Array.of(1, -1, 0.5) }],
  ]
  const predictions = writeSafetensors(stored)
  /** `trm score arc`. */
  const scoring = (name: string, file: string, sample: Uint8Array, within?: number): Reader => ({
    name,
    sample,
    within,
    clear: /^(.*\/FILE\.\w+|arc)\b.*: /,
    read: bytes => here(scoreCommand, 'arc', '--data', arc, '--predictions', put(file, bytes), '--out', path('score')),
  })

  const settings = (name: string, sample: string): Reader => ({
    name,
    sample: text(sample),
    clear: /^config/,
    async read(bytes) {
      const { config, options } = resolveRun(
        (await giveSettings({ command: 'trm train', config: put('config.yaml', bytes), pairs: [] })).settings,
        learned.metadata,
      )
      assert.ok(Number.isInteger(config.hidden) && options.steps >= 1)
    },
  })

  const readers: Reader[] = [
    building('Sudoku table', 'FILE.csv', sudokus, 'sudoku', '--train', 'FILE', '--test', goodSudokus, '--augment', '1'),
    building(
      'Sudoku table, gzip',
      'FILE.csv.gz',
      new Uint8Array(gzipSync(sudokus)),
      'sudoku',
      '--train',
      'FILE',
      '--test',
      goodSudokus,
    ),
    building('lines of Sudokus without answers', 'FILE.txt', clues, 'sudoku', '--train', 'FILE', '--test', goodClues),
    building('maze table', 'FILE.csv', mazes, 'maze', '--train', 'FILE', '--test', goodMazes, '--augment', '1'),
    building('grids, JSON Lines', 'FILE.jsonl', lines, 'grids', '--train', 'FILE', '--test', goodGrids),
    building('grids, table', 'FILE.csv', gridTable, 'grids', '--train', 'FILE', '--test', goodGrids),
    tasking('ARC tasks', 'arc-agi_training_challenges.json'),
    tasking('ARC solutions', 'arc-agi_training_solutions.json'),
    ...[
      'train/dataset.json',
      'train/all__inputs.npy',
      'train/all__labels.npy',
      'train/all__puzzle_indices.npy',
      'train/all__group_indices.npy',
      'train/all__puzzle_identifiers.npy',
      'test/dataset.json',
      'identifiers.json',
    ].map(file => directoryOf(data, file)),
    directoryOf(gridData, 'grids.json'),
    {
      name: 'npy',
      sample: writeNpy({ shape: [3, 2], dtype: 'i4', data: Int32Array.of(1, 2, 3, 4, 5, 6) }),
      clear: /^FILE\b.*: /,
      read: bytes => parseNpy(bytes, 'FILE'),
    },
    {
      name: 'safetensors',
      sample: checkpoint,
      within: headerOf(checkpoint),
      clear: /^FILE\b.*: /,
      read: bytes => parseSafetensors(bytes, 'FILE'),
    },
    {
      name: 'zip',
      sample: writeZip([
        ['a/b', text('hello')],
        ['c', new Uint8Array(40)],
      ]),
      clear: /^FILE\b.*: /,
      read: bytes => readZip(bytes, 'FILE'),
    },
    ...['dtypes.pt', 'module.pt', 'training.pt', 'views.pt', 'compiled.pt', 'trm-attention.pt'].map((file): Reader => ({
      name: `torch, ${file}`,
      sample: fixture(file),
      clear: /^FILE\b.*: /,
      read: bytes => readTensors(bytes, 'FILE'),
    })),
    { name: 'checkpoint, header', sample: checkpoint, within: headerOf(checkpoint), clear: ofModel, read: readsModel },
    { name: 'checkpoint', sample: checkpoint, clear: ofModel, read: readsModel },
    { name: 'recording as checkpoint', sample: golden, within: headerOf(golden), clear: ofModel, read: readsModel },
    {
      name: 'checkpoint in .pt',
      sample: torch,
      clear: ofModel,
      read: bytes => readCheckpoint(bytes, 'FILE', { config, readTorch }),
    },
    {
      name: 'trm import',
      sample: torch,
      clear: /^(.*\/FILE\.pt|config)\b.*: /,
      read: bytes =>
        here(
          importCommand,
          '--from',
          put('FILE.pt', bytes),
          '--out',
          path('imported.safetensors'),
          '--config',
          path('arch.yaml'),
          'seq_len=16',
        ),
    },
    {
      name: 'trm export',
      sample: checkpoint,
      within: headerOf(checkpoint),
      clear: /^(.*\/FILE\.safetensors|config)\b.*: /,
      read: bytes => here(exportCommand, '--checkpoint', put('FILE.safetensors', bytes), '--out', path('exported.pt')),
    },
    {
      name: 'state of a training, header',
      sample: state!,
      within: headerOf(state!),
      clear: /^(FILE|config|batches)\b.*: /,
      read: resume,
    },
    { name: 'state of a training', sample: state!, clear: /^(FILE|config|batches)\b.*: /, read: resume },
    scoring('stored predictions', 'FILE.safetensors', predictions, headerOf(predictions)),
    scoring('stored predictions of torch.save', 'FILE.pt', writeTorch(stored)),
    {
      name: 'test_puzzles.json',
      sample: puzzles,
      clear: /^(.*test_puzzles\.json|arc)\b.*: /,
      async read(bytes) {
        writeFileSync(join(arc, 'test_puzzles.json'), bytes)
        await here(
          scoreCommand,
          'arc',
          '--data',
          arc,
          '--predictions',
          put('good-predictions.safetensors', predictions),
          '--out',
          path('score'),
        ).finally(() => writeFileSync(join(arc, 'test_puzzles.json'), puzzles))
      },
    },
    settings('settings, a preset', YAML.stringify(resolveRun(presets.small.settings, learned.metadata).settings)),
    settings(
      'settings, published',
      'defaults:\n  - arch: trm\n  - _self_\ndata_paths: [data/sudoku]\nglobal_batch_size: 768\n' +
        'epochs: 100000\nlr: 1e-4\nbeta1: 0.9\nema: True\narch:\n  halt_max_steps: 16\n' +
        '  hidden_size: &width 512\n  puzzle_emb_ndim: ${.hidden_size}\n  num_heads: 8\n' +
        '  pos_encodings: rope\n  mlp_t: False',
    ),
    ...tasks.map(({ name, encode }): Reader => ({
      name: `puzzle on the command line, ${name}`,
      sample: text(name === 'sudoku' ? '1.3..4...1.2...1' : 'S  # # ###G ## #').slice(0, -1),
      clear: /^\w+\b.*: /,
      read: bytes => encode(new TextDecoder().decode(bytes)),
    })),
  ]
  return { readers, release: () => rmSync(folder, { recursive: true, force: true }) }
}
