// Settings as hydra puts them together: published groups, defaults lists, overrides; published command lines and files; what is refused.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { UsageError } from '../../src/cli/arguments.js'
import { withoutEffect } from '../../src/cli/fields.js'
import { GROUPS } from '../../src/cli/groups.js'
import { giveSettings } from '../../src/cli/settings.js'
import { writeYaml } from '../../src/cli/yaml.js'
import { generateSudoku } from '../../src/data/sudoku.js'
import { configFromOfficial } from '../../src/trm/published/names.js'
import { presets, resolveRun } from '../../src/trm/published/settings.js'

const folder = mkdtempSync(join(tmpdir(), 'trm-composition-'))
test.after(() => rmSync(folder, { recursive: true, force: true }))
const { metadata } = generateSudoku({ size: 4, train: 1, test: 1, clues: 8 }).train
const DATA = { vocab_size: 6, seq_len: 16, num_puzzle_identifiers: 1 }

let files = 0
function fileOf(text: string): string {
  const file = join(folder, `${files++}.yaml`)
  writeFileSync(file, text)
  return file
}

/** `trm train` with such arguments, up to where something would be built. */
async function run(config: string | undefined, ...pairs: string[]) {
  const { settings, notes } = await giveSettings({ command: 'trm train', config, pairs, preset: 'small' })
  const resolved = resolveRun(settings, metadata)
  return { ...resolved, notes: [...notes, ...withoutEffect(settings, resolved.config)] }
}

async function refusal(config: string | undefined, ...pairs: string[]): Promise<string> {
  const error = await run(config, ...pairs).then(
    () => new Error('nothing was refused'),
    error => error as Error,
  )
  assert.not.match(error.message, /\n/)
  return `${error instanceof UsageError ? 2 : 1} ${error.message}`
}

/** The published values, seen from here. */
const PUBLISHED = {
  trm: {
    architecture: 'trm',
    hidden: 512,
    heads: 8,
    expansion: 4,
    layers: 2,
    highLayers: 0,
    cycles: 3,
    latentSteps: 6,
    supervisionSteps: 16,
    exploration: 0.1,
    positions: 'rope',
    tokenMixing: false,
    puzzleWidth: 512,
    prefix: 16,
  },
  trm_singlez: { architecture: 'single-z', layers: 2, cycles: 3, latentSteps: 6, prefix: 16 },
  trm_hier6: { architecture: 'hier6', layers: 2, cycles: 3, latentSteps: 6, prefix: 16 },
  hrm: {
    architecture: 'hrm',
    hidden: 512,
    heads: 8,
    layers: 4,
    highLayers: 4,
    cycles: 2,
    latentSteps: 2,
    prefix: 0,
    supervisionSteps: 16,
  },
  hrm_v1: {
    architecture: 'hrm',
    hidden: 512,
    heads: 8,
    layers: 4,
    highLayers: 4,
    cycles: 2,
    latentSteps: 2,
    prefix: 0,
    supervisionSteps: 16,
  },
  transformers_baseline: {
    architecture: 'transformer',
    hidden: 512,
    heads: 12,
    highLayers: 8,
    prefix: 0,
    puzzleWidth: 512,
  },
} as const

const holds = (config: object, expected: object, message: string) =>
  assert.equal({ ...config, ...expected }, config, message)

test('every published group, from the command line and from a defaults list', async () => {
  assert.equal(Object.keys(PUBLISHED).sort(), Object.keys(GROUPS).sort())
  for (const [name, expected] of Object.entries(PUBLISHED)) {
    const typed = await run(undefined, `arch=${name}`)
    holds(typed.config, expected, name)
    // Without --config the training is the published one too.
    assert.equal(
      [typed.options.batchSize, typed.options.learningRate, typed.options.weightDecay, typed.dtype],
      [768, 1e-4, 0.1, 'bf16'],
    )
    assert.match(
      typed.notes[0],
      `arch=${name}: the values of the published group, with the published training (no --config)`,
    )
    const listed = await run(fileOf(`defaults:\n  - arch: ${name}\n  - _self_\nglobal_batch_size: 4\n`))
    assert.equal(listed.config, typed.config)
    assert.is(listed.options.batchSize, 4)
    // The width of the puzzle embedding follows an overridden width.
    const small = await run(undefined, 'arch.hidden_size=16', `arch=${name}`, 'arch.num_heads=2')
    assert.equal([small.config.hidden, small.config.heads, small.config.puzzleWidth], [16, 2, 16])
  }
})

