// "trm score arc" on files of the published evaluators: torch.save, one per rank, with logits of any float type.
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { applyArcAugmentation, parseArcName } from '../../src/data/arc-augment.js'
import { encodeArcGrid } from '../../src/data/arc-square.js'
import type { StoredTensor } from '../../src/formats/safetensors.js'
import { fromFloat32 } from '../../src/formats/torch.js'
import { writeTorch } from '../../src/formats/torch-write.js'
import { refusal, run } from './commands.js'
import { pattern } from '../pattern.js'

const test = suite('stored predictions', { folder: '', data: '' })
test.before.each(context => {
  context.folder = mkdtempSync(join(tmpdir(), 'trm-predictions-'))
  context.data = join(context.folder, 'data')
  mkdirSync(context.data)
  writeFileSync(join(context.data, 'identifiers.json'), JSON.stringify(names))
  writeFileSync(join(context.data, 'test_puzzles.json'), JSON.stringify(puzzles))
})
test.after.each(({ folder }) => rmSync(folder, { recursive: true, force: true }))

const names = ['<blank>', 'x', 'x|||t1|||0213456789', 'x|||t6|||0918273645', 'y', 'y|||t2|||0987654321']
const train = [{ input: [[1, 2]], output: [[2, 1]] }]
/** Task x has one test input, y has two. */
const puzzles = {
  x: { train, test: [{ input: [[7, 7]], output: [[1, 2, 3]] }] },
  y: {
    train,
    test: [
      { input: [[4]], output: [[5]] },
      { input: [[6]], output: [[8]] },
    ],
  },
}

/** A row of identifier, input, answer, halting logit and label; grids of one row, before augmentation. */
type Row = [id: number, input: number[], answer: number[], q: number, label?: number[]]
const padding: Row = [0, [], [], 0]

/**
 * x: [1, 2, 3] has two votes, [9] one: solved at once.
 * y's first input: one vote each for [3] and [5], and [3] has the higher q_halt: solved by the second attempt.
 * y's second input: [2] has the only vote, never solved.
 */
const rows: Row[] = [
  [1, [7, 7], [9], 3, [1, 2, 3]],
  [2, [7, 7], [1, 2, 3], -2],
  [3, [7, 7], [1, 2, 3], -1],
  [4, [4], [3], 1, [5]],
  [4, [6], [2], 0, [8]],
  [5, [4], [5], 0.5],
  [5, [6], [2], 0],
]
const expected = {
  'ARC/pass@1': 0.5,
  'ARC/pass@2': 0.75,
  'ARC/pass@5': 0.75,
  'ARC/pass@10': 0.75,
  'ARC/pass@100': 0.75,
  'ARC/pass@1000': 0.75,
}

type Floats = 'F32' | 'F16' | 'BF16'
type Change = (tensors: Map<string, StoredTensor>) => void

function tokensOf(id: number, cells: number[]): Uint8Array {
  const grid = { cells: Uint8Array.from(cells), rows: 1, columns: cells.length }
  return cells.length
    ? encodeArcGrid(applyArcAugmentation(grid, parseArcName(names[id]).augmentation))
    : new Uint8Array(900)
}

/** Logits whose largest is the token's. A later one is equal, and the rest is a step of bfloat16 smaller. */
function logitsOf(tokens: Uint8Array): Float32Array {
  const logits = new Float32Array(tokens.length * 12).fill(-2.015625)
  for (const [cell, token] of tokens.entries())
    for (const best of new Set([token, Math.min(11, token + 3)])) logits[cell * 12 + best] = -2
  return logits
}

