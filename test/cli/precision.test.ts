// What forward_dtype becomes on described adapters: what a run prints and writes, and what a resumed run keeps.
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import YAML from 'yaml'
import { type Output, runTraining } from '../../src/cli/run-training.js'
import { generateSudoku } from '../../src/data/sudoku.js'
import type { AdapterSummary, Engine } from '../../src/engine/index.js'
import { type AskedPrecision, precisionOf, Trm } from '../../src/trm/model.js'
import { readTraining } from '../../src/trm/training/resume.js'
import { mergeSettings, presets, resolveRun, type RunSettings } from '../../src/trm/published/settings.js'
import { openEngine } from '../engine-under-test.js'
import { trm } from './trm.js'
import { pattern } from '../pattern.js'
import { words } from './words.js'

const engine = await openEngine()
const folder = mkdtempSync(join(tmpdir(), 'trm-precision-'))
test.after(() => {
  engine.close()
  rmSync(folder, { recursive: true, force: true })
})
const data = generateSudoku({ size: 4, train: 40, test: 8, clues: 8 })
const hasHalf = engine.adapter.features.includes('shader-f16')
if (!hasHalf) console.log('skipped: trainings in float16, this adapter has no shader-f16')

/** An engine whose adapter claims to be another. */
const described = (adapter: Partial<AdapterSummary>): Engine =>
  Object.assign(Object.create(engine) as Engine, { adapter: { ...engine.adapter, ...adapter } })
const KINDS = {
  gpu: described({ isSoftware: false, features: ['shader-f16'] }),
  'gpu without shader-f16': described({ isSoftware: false, features: [] }),
  software: described({ isSoftware: true, features: ['shader-f16'] }),
  'software without shader-f16': described({ isSoftware: true, features: [] }),
}
type Kind = keyof typeof KINDS

test('bf16 is float16 on a GPU that has it and float32 elsewhere; other types are used as asked', () => {
  const used = (asked: AskedPrecision) => Object.values(KINDS).map(on => precisionOf(on, asked))
  assert.equal(used('bf16'), ['f16', 'f32', 'f32', 'f32'])
  assert.equal(used('f16'), ['f16', 'f16', 'f16', 'f16'])
  assert.equal(used('f32'), ['f32', 'f32', 'f32', 'f32'])
  const { config } = resolveRun(presets.tiny.settings, data.train.metadata)
  for (const kind of ['gpu without shader-f16', 'software', 'software without shader-f16'] as const)
    assert.is(Trm.create(KINDS[kind], config, { dtype: 'bf16' }).dtype, 'f32', kind)
  if (hasHalf) assert.is(Trm.create(KINDS.gpu, config, { dtype: 'bf16' }).dtype, 'f16')
  assert.throws(
    () => Trm.create(KINDS['gpu without shader-f16'], config, { dtype: 'f16' }),
    /float16 was asked for, but .* has no feature shader-f16/,
  )
})

test('the published presets ask for bfloat16, the others for float32', () => {
  for (const [name, { settings }] of Object.entries(presets)) {
    assert.is(resolveRun(settings, data.train.metadata).dtype, /^(sudoku|maze|arc)/.test(name) ? 'bf16' : 'f32', name)
  }
  for (const bad of ['float64', 'toString', 16, null]) {
    assert.throws(
      () => resolveRun({ arch: { forward_dtype: bad } }, data.train.metadata),
      /^config: arch\.forward_dtype is .*, expected float32, float16, bfloat16$/,
    )
  }
})

const BFLOAT16: Partial<RunSettings> = {
  steps: 2,
  global_batch_size: 4,
  eval_interval: 2,
  log_interval: 1,
  lr_min_ratio: 1,
  arch: { forward_dtype: 'bfloat16' },
}

/** Trains on such an adapter; returns the lines about precision, and the files of the directory. */
async function training(kind: Kind, name: string, given: Partial<RunSettings>, more: Partial<Output> = {}) {
  const out = join(folder, name)
  const said: string[] = []
  const { log } = console
  console.log = (line: string) => void said.push(line)
  try {
    await runTraining(KINDS[kind], resolveRun(mergeSettings(presets.tiny.settings, given), data.train.metadata), data, {
      out,
      evalLimit: 4,
      ...more,
    })
  } finally {
    console.log = log
  }
  const state = readFileSync(join(out, 'training.safetensors'))
  return {
    lines: said.filter(line => line.startsWith('forward_dtype')),
    written: YAML.parse(readFileSync(join(out, 'config.yaml'), 'utf8')) as RunSettings,
    state,
    model: readFileSync(join(out, 'model.safetensors')),
    dtype: readTraining(state).dtype,
  }
}

