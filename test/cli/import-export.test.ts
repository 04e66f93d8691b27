// "trm import" and "trm export": checkpoints of the published code in and out, value for value, and what is refused.
import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import YAML from 'yaml'
import { UsageError } from '../../src/cli/arguments.js'
import { exportCommand } from '../../src/cli/export.js'
import { importCommand } from '../../src/cli/import.js'
import { parseSafetensors, type StoredTensor, toFloat32, writeSafetensors } from '../../src/formats/safetensors.js'
import { fromFloat32, readTorch as readTensors } from '../../src/formats/torch.js'
import { writeTorch } from '../../src/formats/torch-write.js'
import { readTorch } from '../../src/trm/published/foreign.js'
import { inferConfig } from '../../src/trm/published/infer-config.js'
import {
  loadCheckpoint,
  readCheckpoint,
  readCheckpointConfig,
  saveCheckpoint,
} from '../../src/trm/published/checkpoint.js'
import type { TrmConfig } from '../../src/trm/config.js'
import { configFromOfficial } from '../../src/trm/published/names.js'
import { openEngine } from '../engine-under-test.js'
import { golden, repositoryFile } from '../files.js'
import { torchFile } from '../torch-files.js'
import { here } from './here.js'
import { pattern } from '../pattern.js'

const test = suite('trm import, trm export', { folder: '' })
test.before.each(context => {
  context.folder = mkdtempSync(join(tmpdir(), 'trm-import-'))
})
test.after.each(({ folder }) => rmSync(folder, { recursive: true, force: true }))

/** Runs a command; returns what it printed. */
async function run(command: typeof importCommand, ...args: string[]): Promise<string> {
  return (await here(command, ...args)).slice(0, -1)
}

async function refuses(pattern: RegExp, command: typeof importCommand, ...args: string[]): Promise<void> {
  try {
    await run(command, ...args)
  } catch (error) {
    assert.match((error as Error).message, pattern)
    assert.not.match((error as Error).message, /\n/)
    return
  }
  throw new Error(`expected a refusal of ${args.join(' ')}`)
}

/** The initial model of a recording of the published code and its configuration, both by official names. */
async function published(
  name: string,
): Promise<{ tensors: Map<string, StoredTensor>; fields: Record<string, unknown> }> {
  const { tensors, metadata } = parseSafetensors(await golden(name))
  const own = [...tensors]
    .filter(([key]) => key.startsWith('init.'))
    .map(([key, stored]) => [key.slice('init.'.length), stored] as const)
  return { tensors: new Map(own), fields: JSON.parse(metadata.config) }
}
const prefixed = (prefix: string, tensors: ReadonlyMap<string, StoredTensor>) =>
  new Map([...tensors].map(([key, stored]) => [prefix + key, stored]))
const bytesOf = (file: string) => new Uint8Array(readFileSync(file))
const sameTensors = (actual: ReadonlyMap<string, StoredTensor>, expected: ReadonlyMap<string, StoredTensor>) => {
  assert.equal([...actual.keys()].sort(), [...expected.keys()].sort())
  for (const [key, { shape, data }] of expected)
    assert.equal([actual.get(key)!.shape, actual.get(key)!.data], [shape, data], key)
}
const GOLDENS = ['trm-mlp', 'trm-att-rope', 'trm-att-learned', 'trm-no-puzzle-emb']
/** The published code writes no sizes of the data into its YAML. */
const { stringify } = YAML
const yamlOf = ({ vocab_size: _v, seq_len: _s, num_puzzle_identifiers: _n, ...arch }: Record<string, unknown>) =>
  stringify({
    arch: {
      name: 'recursive_reasoning.trm@TinyRecursiveReasoningModel_ACTV1',
      loss: { name: 'losses@ACTLossHead', loss_type: 'stablemax_cross_entropy' },
      ...arch,
    },
    lr: 1e-4,
    epochs: 100,
    data_paths: ['data/x'],
  })