test('the order: defaults list, _self_ where it stands or last, then overrides wherever they stand', async () => {
  const own = 'arch:\n  L_cycles: 5\n'
  const cyclesOf = async (text: string, ...pairs: string[]) => (await run(fileOf(text), ...pairs)).config.latentSteps
  assert.is(await cyclesOf(`defaults: [arch: trm, _self_]\n${own}`), 5)
  assert.is(await cyclesOf(`defaults: [arch: trm]\n${own}`), 5)
  assert.is(await cyclesOf(`defaults: [_self_, arch: trm]\n${own}`), 6)
  assert.is(await cyclesOf(`defaults: [_self_, arch: trm]\n${own}`, 'arch.L_cycles=4', 'arch=trm_singlez'), 4)
  // A group on the command line takes the place of the one in the list.
  const replaced = await run(fileOf(`defaults: [arch: trm, _self_]\n${own}`), 'arch=hrm')
  assert.equal([replaced.config.architecture, replaced.config.highLayers, replaced.config.latentSteps], ['hrm', 4, 5])
  assert.is((await run(undefined, 'arch=trm', 'arch=hrm')).config.architecture, 'hrm')
  // With a plus it goes over a file that has no list.
  const added = await run(fileOf('arch: {L_cycles: 5, rope_theta: 500}\n'), '+arch=hrm')
  assert.equal([added.config.architecture, added.config.latentSteps, added.config.ropeTheta], ['hrm', 2, 500])
  assert.match(
    await refusal(fileOf(own), 'arch=hrm'),
    /^2 trm train: arch=hrm: .*\.yaml has an arch of its own and no defaults list .* write \+arch=hrm .*arch\.name=hrm/,
  )
  assert.is((await run(fileOf('lr: 1e-3\n'), 'arch=hrm')).config.architecture, 'hrm')
  // In place of a preset's network; the preset's training stays.
  const preset = await run('tiny', 'arch=trm_singlez')
  holds(preset.config, PUBLISHED.trm_singlez, 'tiny')
  assert.equal([preset.config.hidden, preset.options.batchSize, preset.options.steps], [512, 32, 400])
  assert.equal((await run(fileOf(`defaults: [arch: trm, _self_]\n${own}`), '~arch')).config.layers, 2)
  assert.match(await refusal('tiny', '~arch'), /^2 trm train: ~arch: tiny chooses no group/)
})

test('groups and lists that are not known here are refused with what to write', async () => {
  assert.match(
    await refusal(undefined, 'arch=trm_deq'),
    /^2 trm train: arch=trm_deq: no group arch\/trm_deq, expected trm, trm_singlez, trm_hier6, hrm, transformers_baseline, hrm_v1 — values of another group can stand in a file for --config, as fields under arch$/,
  )
  assert.match(await refusal(undefined, 'arch=__proto__'), /no group arch\/__proto__/)
  const list = (entries: string) => refusal(fileOf(`defaults: ${entries}\nlr: 1e-4\n`))
  assert.match(await list('[arch: trm_deq]'), /^1 config .*\.yaml: no group arch\/trm_deq, expected trm, /)
  assert.match(
    await list('[optimizer: adam, _self_]'),
    /defaults chooses "optimizer": "adam", and the only group known here is arch — copy its fields into this file/,
  )
  assert.match(await list('[base, _self_]'), /defaults names "base", and files beside this one are not read — copy/)
  assert.match(await list('[arch: "???"]'), /leaves arch open .* arch=trm/)
  assert.match(await list('[arch: [trm, hrm]]'), /expected one name/)
  assert.match(await list('[arch: trm, arch: hrm]'), /arch twice/)
  assert.match(await list('[_self_, _self_]'), /_self_ twice/)
  assert.match(await list('{arch: trm}'), /defaults is .*, expected a list/)
  assert.match(
    await refusal(fileOf('arch: trm\n'), 'arch.hidden_size=16'),
    /^1 config: arch is "trm", expected fields of the model — a group is chosen by defaults: \[arch: NAME\], or by arch=NAME/,
  )
  assert.match(
    await refusal(fileOf(writeYaml(GROUPS.hrm))),
    /has the fields of a group at its top, expected them under arch/,
  )
  // What only hydra itself looks at.
  assert.is(
    (
      await run(
        fileOf('defaults:\n  - arch: hrm\n  - override hydra/job_logging: disabled\n  - _self_\n'),
        'hydra.run.dir=x',
        'hydra/launcher=basic',
      )
    ).config.architecture,
    'hrm',
  )
})