test('a training with bfloat16 says in a line what it takes, and writes that down', async () => {
  const expected: [Kind, string, string, RegExp][] = [
    ...(hasHalf
      ? [
          ['gpu', 'float16', 'f16', /^forward_dtype bfloat16: activations are float16, with loss scaling$/] as [
            Kind,
            string,
            string,
            RegExp,
          ],
        ]
      : []),
    [
      'gpu without shader-f16',
      'float32',
      'f32',
      /^forward_dtype bfloat16: activations are float32; this adapter has no shader-f16$/,
    ],
    [
      'software',
      'float32',
      'f32',
      pattern(
        /^forward_dtype bfloat16: activations are float32/,
        /; float16 is slower on a software adapter \(arch\.forward_dtype=float16 /,
      ),
    ],
  ]
  for (const [kind, official, dtype, line] of expected) {
    mkdirSync(join(folder, kind))
    const ended = await training(kind, kind, BFLOAT16)
    assert.is(ended.lines.length, 1, kind)
    assert.match(ended.lines[0], line)
    assert.is(ended.written.arch.forward_dtype, official)
    assert.is(ended.dtype, dtype)
  }
})

if (hasHalf) {
  test('a resumed run keeps its precision: the same bits there, the same precision on other adapters', async () => {
    for (const [began, other, dtype] of [
      ['gpu', 'software', 'f16'],
      ['software', 'gpu', 'f32'],
    ] as const) {
      const whole = await training(began, began, { ...BFLOAT16, steps: 4 })
      const half = await training(began, began, BFLOAT16)
      assert.not.ok(half.model.equals(whole.model))
      const resume = readTraining(half.state)
      const again = async (kind: Kind, given: Partial<RunSettings>) => {
        const out = `${began} again`
        cpSync(join(folder, began), join(folder, out), { recursive: true })
        return training(kind, out, { ...given, steps: 4 }, { resume })
      }
      // With the settings that the run wrote, and with those that it was given.
      for (const [kind, given, line] of [
        [began, half.written, undefined],
        [began, BFLOAT16, /; the run began with it$/],
        [other, half.written, undefined],
        [other, BFLOAT16, /; the run began with it$/],
      ] as const) {
        const ended = await again(kind, given)
        assert.is(ended.dtype, dtype)
        assert.is(ended.written.arch.forward_dtype, dtype === 'f16' ? 'float16' : 'float32')
        assert.is(ended.lines.length, line ? 1 : 0)
        if (line) assert.match(ended.lines[0], line)
        // Some kernels sum in another order on another kind of adapter.
        if (kind === began) assert.ok(ended.model.equals(whole.model), `${began}: the bits of a run in one piece`)
      }
    }
  })
}

test('on the command line: help, float32 on a software adapter, and float16 refused where it is missing', async () => {
  assert.match(
    (await trm('train', '--help')).stdout,
    /WebGPU has no bfloat16, [^.]*\. It becomes float16 on GPUs with shader-f16, and float32\nelsewhere\./,
  )
  if (!engine.adapter.isSoftware) return
  const directory = join(folder, 'data')
  assert.is(
    (await trm(...words('data generate sudoku --size 4 --train 40 --test 8 --clues 8 --out'), directory)).code,
    0,
  )
  const out = join(folder, 'cli')
  const run = await trm(
    'train',
    '--data',
    directory,
    '--out',
    out,
    ...words('--config tiny --steps 1 --eval-limit 4 global_batch_size=4 arch.forward_dtype=bfloat16'),
  )
  assert.is(run.code, 0, run.stderr)
  assert.match(run.stdout, /^forward_dtype bfloat16: activations are float32; float16 is slower/m)
  assert.match(readFileSync(join(out, 'config.yaml'), 'utf8'), /forward_dtype: float32/)
})

test.run()
