// trm train: curriculum, clipping, AdamW, softmax; a checkpoint to begin with; a frozen network; numbers not finite.
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { generateSudoku } from '../../src/data/sudoku.js'
import { writeDataset } from '../../src/data/dataset.js'
import { parseSafetensors, toFloat32, writeSafetensors } from '../../src/formats/safetensors.js'
import { trm } from './trm.js'
import { pattern } from '../pattern.js'
import { words } from './words.js'

const folder = mkdtempSync(join(tmpdir(), 'trm-training-'))
test.after(() => rmSync(folder, { recursive: true, force: true }))
const path = (...parts: string[]) => join(folder, ...parts)
const data = path('data')
const tiny = words(
  '--eval-limit 4 lr=2e-3 lr_min_ratio=1 global_batch_size=8 log_interval=1 lr_warmup_steps=1 eval_interval=100',
)
const tensorsOf = (file: string) => parseSafetensors(readFileSync(file)).tensors
const rowsOf = (run: string) =>
  readFileSync(path(run, 'metrics.jsonl'), 'utf8')
    .trim()
    .split('\n')
    .map(line => JSON.parse(line))

/** 4×4 Sudokus in groups; each group has an identifier of its own, 1 … 3. */
function identified(directory: string): void {
  for (const [split, dataset] of Object.entries(generateSudoku({ size: 4, train: 30, test: 6, clues: 8, seed: 3 }))) {
    const puzzleIds = dataset.puzzleIds.map((_, i) => 1 + (i % 3))
    for (const [file, bytes] of writeDataset(
      { ...dataset, puzzleIds, metadata: { ...dataset.metadata, puzzles: 4 } },
      split as 'train' | 'test',
    )) {
      mkdirSync(path(directory, split), { recursive: true })
      writeFileSync(path(directory, file), bytes)
    }
  }
}

test('curriculum, clipping, AdamW and softmax, logged and written down', async () => {
  assert.is((await trm(...words('data generate sudoku --size 4 --train 60 --test 8 --clues 6 --out'), data)).code, 0)
  const settings = [
    '--config',
    'tiny',
    ...tiny,
    '--steps',
    '10',
    'arch.H_cycles=2',
    'depth_curriculum=[[0.3, 1, 1], [0.6, 1, 2]]',
    'gradient_clip=0.5',
    'optimizer=adamw',
    'arch.loss.loss_type=softmax_cross_entropy',
  ]
  const first = await trm('train', '--data', data, '--out', path('first'), ...settings)
  assert.is(first.code, 0, first.stderr)
  assert.match(first.stdout, /step 3\/10 .* depth 1×1 .*\n.*step 4\/10 .* depth 1×2 /)
  const rows = rowsOf('first').filter(row => !row.evaluation)
  assert.equal(
    rows.map(({ cycles, latentSteps }) => `${cycles}×${latentSteps}`),
    [...Array(3).fill('1×1'), ...Array(3).fill('1×2'), ...Array(4).fill('2×2')],
  )
  assert.match(
    readFileSync(path('first', 'config.yaml'), 'utf8'),
    /optimizer: adamw\ngradient_clip: 0\.5\ndepth_curriculum:/,
  )
  // The settings that were written give the same bits, and each of them makes a difference.
  const bytes = (run: string) => readFileSync(path(run, 'model.safetensors'))
  const variants = {
    same: [],
    cgar: ['depth_curriculum=cgar'],
    unclipped: ['gradient_clip=0'],
    atan2: ['optimizer=atan2'],
    stablemax: ['arch.loss.loss_type=stablemax_cross_entropy'],
  }
  for (const [name, change] of Object.entries(variants)) {
    const run = await trm(
      'train',
      '--data',
      data,
      '--out',
      path(name),
      '--config',
      path('first', 'config.yaml'),
      '--eval-limit',
      '4',
      '--steps',
      '10',
      ...change,
    )
    assert.is(run.code, 0, run.stderr)
    assert.is(bytes(name).equals(bytes('first')), name === 'same', name)
  }
})

test('--from begins with a checkpoint; a frozen network learns new puzzle ids alone', async () => {
  identified('other')
  const model = path('first', 'model.safetensors')
  const run = await trm(
    'train',
    '--data',
    path('other'),
    '--out',
    path('adapted'),
    '--from',
    model,
    ...tiny,
    ...words('--steps 4 freeze_weights=True puzzle_emb_lr=1e-2 ema=True'),
  )
  assert.is(run.code, 0, run.stderr)
  assert.match(
    run.stdout,
    /hidden 32, [\d,]+ parameters of .*model\.safetensors, frozen: puzzle embeddings alone are trained; 4 steps/,
  )
  const [before, after] = [tensorsOf(model), tensorsOf(path('adapted', 'model.safetensors'))]
  for (const [name, { data }] of before)
    if (name !== 'inner.puzzle_emb.weights') assert.equal(after.get(name)!.data, data, name)
  const table = after.get('inner.puzzle_emb.weights')!
  assert.equal(table.shape, [4, 32])
  // Every row began as the mean of the old ones; <blank> was not trained.
  const rows = [0, 1, 2, 3].map(i => toFloat32(table).slice(32 * i, 32 * (i + 1)))
  assert.equal(rows[0], toFloat32(before.get('inner.puzzle_emb.weights')!))
  for (const row of rows.slice(1)) assert.not.equal(row, rows[0])
  // It goes on bit for bit, from its own state and not from the checkpoint again.
  const whole = await trm(
    'train',
    '--data',
    path('other'),
    '--out',
    path('whole'),
    '--config',
    path('adapted', 'config.yaml'),
    '--eval-limit',
    '4',
    '--steps',
    '6',
  )
  const resumed = await trm(
    'train',
    '--data',
    path('other'),
    '--out',
    path('adapted'),
    ...words('--resume --eval-limit 4 --steps 6'),
  )
  assert.is(resumed.code, 0, resumed.stderr)
  assert.ok(
    readFileSync(path('adapted', 'model.safetensors')).equals(readFileSync(path('whole', 'model.safetensors'))),
    whole.stderr,
  )
})