for (const name of GOLDENS) {
  test(`${name}: a .pt with its YAML comes in, goes out and comes in again unchanged`, async ({ folder }) => {
    const { tensors, fields } = await published(name)
    const [pt, yaml, out] = ['a.pt', 'a.yaml', 'a.safetensors'].map(file => join(folder, file))
    writeFileSync(yaml, yamlOf(fields))
    for (const prefix of ['_orig_mod.model.', 'model.', '']) {
      writeFileSync(pt, writeTorch(prefixed(prefix, tensors)))
      const printed = await run(importCommand, '--from', pt, '--out', out, '--config', yaml, 'seq_len=16')
      assert.match(printed, /hidden 32, 2 layers, 16 cells, 6 tokens/)
      sameTensors(parseSafetensors(bytesOf(out)).tensors, tensors)
    }
    const { config } = readCheckpointConfig(bytesOf(out))
    const own =
      'puzzle_emb_ndim' in fields && fields.puzzle_emb_ndim === 0 ? { ...fields, num_puzzle_identifiers: 1 } : fields
    assert.equal(config, configFromOfficial(own))

    const [back, backYaml, again] = ['b.pt', 'b.yaml', 'b.safetensors'].map(file => join(folder, file))
    await run(exportCommand, '--checkpoint', out, '--out', back, '--config-out', backYaml)
    sameTensors(readTensors(bytesOf(back)).tensors, prefixed('_orig_mod.model.', tensors))
    await run(importCommand, '--from', back, '--out', again, '--config', backYaml, 'arch.seq_len=16')
    assert.equal(bytesOf(again), bytesOf(out))
    // A checkpoint of this project needs no configuration.
    await run(importCommand, '--from', out, '--out', again)
    assert.equal(bytesOf(again), bytesOf(out))
  })
}

test('a model loads from .pt bytes as from safetensors', async () => {
  const engine = await openEngine()
  try {
    const { tensors, fields } = await published('trm-mlp')
    const config = configFromOfficial(fields)
    const model = loadCheckpoint(engine, writeTorch(prefixed('_orig_mod.model.', tensors)), 'a.pt', {
      config,
      readTorch,
    })
    assert.equal(model.config, config)
    sameTensors(parseSafetensors(await saveCheckpoint(model)).tensors, tensors)
    assert.throws(
      () => loadCheckpoint(engine, writeTorch(tensors), 'a.pt', { config }),
      /^a.pt: a file of torch.save, .* readTorch/,
    )
    assert.throws(
      () => loadCheckpoint(engine, writeTorch(tensors), 'a.pt', { readTorch }),
      /^a.pt: it holds no configuration, .* H_cycles, L_cycles, halt_max_steps/,
    )
  } finally {
    engine.close()
  }
})

test('a file that PyTorch wrote, with bfloat16 and learned positions', async ({ folder }) => {
  const bytes = await repositoryFile('test/formats/fixtures/trm-attention.pt')
  writeFileSync(join(folder, 'a.pt'), bytes!)
  const [pt, out] = [join(folder, 'a.pt'), join(folder, 'a.safetensors')]
  const fields = ['H_cycles=2', 'L_cycles=2', 'halt_max_steps=4', 'num_heads=2']
  await refuses(
    /do not tell num_heads, H_cycles, L_cycles, halt_max_steps, puzzle_emb_len — give them/,
    importCommand,
    '--from',
    pt,
    '--out',
    out,
  )
  assert.not.ok(existsSync(out))
  await run(importCommand, '--from', pt, '--out', out, ...fields, 'puzzle_emb_len=1')
  const { config } = readCheckpointConfig(bytesOf(out))
  assert.equal([config.cells, config.prefix, config.positions, config.puzzles, config.layers], [4, 1, 'learned', 3, 1])
  await run(importCommand, '--from', pt, '--out', out, ...fields, 'seq_len=4')
  assert.equal(readCheckpointConfig(bytesOf(out)).config, config)
  const imported = parseSafetensors(bytesOf(out)).tensors
  for (const [key, stored] of readTensors(bytes!).tensors) {
    const mine = imported.get(key.slice('_orig_mod.model.'.length))!
    assert.equal([mine.dtype, mine.shape, mine.data], ['F32', stored.shape, toFloat32(stored)])
  }
})

