// YAML files of settings: what is in them, and what mutations of them do.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import YAML from 'yaml'
import { giveSettings } from '../../src/cli/settings.js'
import { generateSudoku } from '../../src/data/sudoku.js'
import { presets, resolveRun } from '../../src/trm/run.js'
import { mutations } from '../mutations.js'

const folder = mkdtempSync(join(tmpdir(), 'trm-settings-'))
test.after(() => rmSync(folder, { recursive: true, force: true }))
const { metadata } = generateSudoku({ size: 4, train: 1, test: 1, clues: 8 }).train
const file = join(folder, 'config.yaml')

async function resolve(text: string | Uint8Array) {
  writeFileSync(file, text)
  const { settings } = await giveSettings({ command: 'trm train', config: file, pairs: [] })
  return resolveRun(settings, metadata)
}

const official = `defaults:
  - arch: trm
  - _self_
hydra:
  output_subdir: null
data_paths: ['data/sudoku']
evaluators: []
global_batch_size: 768
epochs: 100000
lr: 1e-4
lr_min_ratio: 1.0
weight_decay: 0.1 # a remark
beta1: 0.9
ema: True
freeze_weights: False
arch:
  name: recursive_reasoning.trm@TinyRecursiveReasoningModel_ACTV1
  loss: {name: losses@ACTLossHead, loss_type: stablemax_cross_entropy}
  halt_max_steps: 16
  hidden_size: &width 512
  puzzle_emb_ndim: \${.hidden_size}
  num_heads: 8
  pos_encodings: rope
  mlp_t: False
`

test('a file of the published code, and every preset as it is written down', async () => {
  const run = await resolve(official)
  assert.equal([run.config.hidden, run.config.puzzleWidth, run.options.batchSize, run.options.learningRate, run.options.freezeNetwork], [512, 512, 768, 1e-4, false])
  for (const [name, { settings }] of Object.entries(presets)) {
    const wanted = resolveRun(settings, metadata)
    assert.equal(await resolve(YAML.stringify(wanted.settings)), wanted, name)
  }
})

test('fields of the wrong kind are named', async () => {
  const refuses = async (text: string, pattern: RegExp) => {
    const message = await resolve(text).then(() => 'nothing', error => (error as Error).message)
    assert.match(message, pattern, text)
  }
  await refuses('arch: 5', /^config: arch is 5, expected fields of the model/)
  await refuses('arch:', /^config: arch is null, expected fields/)
  await refuses('arch: {loss: softmax}', /^config: arch\.loss\.loss_type is undefined, expected stablemax/)
  await refuses('toString: 1', /^config: unknown field "toString"/)
  await refuses('__proto__: {lr: 1}', /^config: unknown field "__proto__"/)
  await refuses('arch: {constructor: 1}', /^config: unknown field "constructor"/)
  await refuses('lr: [1, 2', /^config .*config\.yaml: .* expected YAML$/)
  await refuses('lr: !!python/object 1', /^config .*config\.yaml: .*tag.* expected YAML$/i)
  await refuses('5', /^config .*config\.yaml: expected fields such as/)
  await refuses(`a: &a [${'x, '.repeat(20)}]\nb: &b [${'*a, '.repeat(20)}]\nc: &c [${'*b, '.repeat(20)}]\nd: [${'*c, '.repeat(20)}]`, /^config .*config\.yaml: .*alias.* expected YAML$/i)
})

test('200 mutations each of two files: one line of what is wrong, or settings', async () => {
  for (const text of [official, YAML.stringify(resolveRun(presets.small.settings, metadata).settings)]) {
    const { loaded, refused } = await mutations(new TextEncoder().encode(text), async changed => {
      const { config, options } = await resolve(changed)
      assert.ok(Number.isInteger(config.hidden) && options.steps >= 1)
    }, /^config/)
    assert.ok(loaded > 0 && refused > 0, `${loaded} loaded, ${refused} refused`)
  }
})

test.run()