/** The file of a rank, with integers of the type `integers`. */
function stored(
  rows: Row[],
  {
    floats = 'F32',
    integers = 'I32',
    change,
  }: { floats?: Floats; integers?: 'I32' | 'I64' | 'U8'; change?: Change } = {},
): Uint8Array {
  const whole = (shape: number[], values: number[]): StoredTensor => {
    if (integers === 'I64') return { dtype: 'I64', shape, data: BigInt64Array.from(values, BigInt) }
    return integers === 'U8'
      ? { dtype: 'U8', shape, data: Uint8Array.from(values) }
      : { dtype: 'I32', shape, data: Int32Array.from(values) }
  }
  const tokens = (of: (row: Row) => number[]) => rows.flatMap(row => [...tokensOf(row[0], of(row))])
  const tensors = new Map<string, StoredTensor>([
    [
      'inputs',
      whole(
        [rows.length, 900],
        tokens(row => row[1]),
      ),
    ],
    [
      'labels',
      {
        dtype: 'I32',
        shape: [rows.length, 900],
        data: Int32Array.from(
          tokens(row => row[4] ?? []),
          token => token || -100,
        ),
      },
    ],
    [
      'puzzle_identifiers',
      whole(
        [rows.length],
        rows.map(row => row[0]),
      ),
    ],
    ['logits', fromFloat32(logitsOf(Uint8Array.from(tokens(row => row[2]))), [rows.length, 900, 12], floats)],
    [
      'q_halt_logits',
      fromFloat32(
        Float32Array.from(rows, row => row[3]),
        [rows.length],
        floats,
      ),
    ],
    ['q_continue_logits', fromFloat32(new Float32Array(rows.length), [rows.length], floats)],
  ])
  change?.(tensors)
  return writeTorch(tensors)
}

const withPredictions: Change = tensors => {
  const {
    shape: [count],
  } = tensors.get('logits')!
  tensors.set('preds', { ...tensors.get('inputs')!, shape: [count, 900] })
}

/** Scores; returns the printed text and the two files. */
async function score(data: string, ...paths: string[]) {
  const out = join(data, '../score')
  const printed = await run('score', 'arc', '--data', data, '--out', out, '--predictions', ...paths)
  const json = (name: string) => JSON.parse(readFileSync(join(out, name), 'utf8'))
  return { printed, metrics: json('metrics.json'), submission: json('submission.json') }
}

const refuse = (data: string, ...paths: string[]) =>
  refusal('score', 'arc', '--data', data, '--out', join(data, '../score'), '--predictions', ...paths)

test('logits of every float type, ids of every integer type: the score by hand', async ({ folder, data }) => {
  for (const [floats, integers] of [
    ['F32', 'I32'],
    ['F16', 'I64'],
    ['BF16', 'U8'],
  ] as const) {
    writeFileSync(join(folder, 'step_3_all_preds.0'), stored([...rows, padding, padding], { floats, integers }))
    const { printed, metrics, submission } = await score(data, join(folder, 'step_3_all_preds.0'))
    assert.equal(metrics, expected)
    assert.equal(submission, {
      x: [{ attempt_1: [[1, 2, 3]], attempt_2: [[9]] }],
      y: [
        { attempt_1: [[3]], attempt_2: [[5]] },
        { attempt_1: [[2]], attempt_2: [[2]] },
      ],
    })
    assert.match(printed, /ARC\/pass@1: +50\.0 %[^]*\n2 tasks, 3 test inputs$/)
  }
})