test('what the tensors tell', async () => {
  const rest: Partial<TrmConfig> = { cycles: 3, latentSteps: 2, supervisionSteps: 4 }
  const mlp = await published('trm-mlp')
  const config = inferConfig(mlp.tensors, { config: { ...rest, cells: 16 } })
  assert.equal(
    [
      config.hidden,
      config.vocabulary,
      config.layers,
      config.tokenMixing,
      config.positions,
      config.puzzles,
      config.puzzleWidth,
      config.prefix,
      config.expansion,
    ],
    [32, 6, 2, true, 'none', 5, 32, 2, 4],
  )
  assert.is(inferConfig(mlp.tensors, { config: { ...rest, prefix: 2 } }).cells, 16)
  assert.is(inferConfig(mlp.tensors, { config: rest, fallback: { prefix: 2, hidden: 7, layers: 9 } }).hidden, 32)
  const attention = await published('trm-att-rope')
  const missing = (options: Parameters<typeof inferConfig>[1]) => {
    try {
      return inferConfig(attention.tensors, options, 'a') && ''
    } catch (error) {
      return (error as Error).message
    }
  }
  assert.match(
    missing({}),
    pattern(
      /^a: it holds no configuration, and its tensors do not tell seq_len, num_heads, H_cycles/,
      /, L_cycles, halt_max_steps, pos_encodings, puzzle_emb_len —/,
    ),
  )
  const all = { ...rest, heads: 2, positions: 'rope', prefix: 2, cells: 16 } as const
  assert.is(missing({ config: all }), '')
  assert.match(missing({ config: { ...all, hidden: 64 } }), /says hidden_size is 64, the tensors say 32/)
  assert.match(missing({ config: { ...all, tokenMixing: true } }), /says mlp_t is true, the tensors say false/)
  assert.match(
    missing({ config: { ...all, positions: 'learned' } }),
    /says pos_encodings is learned, the tensors say rope or none/,
  )
  assert.match(
    missing({ config: { ...all, heads: 33 } }),
    /num_heads is 33, 32 hidden values do not divide into heads of an even width/,
  )
  assert.throws(
    () => inferConfig(mlp.tensors, { config: { ...rest, cells: 16, prefix: 3 } }),
    /for 18 positions, the configuration has a prefix of 3 and 16 cells/,
  )
  assert.throws(() => inferConfig(mlp.tensors, { config: { ...rest, cells: 20 } }), /18 positions/)
  assert.throws(() => inferConfig(mlp.tensors, { config: { ...rest, prefix: 18 } }), /18 positions/)
  assert.throws(
    () => inferConfig(new Map([['weight', attention.tensors.get('inner.H_init')!]]), {}, 'a'),
    /^a: tensor "inner.embed_tokens.embedding_weight" is missing, .* found "weight"/,
  )
})

test('another number of puzzle ids refills the table with its mean row', async ({ folder }) => {
  const { tensors, fields } = await published('trm-mlp')
  const [pt, yaml, out] = ['a.pt', 'a.yaml', 'a.safetensors'].map(file => join(folder, file))
  writeFileSync(pt, writeTorch(tensors))
  writeFileSync(yaml, yamlOf(fields))
  const {
    shape: [rows, width],
    data,
  } = tensors.get('inner.puzzle_emb.weights')!
  const mean = Float32Array.from(
    { length: width },
    (_, j) => Array.from({ length: rows }, (_, i) => data[i * width + j] as number).reduce((a, b) => a + b, 0) / rows,
  )
  for (const count of [1, 9]) {
    assert.match(
      await run(importCommand, '--from', pt, '--out', out, '--config', yaml, `num_puzzle_identifiers=${count}`),
      new RegExp(`${count} puzzle ids`),
    )
    const table = parseSafetensors(bytesOf(out)).tensors.get('inner.puzzle_emb.weights')!
    assert.equal(table.shape, [count, width])
    for (let i = 0; i < count; i++) assert.equal(table.data.slice(i * width, (i + 1) * width), mean)
  }
  // Also from a checkpoint that has a configuration; the same number leaves the table alone.
  const { config, tensors: refilled } = readCheckpoint(bytesOf(out), 'a', {
    readTorch,
    config: { puzzles: 3, supervisionSteps: 7 },
  })
  assert.equal(
    [config.puzzles, config.supervisionSteps, refilled.get('inner.puzzle_emb.weights')!.shape],
    [3, 7, [3, width]],
  )
  await run(importCommand, '--from', pt, '--out', out, '--config', yaml, `num_puzzle_identifiers=${rows}`)
  assert.equal(parseSafetensors(bytesOf(out)).tensors.get('inner.puzzle_emb.weights')!.data, data)
})

