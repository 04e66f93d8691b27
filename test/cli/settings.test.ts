// Settings as texts: YAML as OmegaConf reads it, overrides in hydra's grammar, files, and mutations of them.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import YAML from 'yaml'
import { parseOverride } from '../../src/cli/overrides.js'
import { giveSettings } from '../../src/cli/settings.js'
import { parseYaml, writeYaml } from '../../src/cli/yaml.js'
import { generateSudoku } from '../../src/data/sudoku.js'
import { presets, resolveRun } from '../../src/trm/published/settings.js'
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
  assert.equal(
    [
      run.config.hidden,
      run.config.puzzleWidth,
      run.options.batchSize,
      run.options.learningRate,
      run.options.freezeNetwork,
    ],
    [512, 512, 768, 1e-4, false],
  )
  for (const [name, { settings }] of Object.entries(presets)) {
    const wanted = resolveRun(settings, metadata)
    assert.equal(await resolve(YAML.stringify(wanted.settings)), wanted, name)
  }
})

test('fields of the wrong kind are named', async () => {
  const refuses = async (text: string, pattern: RegExp) => {
    const message = await resolve(text).then(
      () => 'nothing',
      error => (error as Error).message,
    )
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
  await refuses(
    `a: &a [${'x, '.repeat(20)}]\nb: &b [${'*a, '.repeat(20)}]\nc: &c [${'*b, '.repeat(20)}]\nd` +
      `: [${'*c, '.repeat(20)}]`,
    /^config .*config\.yaml: .*alias.* expected YAML$/i,
  )
})

test('200 mutations each of two files: one line of what is wrong, or settings', async () => {
  for (const text of [official, YAML.stringify(resolveRun(presets.small.settings, metadata).settings)]) {
    const { loaded, refused } = await mutations(
      new TextEncoder().encode(text),
      async changed => {
        const { config, options } = await resolve(changed)
        assert.ok(Number.isInteger(config.hidden) && options.steps >= 1)
      },
      /^config/,
    )
    assert.ok(loaded > 0 && refused > 0, `${loaded} loaded, ${refused} refused`)
  }
})

/** Values that OmegaConf 2.3 with PyYAML 6.0 gives. */
const SCALARS: Record<string, unknown> = {
  yes: true,
  Yes: true,
  no: false,
  NO: false,
  on: true,
  On: true,
  off: false,
  OFF: false,
  true: true,
  TRUE: true,
  False: false,
  y: 'y',
  n: 'n',
  Y: 'Y',
  N: 'N',
  tRue: 'tRue',
  None: 'None',
  none: 'none',
  '~': null,
  null: null,
  Null: null,
  NULL: null,
  '1e-4': 1e-4,
  '-1e-4': -1e-4,
  '+1e-4': 1e-4,
  '1E5': 1e5,
  '1.e-4': 1e-4,
  '1e05': 1e5,
  '.5': 0.5,
  '.5e-3': 5e-4,
  '5.': 5,
  '0.0': 0,
  '09.5': 9.5,
  '1_0.5': 10.5,
  '-.5': '-.5',
  '.5e3': '.5e3',
  '1e': '1e',
  '1_e5': '1_e5',
  '1.2.3': '1.2.3',
  '.e5': '.e5',
  '12': 12,
  '-0': -0,
  '1_000': 1000,
  '010': 8,
  '-010': -8,
  '0o10': '0o10',
  '08': '08',
  '0x1F': 31,
  '0b101': 5,
  '0_1': 1,
  '1:30': 90,
  '190:20:30': 685230,
  '-1:30': -90,
  '1:30.5': 90.5,
  '.inf': Infinity,
  '-.Inf': -Infinity,
  inf: 'inf',
  nan: 'nan',
  '2024-01-01': '2024-01-01',
  '2024-01-01T10:00:00Z': '2024-01-01T10:00:00Z',
  '"no"': 'no',
  "'3'": '3',
  '!!str no': 'no',
  '!!int "3"': 3,
}

test('YAML: plain scalars', () => {
  for (const [text, expected] of Object.entries(SCALARS)) assert.equal(parseYaml(`a: ${text}`), { a: expected }, text)
  assert.ok(Number.isNaN((parseYaml('a: .nan') as { a: number }).a))
})

test('YAML: a line that names version 1.2 changes nothing, merged mappings are merged', () => {
  assert.equal(parseYaml('%YAML 1.2\n---\na: no'), { a: false })
  assert.equal(parseYaml('a: &x {b: 1, c: 2}\nd:\n  <<: *x\n  c: 3'), { a: { b: 1, c: 2 }, d: { b: 1, c: 3 } })
})

test('YAML: what is no YAML, or more than one, is refused in a line', () => {
  for (const text of [
    'a: [1',
    'a: 1\na: 2',
    'a: 1\n---\nb: 2',
    'a: !!python/tuple [1]',
    'a: *nowhere',
    '\t- a: b: c',
  ]) {
    assert.throws(
      () => parseYaml(text),
      (error: Error) => !error.message.includes('\n') && error.message.length > 10,
      text,
    )
  }
})

test('YAML: what is written is read back, and presets look as they always did', () => {
  for (const value of [
    'no',
    'y',
    '1e-4',
    '010',
    '1:30',
    '2024-01-01',
    'none',
    1e-5,
    1e300,
    0.1,
    true,
    null,
    [[0.3, 1, 2]],
  ])
    assert.equal(parseYaml(writeYaml({ a: value })), { a: value })
  for (const { settings } of Object.values(presets)) assert.equal(parseYaml(writeYaml(settings)), settings)
  assert.is(
    writeYaml({ lr: 1e-4, ema: true, arch: { mlp_t: false, pos_encodings: 'none' } }),
    'lr: 0.0001\nema: true\narch:\n  mlp_t: false\n  pos_encodings: none\n',
  )
})

const valueOf = (text: string) => parseOverride(`x=${text}`).value

test('overrides: signs and keys', () => {
  assert.equal(parseOverride('lr=1e-4'), { text: 'lr=1e-4', sign: '', key: 'lr', value: 1e-4 })
  assert.equal(parseOverride('+run_name=a'), { text: '+run_name=a', sign: '+', key: 'run_name', value: 'a' })
  assert.equal(parseOverride('++arch.L_cycles=4'), {
    text: '++arch.L_cycles=4',
    sign: '++',
    key: 'arch.L_cycles',
    value: 4,
  })
  assert.equal(parseOverride('~evaluators'), { text: '~evaluators', sign: '~', key: 'evaluators' })
  assert.is(parseOverride('hydra/job_logging=disabled').key, 'hydra/job_logging')
  for (const text of ['lr', '=3', '', '+=1', 'a b=1', '.lr=1', '--lr=1', 'lr.=1', '~', 'arch@x=trm'])
    assert.throws(() => parseOverride(text), /^expected KEY=VALUE, got "/, text)
})

test('overrides: values without quotes', () => {
  const expected: Record<string, unknown> = {
    '': '',
    '3': 3,
    '-3': -3,
    '+3': 3,
    '1_000': 1000,
    '010': '010',
    '0x1F': '0x1F',
    '1:30': '1:30',
    '1e-4': 1e-4,
    '1E5': 1e5,
    '.5': 0.5,
    '-.5': -0.5,
    '5.': 5,
    '1.0': 1,
    true: true,
    TRUE: true,
    False: false,
    null: null,
    NULL: null,
    None: 'None',
    yes: 'yes',
    no: 'no',
    off: 'off',
    inf: Infinity,
    '-inf': -Infinity,
    'a b': 'a b',
    '  a ': 'a',
    'data/sudoku-extreme-1k-aug-1000': 'data/sudoku-extreme-1k-aug-1000',
    'losses@ACTLossHead': 'losses@ACTLossHead',
    '2GB': '2GB',
    'a=b': 'a=b',
    '${run_name}': '${run_name}',
    '${oc.env:HOME,here}/x': '${oc.env:HOME,here}/x',
    'a\\,b': 'a,b',
    'runs/a (1).pt': 'runs/a (1).pt',
  }
  for (const [text, value] of Object.entries(expected)) assert.equal(valueOf(text), value, text)
  assert.ok(Number.isNaN(valueOf('nan')))
})

test('overrides: quotes, lists and mappings', () => {
  const expected: Record<string, unknown> = {
    '"1e-4"': '1e-4',
    "'no'": 'no',
    "'it\\'s, so'": "it's, so",
    '"a\\\\b"': 'a\\b',
    '[]': [],
    '[ ]': [],
    '{}': {},
    '[a, "b,c", 3]': ['a', 'b,c', 3],
    '[data/sudoku-extreme-1k-aug-1000]': ['data/sudoku-extreme-1k-aug-1000'],
    '[[0.3,1,2],[0.6, 2, 4]]': [
      [0.3, 1, 2],
      [0.6, 2, 4],
    ],
    '[{name:arc@ARC}]': [{ name: 'arc@ARC' }],
    '{a: 1, b: [x, null], c: {d: true}}': { a: 1, b: ['x', null], c: { d: true } },
  }
  for (const [text, value] of Object.entries(expected)) assert.equal(valueOf(text), value, text)
})

test('overrides: what hydra would take for a sweep, a function or a mistake is said to be one', () => {
  assert.throws(() => valueOf('1e-3,1e-4'), /^"x=1e-3,1e-4": several values, as for a sweep/)
  assert.throws(() => valueOf('[1],[2]'), /several values/)
  for (const text of ['choice(1,2)', 'range(1, 8)', 'int(3.5)', 'glob(*)'])
    assert.throws(() => valueOf(text), /a function of hydra, which is not run here/, text)
  assert.throws(() => valueOf('[1, 2'), /a list without its end/)
  assert.throws(() => valueOf('{a: 1'), /a mapping without its end/)
  assert.throws(() => valueOf('{a}'), /whose key has no value/)
  assert.throws(() => valueOf('"abc'), /a quote " without its end/)
  assert.throws(() => valueOf('"a" b'), /expected the end after a value, got "b"/)
})

test.run()