test('ranks are merged in their order, wherever they are named; padding is no vote', async ({ folder, data }) => {
  const runs = join(folder, 'run')
  mkdirSync(runs)
  // Twelve ranks: 10 and 11 come after 2. With equal q_halt, the first vote decides the tie of y's first input.
  const even = rows.map((row): Row => [row[0], row[1], row[2], 0, row[4]])
  const parts = Array.from({ length: 12 }, (): Row[] => [padding])
  for (const [i, rank] of [0, 3, 4, 11, 5, 2, 1].entries()) parts[rank].unshift(even[i])
  for (const [rank, part] of parts.entries())
    writeFileSync(
      join(runs, `step_500_all_preds.${rank}`),
      stored(part, { floats: rank % 2 ? 'BF16' : 'F32', integers: rank % 3 ? 'I32' : 'I64' }),
    )
  writeFileSync(join(runs, 'step_500'), 'the checkpoint')
  const files = parts.map((_, rank) => join(runs, `step_500_all_preds.${rank}`))
  const found = []
  for (const paths of [[runs], [join(runs, 'step_500_all_preds')], [...files].sort(), [...files].reverse()])
    found.push(await score(data, ...paths))
  for (const { printed, submission } of found) {
    assert.match(printed, /^12 files of predictions: .*all_preds\.2, .*all_preds\.3, .*all_preds\.11\n/)
    // Rank 2 says [5], rank 11 says [3].
    assert.equal(submission.y[0], { attempt_1: [[5]], attempt_2: [[3]] })
    assert.not.match(printed, /missing/)
  }
  // The checkpoint's path names the predictions beside it, even if the checkpoint is gone.
  assert.equal((await score(data, join(runs, 'step_500'))).submission, found[0].submission)
  rmSync(join(runs, 'step_500'))
  assert.equal((await score(data, join(runs, 'step_500'))).submission, found[0].submission)
})

test('a rank that is missing, several evaluations and files that come twice', async ({ folder, data }) => {
  for (const rank of [0, 1, 2])
    writeFileSync(
      join(folder, `step_5_all_preds.${rank}`),
      stored(rows.slice(2 * rank, rank < 2 ? 2 * rank + 2 : undefined)),
    )
  const alone = await score(data, join(folder, 'step_5_all_preds.0'))
  assert.match(
    alone.printed,
    /votes are missing for 5 of the 7 rows of the test split — is there another file, of another rank\?$/,
  )
  assert.match(alone.printed, /submission\.json: \[\[0\]\] stands for the answers to 2 test inputs that are missing/)
  assert.match(
    await refuse(data, join(folder, 'step_5_all_preds.0'), join(folder, 'step_5_all_preds.0')),
    /expected every file once, got .*all_preds\.0 twice/,
  )
  writeFileSync(join(folder, 'step_9_all_preds.0'), stored(rows))
  assert.match(
    await refuse(data, folder),
    pattern(
      /expected those of one evaluation, found step_5_all_preds, step_9_all_preds/,
      / — name one: --predictions .*step_5_all_preds$/,
    ),
  )
  assert.match(
    await refuse(data, join(folder, 'step_9_all_preds.0'), join(folder, 'step_5_all_preds.1')),
    /expected those of one evaluation, got step_5_all_preds, step_9_all_preds/,
  )
  rmSync(join(folder, 'step_5_all_preds.1'))
  assert.match(
    await refuse(data, join(folder, 'step_5')),
    /expected the files of all ranks from 0 on, found step_5_all_preds\.0, \.2 — copy step_5_all_preds\.1 there too/,
  )
  assert.match(
    await refuse(data, join(folder, 'nothing')),
    /expected a file, or a folder with files like step_100_all_preds\.0, found neither/,
  )
  assert.match(await refuse(data, data), /found neither/)
  // The same rows again under another name: each vote counts, and a line says so.
  writeFileSync(join(folder, 'again.pt'), stored(rows))
  writeFileSync(join(folder, 'first.pt'), stored(rows))
  assert.match(
    (await score(data, join(folder, 'first.pt'), join(folder, 'again.pt'))).printed,
    /7 predictions came for a row that had one: each counted as a vote/,
  )
})

test('predictions count before logits; without labels and without other tensors', async ({ folder, data }) => {
  const path = join(folder, 'p.pt')
  writeFileSync(path, stored(rows, { change: withPredictions }))
  // The inputs as answers.
  assert.equal((await score(data, path)).submission.y[1].attempt_1, [[6]])
  // A column of shape (N, 1).
  writeFileSync(
    path,
    stored(rows, {
      change: tensors =>
        void tensors.set('q_halt_logits', { ...tensors.get('q_halt_logits')!, shape: [rows.length, 1] }),
    }),
  )
  assert.equal((await score(data, path)).metrics, expected)
})