test('export in other float types and with other prefixes', async ({ folder }) => {
  const { tensors, fields } = await published('trm-att-rope')
  const [from, out, again] = ['a.safetensors', 'b', 'c.safetensors'].map(file => join(folder, file))
  writeFileSync(from, writeSafetensors(tensors, { config: JSON.stringify(fields), step: '7' }))
  const { config } = readCheckpointConfig(bytesOf(from))
  for (const [dtype, short] of [
    ['bfloat16', 'BF16'],
    ['float16', 'F16'],
    ['float32', 'F32'],
  ] as const) {
    const expected = new Map(
      [...tensors].map(([key, stored]) => [key, fromFloat32(toFloat32(stored), stored.shape, short)]),
    )
    await run(exportCommand, '--checkpoint', from, '--out', `${out}.pt`, '--dtype', dtype, '--prefix', 'x.')
    sameTensors(readTensors(bytesOf(`${out}.pt`)).tensors, prefixed('x.', expected))
    await run(exportCommand, '--checkpoint', from, '--out', `${out}.safetensors`, '--dtype', dtype)
    const exported = parseSafetensors(bytesOf(`${out}.safetensors`))
    sameTensors(exported.tensors, expected)
    assert.equal([exported.metadata.step, readCheckpointConfig(bytesOf(`${out}.safetensors`)).config], ['7', config])
    await run(importCommand, '--from', `${out}.safetensors`, '--out', again)
    assert.equal(
      parseSafetensors(bytesOf(again)).tensors.get('inner.lm_head.weight')!.data,
      toFloat32(expected.get('inner.lm_head.weight')!),
    )
  }
})