test('a file arch/NAME.yaml beside the configuration is read, as hydra reads it', async () => {
  const home = join(folder, 'config')
  mkdirSync(join(home, 'arch'), { recursive: true })
  writeFileSync(
    join(home, 'arch', 'mine.yaml'),
    'name: recursive_reasoning.trm@TinyRecursiveReasoningModel_ACTV1\nhidden_size: 48\nnum_heads: 4\npuzzle_emb_ndim: ${.hidden_size}\nL_layers: 1\nmlp_t: no\n',
  )
  writeFileSync(join(home, 'cfg.yaml'), 'defaults: [arch: mine, _self_]\n')
  const { config, notes } = await run(join(home, 'cfg.yaml'))
  assert.equal([config.hidden, config.heads, config.puzzleWidth, config.layers], [48, 4, 48, 1])
  assert.match(notes[0], /arch=mine: the values of .*mine\.yaml/)
  writeFileSync(join(home, 'arch', 'heir.yaml'), 'defaults: [mine, _self_]\nL_layers: 3\n')
  assert.match(
    await refusal(join(home, 'cfg.yaml'), 'arch=heir'),
    /^2 trm train: arch=heir: .*heir\.yaml: .* copy what they name into it/,
  )
})

/** The assignments of the READMEs of TinyRecursiveModels and of HRM. */
const COMMANDS: Record<string, [assignments: string, config: object, options: object]> = {
  'Sudoku, token mixing': [
    'arch=trm data_paths=[data/sudoku-extreme-1k-aug-1000] evaluators=[] epochs=50000 eval_interval=5000 lr=1e-4 puzzle_emb_lr=1e-4 weight_decay=1.0 puzzle_emb_weight_decay=1.0 arch.mlp_t=True arch.pos_encodings=none arch.L_layers=2 arch.H_cycles=3 arch.L_cycles=6 +run_name=pretrain_mlp_t_sudoku ema=True',
    { tokenMixing: true, positions: 'none', latentSteps: 6 },
    { weightDecay: 1, emaRate: 0.999, batchSize: 768 },
  ],
  'Sudoku, attention': [
    'arch=trm data_paths=[data/sudoku-extreme-1k-aug-1000] evaluators=[] epochs=50000 eval_interval=5000 lr=1e-4 puzzle_emb_lr=1e-4 weight_decay=1.0 puzzle_emb_weight_decay=1.0 arch.L_layers=2 arch.H_cycles=3 arch.L_cycles=6 +run_name=${run_name} ema=True',
    { tokenMixing: false, positions: 'rope' },
    { puzzleLearningRate: 1e-4 },
  ],
  Maze: [
    'arch=trm data_paths=[data/maze-30x30-hard-1k] evaluators=[] epochs=50000 eval_interval=5000 lr=1e-4 puzzle_emb_lr=1e-4 weight_decay=1.0 puzzle_emb_weight_decay=1.0 global_batch_size=128 arch.L_layers=2 arch.H_cycles=3 arch.L_cycles=4 +run_name= ema=True',
    { latentSteps: 4 },
    { batchSize: 128 },
  ],
  ARC: [
    'arch=trm data_paths=[data/arc1concept-aug-1000] arch.L_layers=2 arch.H_cycles=3 arch.L_cycles=4 +run_name=x ema=True',
    { latentSteps: 4 },
    { weightDecay: 0.1, puzzleLearningRate: 0.01 },
  ],
  'HRM, Sudoku': [
    'arch=hrm_v1 data_path=data/sudoku-extreme-1k-aug-1000 epochs=20000 eval_interval=2000 global_batch_size=384 lr=7e-5 puzzle_emb_lr=7e-5 weight_decay=1.0 puzzle_emb_weight_decay=1.0',
    { architecture: 'hrm', highLayers: 4 },
    { learningRate: 7e-5, batchSize: 384 },
  ],
  'HRM, full Sudoku': [
    'arch=hrm_v1 data_path=data/sudoku-hard-full epochs=100 eval_interval=10 lr_min_ratio=0.1 global_batch_size=2304 lr=3e-4 puzzle_emb_lr=3e-4 weight_decay=0.1 puzzle_emb_weight_decay=0.1 arch.loss.loss_type=softmax_cross_entropy arch.L_cycles=8 arch.halt_max_steps=8 arch.pos_encodings=learned',
    { latentSteps: 8, supervisionSteps: 8, positions: 'learned' },
    { loss: 'softmax', minLearningRateRatio: 0.1 },
  ],
}

