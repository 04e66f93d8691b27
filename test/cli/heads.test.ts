// Heads that are together narrower than the network, as in the published transformer: train, export, import, evaluate.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { parseSafetensors } from '../../src/formats/safetensors.js'
import { readTorch } from '../../src/formats/torch.js'
import { trm } from './trm.js'
import { words } from './words.js'

const folder = mkdtempSync(join(tmpdir(), 'trm-heads-'))
test.after(() => rmSync(folder, { recursive: true, force: true }))
const path = (...parts: string[]) => join(folder, ...parts)

const YAML = `arch:
  name: recursive_reasoning.transformers_baseline@Model_ACTV2
  loss: { name: losses@ACTLossHead, loss_type: stablemax_cross_entropy }
  halt_exploration_prob: 0.1
  halt_max_steps: 2
  H_cycles: 1
  H_layers: 1
  hidden_size: 32
  num_heads: 3
  expansion: 1
  puzzle_emb_ndim: \${.hidden_size}
  pos_encodings: rope
global_batch_size: 4
`

test('32 values over 3 heads: 10 each, 30 in all', async () => {
  writeFileSync(path('c.yaml'), YAML)
  const run = async (...args: string[]) => {
    const { code, stdout, stderr } = await trm(...args)
    assert.is(code, 0, stderr)
    return stdout
  }
  await run(...words('data generate sudoku --size 4 --clues 8 --train 8 --test 4 --out'), path('data'))
  const printed = await run(
    'train',
    '--data',
    path('data'),
    '--out',
    path('run'),
    '--config',
    path('c.yaml'),
    '--steps',
    '1',
  )
  assert.match(printed, /^model: transformer, attention, hidden 32/m)
  const trained = path('run', 'model.safetensors')
  const shapes = (tensors: ReadonlyMap<string, { shape: readonly number[] }>, prefix = '') =>
    ['qkv', 'o'].map(name => tensors.get(`${prefix}inner.H_level.layers.0.self_attn.${name}_proj.weight`)!.shape)
  assert.equal(shapes(parseSafetensors(readFileSync(trained)).tensors), [
    [90, 32],
    [32, 30],
  ])
  await run('export', '--checkpoint', trained, '--out', path('a.pt'), '--config-out', path('a.yaml'))
  assert.equal(shapes(readTorch(readFileSync(path('a.pt'))).tensors, '_orig_mod.model.'), [
    [90, 32],
    [32, 30],
  ])
  await run('import', '--from', path('a.pt'), '--out', path('a.safetensors'), '--config', path('a.yaml'), 'seq_len=16')
  assert.equal(
    parseSafetensors(readFileSync(path('a.safetensors'))).tensors,
    parseSafetensors(readFileSync(trained)).tensors,
  )
  await run('eval', '--checkpoint', path('a.safetensors'), '--data', path('data'))
  const wrong = await trm(
    'import',
    '--from',
    path('a.pt'),
    '--out',
    path('b.safetensors'),
    '--config',
    path('a.yaml'),
    'seq_len=16',
    'num_heads=8',
  )
  assert.is(wrong.code, 1)
  assert.match(wrong.stderr, /self_attn\.qkv_proj\.weight" has shape \[90,32\], the configuration asks for \[96,32\]/)
})

test.run()