test("a training's state with two models: refused with their names, --key takes one; other files are named", async ({
  folder,
}) => {
  const { tensors, fields } = await published('trm-mlp')
  const [pt, yaml, out] = ['a.pt', 'a.yaml', 'a.safetensors'].map(file => join(folder, file))
  const ema = new Map(
    [...tensors].map(([name, stored]) => [
      name,
      fromFloat32(
        toFloat32(stored).map(x => x / 2),
        stored.shape,
        'F32',
      ),
    ]),
  )
  writeFileSync(
    pt,
    torchFile({
      step: 3,
      model: prefixed('_orig_mod.model.', tensors),
      ema,
      rng_state: { dtype: 'U8', shape: [4], data: new Uint8Array(4) },
    }),
  )
  writeFileSync(yaml, yamlOf(fields))
  const from = ['--from', pt, '--out', out, '--config', yaml, 'seq_len=16']
  await refuses(
    pattern(
      /it holds 2 models: "model" \(15 tensors, 77,474 values\), "ema" \(15 .*/,
      / — choose one: on the command line --key model/,
    ),
    importCommand,
    ...from,
  )
  assert.not.ok(existsSync(out))
  for (const [key, expected] of [
    ['model', tensors],
    ['ema', ema],
  ] as const) {
    await run(importCommand, ...from, '--key', key)
    sameTensors(parseSafetensors(bytesOf(out)).tensors, expected)
  }
  writeFileSync(pt, 'version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 28311552\n')
  await refuses(
    /a\.pt: this is a Git LFS pointer, expected a checkpoint, .* — fetch the file itself/,
    importCommand,
    ...from,
  )
  await refuses(
    /a\.pt: this is a Git LFS pointer, expected a checkpoint, .* — fetch the file itself/,
    exportCommand,
    '--checkpoint',
    pt,
    '--out',
    join(folder, 'b.pt'),
  )
})

test('mistakes', async ({ folder }) => {
  const { tensors, fields } = await published('trm-mlp')
  const [pt, yaml, out] = ['a.pt', 'a.yaml', 'a.safetensors'].map(file => join(folder, file))
  writeFileSync(yaml, yamlOf(fields))
  const importOf = (changed: Map<string, StoredTensor>, pattern: RegExp, ...more: string[]) => {
    writeFileSync(pt, writeTorch(changed))
    return refuses(pattern, importCommand, '--from', pt, '--out', out, '--config', yaml, ...more)
  }
  await importOf(
    new Map([...tensors, ['inner.H_level.layers.0.mlp.down_proj.weight', tensors.get('inner.H_init')!]]),
    /"inner.H_level.layers.0.mlp.down_proj.weight" is none of a Tiny Recursive Model's/,
  )
  await importOf(
    new Map([...tensors].filter(([key]) => key !== 'inner.q_head.bias')),
    /tensor "inner.q_head.bias" is missing/,
  )
  await importOf(
    new Map([...tensors, ['model.inner.H_init', tensors.get('inner.H_init')!]]),
    /it holds 2 models: "." \(15 tensors, .*\), "model" \(1 tensors, /,
  )
  await importOf(
    new Map([...tensors, ['inner.q_head.bias', { dtype: 'I32', shape: [2], data: new Int32Array(2) }]]),
    /holds I32, expected floats/,
  )
  await importOf(tensors, /"lr" is no field of the model/, 'lr=3')
  await importOf(tensors, /unknown field "colour"/, 'arch.colour=3')
  await importOf(tensors, /no_ACT_continue is false/, 'arch.no_ACT_continue=false')
  await importOf(tensors, /H_cycles is 0, expected a whole number/, 'H_cycles=0')
  await importOf(tensors, /expected KEY=VALUE/, 'H_cycles')
  await importOf(tensors, /the configuration says architecture is hrm, the tensors say trm/, 'arch.name=hrm')
  await importOf(tensors, /arch=gpt: no group arch\/gpt, expected trm, /, 'arch=gpt')
  await refuses(/no preset "x"/, importCommand, '--from', pt, '--out', out, '--config', 'x')
  await refuses(/ends in .safetensors/, importCommand, '--from', pt, '--out', join(folder, 'a.pt'))
  await refuses(/no such file/, importCommand, '--from', join(folder, 'none.pt'), '--out', out)
  assert.not.ok(existsSync(out))
  await run(importCommand, '--from', pt, '--out', out, '--config', yaml)
  await refuses(/ends in .pt or .safetensors/, exportCommand, '--checkpoint', out, '--out', join(folder, 'b.bin'))
  await refuses(
    /ends in .yaml/,
    exportCommand,
    '--checkpoint',
    out,
    '--out',
    join(folder, 'b.pt'),
    '--config-out',
    join(folder, 'b.json'),
  )
  await refuses(
    /expected one of float32, float16, bfloat16/,
    exportCommand,
    '--checkpoint',
    out,
    '--out',
    join(folder, 'b.pt'),
    '--dtype',
    'int8',
  )
  await refuses(
    pattern(
      /a file of torch.save holds no configuration, expected a checkpoint that "trm train" wrote/,
      / — make one with trm import/,
    ),
    exportCommand,
    '--checkpoint',
    pt,
    '--out',
    join(folder, 'b.pt'),
  )
  assert.throws(() => readCheckpointConfig(bytesOf(pt), 'a.pt'), /^a.pt: a file of torch.save holds no configuration/)
  await refuses(/./, exportCommand, '--out', out)
  assert.ok(await exportCommand.run(['--out', out]).catch(error => error instanceof UsageError))
})

test('a Linear-and-buffer module of PyTorch takes what is exported', async ({ folder }) => {
  const program = ['python3', '/usr/bin/python3'].find(path => {
    try {
      execFileSync(path, ['-c', 'import importlib.util, sys; sys.exit(importlib.util.find_spec("torch") is None)'], {
        stdio: 'ignore',
      })
      return true
    } catch {
      return false
    }
  })
  if (!program) return console.log('skipped: python3 has no torch here, apt-get install python3-torch')
  const { tensors, fields } = await published('trm-mlp')
  const [from, pt, again] = ['a.safetensors', 'a.pt', 'b.pt'].map(file => join(folder, file))
  writeFileSync(from, writeSafetensors(tensors, { config: JSON.stringify(fields) }))
  await run(exportCommand, '--checkpoint', from, '--out', pt)
  // Loads into a module of the same names, strictly, and saves its state_dict as the published training does.
  execFileSync(program, [
    '-c',
    `
import sys, torch
state = torch.load(sys.argv[1], weights_only=True)
class Holder(torch.nn.Module):
    pass
root = Holder()
for name, value in state.items():
    *path, last = name.split('.')
    module = root
    for part in path:
        if part not in module._modules:
            module.add_module(part, Holder())
        module = module._modules[part]
    if name.endswith('_init') or 'puzzle_emb' in name:
        module.register_buffer(last, torch.zeros_like(value))
    else:
        module.register_parameter(last, torch.nn.Parameter(torch.zeros_like(value)))
root.load_state_dict(state)
torch.save(root.state_dict(), sys.argv[2])
`,
    pt,
    again,
  ])
  const { tensors: returned } = readCheckpoint(bytesOf(again), 'b.pt', {
    config: configFromOfficial(fields),
    readTorch,
  })
  sameTensors(returned, tensors)
})

test.run()