test('published command lines', async () => {
  for (const [name, [assignments, config, options]] of Object.entries(COMMANDS)) {
    const given = await run(undefined, ...assignments.split(' '))
    holds(given.config, config, name)
    holds(given.options, options, name)
    assert.ok(
      given.notes.some(note => /fields without effect here: data_paths? \(--data names the data\)/.test(note)),
      name,
    )
  }
})

test("HRM's own command names no architecture: it is said what is trained, and its epochs count", async () => {
  const { config, options, notes } = await run(undefined, 'data_path=data/x', 'epochs=2000', 'lr=7e-5')
  assert.equal(
    [config.hidden, options.steps],
    [64, Math.floor((2000 * metadata.totalGroups * metadata.meanPuzzleExamples) / 32)],
  )
  assert.match(
    notes.join('\n'),
    /arch=hrm_v1 trains HRM, this trains small\nepochs=2000 counts, not the 1000 steps of small/,
  )
  assert.is((await run(undefined, 'epochs=2000', 'steps=7')).options.steps, 7)
})

const PRETRAIN = (arch: string, data: string) => `# ARC training config

defaults:
  - arch: ${arch}
  - _self_

hydra:
  output_subdir: null

${data}
global_batch_size: 768

epochs: 100000
eval_interval: 10000
checkpoint_every_eval: True

lr: 1e-4
lr_min_ratio: 1.0
lr_warmup_steps: 2000

beta1: 0.9
beta2: 0.95
weight_decay: 0.1
puzzle_emb_weight_decay: 0.1

puzzle_emb_lr: 1e-2
`

test('the published training files as they stand', async () => {
  const trm = await run(
    fileOf(
      PRETRAIN(
        'trm',
        "data_paths: ['data/arc-aug-1000']\ndata_paths_test: []\nevaluators:\n  - name: arc@ARC\nseed: 0\nmin_eval_interval: 0\nema: False\nema_rate: 0.999\nfreeze_weights: False\n",
      ),
    ),
  )
  holds(trm.config, PUBLISHED.trm, 'trm')
  assert.equal(
    [trm.options.learningRate, trm.options.puzzleLearningRate, trm.options.emaRate, trm.options.epochsPerPass],
    [1e-4, 1e-2, 0, 10000],
  )
  assert.ok(
    trm.notes.includes(
      'fields without effect here: hydra (nothing of hydra runs here), data_paths (--data names the data), evaluators (trm eval and trm score arc evaluate)',
    ),
    trm.notes.join('\n'),
  )
  const hrm = await run(fileOf(PRETRAIN('hrm_v1', 'data_path: data/arc-aug-1000\n')))
  holds(hrm.config, PUBLISHED.hrm_v1, 'hrm')
})

/** What the published trainings leave beside their checkpoints. */
const ALL_CONFIG = `arch:
  H_cycles: 2
  H_layers: 1
  L_cycles: 2
  L_layers: 1
  expansion: 4
  halt_exploration_prob: 0.1
  halt_max_steps: 4
  hidden_size: 32
  loss:
    loss_type: stablemax_cross_entropy
    name: losses@ACTLossHead
  name: hrm.hrm_act_v1@HierarchicalReasoningModel_ACTV1
  num_heads: 2
  pos_encodings: rope
  puzzle_emb_ndim: 32
beta1: 0.9
beta2: 0.95
checkpoint_every_eval: true
checkpoint_path: checkpoints/Sudoku-4x4 ACT-torch/HierarchicalReasoningModel_ACTV1 quiet-otter
data_path: data/sudoku-4x4
epochs: 2000
eval_interval: 1000
eval_save_outputs: []
global_batch_size: 8
lr: 0.0001
lr_min_ratio: 1.0
lr_warmup_steps: 10
project_name: Sudoku-4x4 ACT-torch
puzzle_emb_lr: 0.0001
puzzle_emb_weight_decay: 1.0
run_name: HierarchicalReasoningModel_ACTV1 quiet-otter
seed: 0
weight_decay: 1.0
`