test('HRM\'s directories, whose names have "_" and whose answers are the stored labels', async ({ folder, data }) => {
  writeFileSync(join(data, 'identifiers.json'), JSON.stringify(names.map(name => name.replaceAll('|||', '_'))))
  rmSync(join(data, 'test_puzzles.json'))
  writeFileSync(join(folder, 'step_1_all_preds.0'), stored(rows.slice(0, 4)))
  writeFileSync(join(folder, 'step_1_all_preds.1'), stored([...rows.slice(4), padding]))
  const { printed, metrics, submission } = await score(data, folder)
  assert.equal(metrics, expected)
  assert.equal(Object.keys(submission), ['x', 'y'])
  assert.match(printed, /2 tasks, 3 test inputs$/)
  writeFileSync(join(folder, 'p.pt'), stored(rows, { change: tensors => void tensors.delete('labels') }))
  assert.match(
    await refuse(data, join(folder, 'p.pt')),
    /p\.pt: expected labels, got none, nor does .*test_puzzles\.json tell the answers/,
  )
  writeFileSync(join(folder, 'p.pt'), stored(rows.filter(([id]) => id !== 1 && id !== 4)))
  assert.match(await refuse(data, join(folder, 'p.pt')), /expected rows of unaugmented tasks among .*p\.pt, found none/)
})

test('files that do not fit are refused', async ({ folder, data }) => {
  const path = join(folder, 'p.pt')
  const message = (change: Change) => {
    writeFileSync(path, stored(rows, { change }))
    return refuse(data, path)
  }
  const set = (name: string, tensor: StoredTensor) => message(tensors => void tensors.set(name, tensor))
  assert.match(
    await message(tensors => void tensors.delete('logits')),
    pattern(
      /p\.pt: expected the tensors inputs, preds \(or logits\)/,
      /, puzzle_identifiers and q_halt_logits, got no preds among inputs, labels, /,
    ),
  )
  assert.match(
    await message(tensors => void tensors.delete('q_halt_logits')),
    /got no q_halt_logits among .* — eval_save_outputs has to name it$/,
  )
  assert.match(
    await set('logits', { dtype: 'F32', shape: [7, 9, 12], data: new Float32Array(756) }),
    /logits: expected shape \(7, 900, V\), got \(7, 9, 12\)/,
  )
  assert.match(
    await set('logits', { dtype: 'I32', shape: [7, 900, 2], data: new Int32Array(12600) }),
    /logits: expected floats, got I32/,
  )
  assert.match(
    await set('logits', {
      dtype: 'F32',
      shape: [7, 900, 2],
      data: new Float32Array(12600).fill(NaN, 2 * (900 * 3 + 17)),
    }),
    /logits: row 3, cell 17: expected numbers, got NaN — is the checkpoint damaged\?/,
  )
  assert.match(
    await set('puzzle_identifiers', { dtype: 'F32', shape: [7], data: new Float32Array(7) }),
    /puzzle_identifiers: expected integers, got F32/,
  )
  assert.match(
    await set('puzzle_identifiers', { dtype: 'I32', shape: [7], data: Int32Array.of(1, 1, 1, 1, 1, 99, 1) }),
    /p\.pt: row 5: expected a puzzle identifier of 0 … 5, got 99/,
  )
  const damaged = stored(rows)
  damaged[(damaged.length / 2) | 0] ^= 1
  writeFileSync(path, damaged)
  assert.match(await refuse(data, path), /p\.pt: entry "archive\/data\/\d": expected checksum/)
  assert.throws(() => readFileSync(join(folder, 'score/metrics.json')))
  writeFileSync(path, stored(rows).subarray(0, 5000))
  assert.match(await refuse(data, path), /p\.pt: .*the file is truncated/)
  writeFileSync(path, '<html><body>Not found')
  assert.match(
    await refuse(data, path),
    /p\.pt: this is a web page, expected predictions in safetensors or a file of torch\.save/,
  )
})

test.run()