test('what cannot be begun or frozen is refused before anything is written', async () => {
  const refusal = async (code: number, ...args: string[]) => {
    const result = await trm('train', '--data', data, '--out', path('x'), ...args)
    assert.is(result.code, code, result.stdout + result.stderr)
    assert.is(result.stderr.trim().split('\n').length, 1, result.stderr)
    return result.stderr
  }
  const model = path('first', 'model.safetensors')
  assert.match(await refusal(2, '--from', model, '--resume'), /--from begins a run, --resume goes on with one/)
  assert.match(await refusal(1, '--from', path('none.safetensors')), /none\.safetensors: no such file/)
  assert.match(
    await refusal(1, '--from', model, '--config', 'small'),
    /first.model\.safetensors: tensor ".*" has shape \[.*\], the configuration asks for/,
  )
  assert.match(
    await refusal(1, ...tiny, '--config', 'tiny', 'arch.puzzle_emb_ndim=0', 'freeze_weights=True'),
    /freeze_weights leaves nothing to train/,
  )
  assert.match(await refusal(1, ...tiny, 'freeze_weights=maybe'), /freeze_weights is "maybe", expected true or false/)
  assert.match(await refusal(1, ...tiny, 'load_checkpoint=3'), /load_checkpoint is 3, expected the path/)
  assert.match(await refusal(1, ...tiny, 'gradient_clip=-1'), /gradient_clip is -1, expected a number of at least 0/)
  for (const bad of ['fast', '[1, 2]', '[[0.3, 1]]', '[[0.3, 1, deep]]'])
    assert.match(
      await refusal(1, ...tiny, `depth_curriculum=${bad}`),
      /depth_curriculum is .*, expected cgar or a list of \[share of the steps, H_cycles, L_cycles\]/,
    )
  assert.match(
    await refusal(1, ...tiny, 'depth_curriculum=[[0.6, 1, 1], [0.3, 1, 2]]'),
    /the stages of the curriculum end at 0\.6, 0\.3 of the steps, expected rising shares/,
  )
})

test('a number that is not finite ends the training with its step and place; the checkpoint stays whole', async () => {
  const { tensors, metadata } = parseSafetensors(readFileSync(path('first', 'training.safetensors')))
  const weight = tensors.get('inner.L_level.layers.1.mlp.down_proj.weight')!.data as Float32Array
  weight[5] = NaN
  mkdirSync(path('poisoned'))
  writeFileSync(path('poisoned', 'config.yaml'), readFileSync(path('first', 'config.yaml')))
  writeFileSync(path('poisoned', 'model.safetensors'), readFileSync(path('first', 'model.safetensors')))
  writeFileSync(path('poisoned', 'training.safetensors'), writeSafetensors(tensors, metadata))
  const before = readFileSync(path('poisoned', 'training.safetensors'))
  const stopped = await trm(
    'train',
    '--data',
    data,
    '--out',
    path('poisoned'),
    ...words('--resume --steps 14 log_interval=4 eval_interval=4'),
  )
  assert.is(stopped.code, 1, stopped.stdout)
  assert.match(
    stopped.stderr,
    pattern(
      /^trm: train: step 11 left [\d,]+ numbers that are not finite/,
      /, the first in the gradient of tokens/,
      / — lower the learning rate \(now 0\.002\), lengthen the warm-up or clip the gradients\n?$/,
    ),
  )
  assert.ok(readFileSync(path('poisoned', 'training.safetensors')).equals(before))
  assert.ok(
    readFileSync(path('poisoned', 'model.safetensors')).equals(readFileSync(path('first', 'model.safetensors'))),
  )
})

test('nothing stays of a run that is refused, not even its directory', async () => {
  const out = path('refused', 'deep')
  const run = await trm(
    'train',
    '--data',
    data,
    '--out',
    out,
    '--config',
    'tiny',
    ...tiny,
    '--steps',
    '4',
    '--memory-limit',
    '1',
  )
  assert.is(run.code, 1)
  assert.match(run.stderr, /MB needed with micro_batch 1, the limit is/)
  assert.is(existsSync(path('refused')), false)
  mkdirSync(path('kept'))
  assert.is(
    (
      await trm(
        'train',
        '--data',
        data,
        '--out',
        path('kept'),
        '--config',
        'tiny',
        ...tiny,
        '--steps',
        '4',
        '--memory-limit',
        '1',
      )
    ).code,
    1,
  )
  assert.is(existsSync(path('kept')), true)
})

test.run()