test("HRM's and TRM's all_config.yaml", async () => {
  const hrm = await run(fileOf(ALL_CONFIG))
  holds(
    hrm.config,
    {
      architecture: 'hrm',
      layers: 1,
      highLayers: 1,
      hidden: 32,
      cycles: 2,
      latentSteps: 2,
      supervisionSteps: 4,
      prefix: 0,
    },
    'hrm',
  )
  assert.equal([hrm.options.batchSize, hrm.options.warmupSteps], [8, 10])
  const trm = ALL_CONFIG.replace(
    'hrm.hrm_act_v1@HierarchicalReasoningModel_ACTV1',
    'recursive_reasoning.trm@TinyRecursiveReasoningModel_ACTV1\n  mlp_t: false\n  puzzle_emb_len: 16\n  no_ACT_continue: true\n  forward_dtype: bfloat16',
  ).replace(
    'data_path: data/x',
    'data_paths:\n- data/x\ndata_paths_test: []\nevaluators: []\nload_checkpoint: null\nmin_eval_interval: 0',
  )
  const given = await run(fileOf(trm))
  holds(given.config, { architecture: 'trm', layers: 1, highLayers: 0, prefix: 16 }, 'trm')
  assert.ok(given.notes.includes('fields without effect in this architecture: arch.H_layers (1)'))
  assert.match(
    await refusal(fileOf(ALL_CONFIG.replace('losses@ACTLossHead', 'losses@Mine'))),
    /arch\.loss\.name is "losses@Mine", expected losses@ACTLossHead/,
  )
  assert.match(
    await refusal(fileOf(ALL_CONFIG.replace('ReasoningModel_ACTV1\n  num', 'Other\n  num'))),
    /architecture "hrm\.hrm_act_v1@HierarchicalOther", expected class HierarchicalReasoningModel_ACTV1/,
  )
})

test('fields of forks: left out with a word where they are off, refused where they are on', async () => {
  for (const off of ['0', '0.0', 'null', 'False', 'none', '[]', '{}', 'off', '""']) {
    const { notes } = await run(
      fileOf(`arch:\n  puzzle_emb_dropout: ${off}\n  loss: {q_weight: ${off}}\nwandb: ${off}\n`),
    )
    assert.match(
      notes.join('\n'),
      /^fields of another program, left out as they are off: wandb \(.*\), arch\.puzzle_emb_dropout \(.*\), arch\.loss\.q_weight \(.*\)$/,
    )
  }
  for (const on of ['0.1', 'True', '[1]', 'gelu', '{a: 1}', '-1', '"0.1"']) {
    assert.match(
      await refusal(fileOf(`arch: {puzzle_emb_dropout: ${on}}\n`)),
      /^1 config: unknown field "puzzle_emb_dropout", expected one of .*hidden_size.* only those that are off/,
      on,
    )
    assert.match(await refusal(fileOf(`wandb: ${on}\n`)), /^1 config: unknown field "wandb", expected one of .*lr/, on)
    assert.match(await refusal(fileOf(`arch: {loss: {q_weight: ${on}}}\n`)), /^1 config: unknown field "q_weight"/, on)
  }
  // Where off is another training, on is what may be left out.
  assert.match(await refusal(fileOf('arch: {act_enabled: False}\n')), /act_enabled/)
  assert.match(await refusal(fileOf('gradient_accumulation_steps: 4\n')), /gradient_accumulation_steps/)
  await run(
    fileOf(
      'arch: {act_enabled: True, grad_cycle_prob: 1.0}\ngradient_accumulation_steps: 1\nsupervision_curriculum: False\ncurriculum_min_depth: 2\n',
    ),
  )
  assert.match(await refusal(fileOf('grad_clip_norm: 1.0\n')), /write gradient_clip=… instead/)
  // On the command line an unknown field is a slip, unless a plus says otherwise or the file has it.
  assert.match(await refusal(undefined, 'arch.mlpt=False'), /unknown field "mlpt"/)
  assert.match((await run(undefined, '+arch.mlpt=False')).notes.join(), /arch\.mlpt \(false\)/)
  assert.match((await run(fileOf('arch: {dropout: 0.1}\n'), 'arch.dropout=0')).notes.join(), /arch\.dropout \(0\)/)
})

test('booleans as YAML 1.1 and pydantic read them: never on by mistake', async () => {
  for (const no of ['no', 'No', 'off', 'False', 'false', '"no"', '"False"', '0', 'n', 'f'])
    assert.is((await run(fileOf(`arch: {mlp_t: ${no}}\n`))).config.tokenMixing, false, no)
  for (const yes of ['yes', 'on', 'True', '"true"', '1', 'y', 't'])
    assert.is((await run(fileOf(`arch: {mlp_t: ${yes}}\n`))).config.tokenMixing, true, yes)
  for (const no of ['no', 'off', '0', 'FALSE', '"no"'])
    assert.is((await run(undefined, `arch.mlp_t=${no}`)).config.tokenMixing, false, no)
  for (const no of ['no', 'off', '0']) assert.is((await run(undefined, `ema=${no}`)).options.emaRate, 0, no)
  for (const other of ['maybe', 'null', '[]', '2', '0.5', '"yes please"', '{}'])
    assert.match(
      await refusal(fileOf(`arch: {mlp_t: ${other}}\n`)),
      /^1 config: arch\.mlp_t is .*, expected true or false$/,
      other,
    )
  assert.equal(
    [
      (await run(undefined, 'lr="1e-3"')).options.learningRate,
      (await run(fileOf('global_batch_size: "08"\n'))).options.batchSize,
    ],
    [1e-3, 8],
  )
})

test('every field is checked for type and range, by the name that was written, whether it counts or not', async () => {
  const wrong: Record<string, string[]> = {
    whole: ['16.5', 'abc', '[1]', '{}', 'null', '-1', 'true', '""', '1e400', '.nan'],
    number: ['abc', '[1]', 'null', '-1', 'true', '.nan', '.inf'],
    flag: ['maybe', 'null', '[]', '2'],
  }
  const fields: Record<string, string[]> = {
    whole: [
      'arch.hidden_size',
      'arch.num_heads',
      'arch.L_layers',
      'arch.H_cycles',
      'arch.L_cycles',
      'arch.halt_max_steps',
      'arch.puzzle_emb_ndim',
      'arch.puzzle_emb_len',
      'global_batch_size',
      'epochs',
      'lr_warmup_steps',
      'seed',
      'log_interval',
    ],
    number: [
      'arch.expansion',
      'arch.halt_exploration_prob',
      'arch.rms_norm_eps',
      'arch.rope_theta',
      'lr',
      'lr_min_ratio',
      'beta1',
      'beta2',
      'weight_decay',
      'puzzle_emb_lr',
      'puzzle_emb_weight_decay',
      'ema_rate',
      'gradient_clip',
    ],
    flag: ['arch.mlp_t', 'ema', 'freeze_weights', 'recompute'],
  }
  for (const [kind, names] of Object.entries(fields)) {
    for (const name of names)
      for (const value of wrong[kind]) {
        const text = name.split('.').reduceRight((inner, part) => `{${part}: ${inner}}`, value)
        assert.match(
          await refusal(fileOf(`${text}\n`)),
          new RegExp(`^1 config: ${name.replace('.', '\\.')} is .+, expected `),
          `${name}: ${value}`,
        )
      }
  }
  for (const name of ['steps', 'micro_batch', 'eval_interval', 'checkpoint_interval'])
    for (const value of ['0', '1.5', 'abc', '[]'])
      assert.match(
        await refusal(fileOf(`${name}: ${value}\n`)),
        new RegExp(`^1 config: ${name} is .*, expected a whole number`),
      )
  for (const pair of [
    'optimizer=sgd',
    'arch.forward_dtype=int8',
    'arch.pos_encodings=sine',
    'arch.loss.loss_type=mse',
    'load_checkpoint=3',
    'memory_limit=big',
    'depth_curriculum=fast',
    'arch.loss=3',
  ]) {
    assert.match(
      await refusal(undefined, pair),
      new RegExp(
        `^1 config: ${pair.startsWith('arch.loss=') ? 'arch\\.loss\\.loss_type' : pair.split('=')[0].replace('.', '\\.')} is `,
      ),
      pair,
    )
  }
})

test('fields that do not fit each other, or the data', async () => {
  assert.match(
    await refusal(undefined, 'arch.puzzle_emb_ndim=999'),
    /^1 config: a puzzle embedding of width 999 does not fit a prefix of 1 × 64 values — raise arch\.puzzle_emb_len or set it to 0$/,
  )
  assert.match(
    await refusal(undefined, 'arch.mlp_t=no', 'arch.pos_encodings=rope', 'arch.num_heads=12'),
    /^1 config: arch\.num_heads is 12, 64 hidden values do not divide into heads of an even width$/,
  )
  assert.match(await refusal(undefined, 'arch.name=hrm'), /^1 config: arch\.H_layers is 0, hrm needs at least 1$/)
  assert.match(
    await refusal(undefined, 'arch.name=trm_hier6', 'arch.L_cycles=7'),
    /^1 config: arch\.L_cycles is 7, hier6 has 6 latents/,
  )
  assert.match(
    await refusal(undefined, 'arch.seq_len=81'),
    /^1 config: arch\.seq_len is 81, expected what the data says, 16 — leave it out$/,
  )
  assert.match(
    await refusal(undefined, 'freeze_weights=True', 'arch.puzzle_emb_ndim=0', 'arch.puzzle_emb_len=0'),
    /^1 config: freeze_weights leaves nothing to train/,
  )
  assert.match(
    await refusal(undefined, 'depth_curriculum=[[0.6,1,1],[0.3,1,2]]'),
    /end at 0\.6, 0\.3 of the steps, expected rising shares/,
  )
  assert.match(
    await refusal(undefined, 'depth_curriculum=[[0.6,1,5000]]'),
    /^1 config: depth_curriculum: L_cycles is 5000/,
  )
  assert.match(
    await refusal(undefined, 'depth_curriculum=[[0.6,2,2]]', 'arch=transformers_baseline'),
    /this architecture has one depth, 1 × 1/,
  )
  assert.match(
    await refusal(undefined, 'arch.no_ACT_continue=False'),
    /^1 config: arch\.no_ACT_continue is false, expected true$/,
  )
  assert.match(
    (await run(undefined, 'arch=hrm', 'arch.puzzle_emb_len=16')).notes.join('\n'),
    /fields without effect in this architecture: arch\.puzzle_emb_len \(16\)/,
  )
})

test('references to other fields', async () => {
  const of = async (text: string) => (await run(fileOf(text))).options
  assert.is((await of('lr: 2e-4\npuzzle_emb_lr: ${lr}\n')).puzzleLearningRate, 2e-4)
  assert.is(
    (await run(fileOf('arch: {hidden_size: 24, num_heads: 2, puzzle_emb_ndim: "${..arch.hidden_size}"}\n'))).config
      .puzzleWidth,
    24,
  )
  assert.match(
    await refusal(fileOf('lr: ${oc.env:LR}\n')),
    /lr is "\$\{oc\.env:LR\}", which hydra alone resolves — write the value itself/,
  )
  assert.match(await refusal(fileOf('lr: ${nothing}\n')), /there is no field nothing/)
  assert.match(await refusal(fileOf('lr: ${puzzle_emb_lr}\npuzzle_emb_lr: ${lr}\n')), /points back at itself/)
  await run(fileOf('run_name: ${now:%Y}\nlr: 1e-4\n'))
})

test("fields that cannot be taken away, and grammar that is not hydra's", async () => {
  assert.match(
    await refusal(undefined, '~lr'),
    /^2 trm train: ~lr: a field that the training needs cannot be taken away — write lr=VALUE$/,
  )
  await run(fileOf(PRETRAIN('trm', 'evaluators: [{name: arc@ARC}]\n')), '~evaluators', '~data_paths')
  assert.match(await refusal(undefined, 'lr=1e-3,1e-4'), /^2 trm train: "lr=1e-3,1e-4": several values/)
  assert.match(await refusal(undefined, 'arch/loss=x'), /^2 trm train: arch\/loss=x: no group arch\/loss is known here/)
  assert.match(await refusal(undefined, 'lr'), /^2 trm train: expected KEY=VALUE, got "lr"$/)
})

test('the published values are those that the presets and official defaults have', () => {
  const { loss: _, forward_dtype: __, ...trm } = GROUPS.trm
  assert.equal(configFromOfficial({ ...trm, ...DATA }), configFromOfficial(DATA))
  const of = (name: string, group: string) => {
    const { loss: _, forward_dtype: __, ...arch } = { ...GROUPS[group], ...presets[name].settings.arch }
    return configFromOfficial({ ...arch, ...DATA })
  }
  assert.equal(of('maze', 'trm').latentSteps, 4)
  assert.is(writeYaml(GROUPS.trm).includes('H_layers: 0'), true)
})

test.run()
