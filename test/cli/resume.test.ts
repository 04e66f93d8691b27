// trm train --resume: a killed run goes on to the same files, and what does not belong to it is refused.
import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { parseSafetensors } from '../../src/formats/safetensors.js'
import { start, trm } from './trm.js'
import { words } from './words.js'

const folder = mkdtempSync(join(tmpdir(), 'trm-resume-'))
test.after(() => rmSync(folder, { recursive: true, force: true }))
const path = (...parts: string[]) => join(folder, ...parts)
const data = path('data')
const settings = words(
  '--config tiny --eval-limit 8 global_batch_size=8 log_interval=1 checkpoint_interval=5 ' +
    'eval_interval=10 lr_warmup_steps=5',
)
const SAME = ['best.safetensors', 'config.yaml', 'model.safetensors', 'training.safetensors']

const bytes = (...parts: string[]) => readFileSync(path(...parts))
/** Rows of metrics.jsonl without times. */
const rows = (run: string) =>
  bytes(run, 'metrics.jsonl')
    .toString()
    .trim()
    .split('\n')
    .map(line => ({ ...JSON.parse(line), stepsPerSecond: 0, seconds: 0, processorSeconds: 0 }))

async function refusal(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await trm('train', '--data', data, ...args)
  assert.is(code, 1, `${args.join(' ')}: ${stdout}${stderr}`)
  assert.is(stderr.trim().split('\n').length, 1, stderr)
  return stderr.trim()
}

test('killed and interrupted, then resumed: the files of a run that was neither', async () => {
  await trm('data', 'generate', 'sudoku', '--size', '4', '--train', '60', '--test', '8', '--clues', '6', '--out', data)
  const whole = await trm('train', '--data', data, '--out', path('whole'), ...settings, '--steps', '40', '--keep', '2')
  assert.is(whole.code, 0, whole.stderr)
  assert.equal(
    readdirSync(path('whole')).sort(),
    [...SAME, 'metrics.jsonl', 'model-35.safetensors', 'model-40.safetensors'].sort(),
  )

  // Killed without warning after step 6 at the earliest: training.safetensors is of step 5 or a later one.
  const killed = start('train', '--data', data, '--out', path('cut'), ...settings, '--steps', '40', '--keep', '2')
  await new Promise<void>(resolve =>
    killed.child.stdout!.on('data', (text: string) => /step 6\//.test(text) && resolve()),
  )
  killed.child.kill('SIGKILL')
  assert.is((await killed.finished).code, null)
  writeFileSync(path('cut', 'metrics.jsonl'), `${bytes('cut', 'metrics.jsonl')}{"step":39,"loss":1}\n{"step":4`)

  const interrupted = start('train', '--data', data, '--out', path('cut'), ...words('--resume --eval-limit 8 --keep 2'))
  let text = ''
  await new Promise<void>(resolve =>
    interrupted.child.stdout!.on('data', (part: string) => /step \d+\/40/.test((text += part)) && resolve()),
  )
  const at = Number(/resumed at step (\d+) of 40/.exec(text)?.[1])
  assert.ok(at >= 5 && at < 40 && at % 5 === 0, text)
  interrupted.child.kill('SIGINT')
  const stopped = await interrupted.finished
  assert.is(stopped.code, 130, stopped.stdout)
  const left = Number(/stopped at step (\d+)/.exec(stopped.stdout)![1])
  assert.is(JSON.parse(parseSafetensors(bytes('cut', 'training.safetensors')).metadata.training).step, left)

  const last = await trm('train', '--data', data, '--out', path('cut'), '--resume', '--eval-limit', '8', '--keep', '2')
  assert.is(last.code, 0, last.stderr)
  assert.match(last.stdout, new RegExp(`resumed at step ${left} of 40`))
  for (const file of SAME) assert.ok(bytes('cut', file).equals(bytes('whole', file)), file)
  assert.equal(rows('cut'), rows('whole'))
  // Times count on from where the run was left.
  const times = bytes('cut', 'metrics.jsonl')
    .toString()
    .trim()
    .split('\n')
    .map(line => JSON.parse(line) as { seconds: number; processorSeconds: number })
  for (const name of ['seconds', 'processorSeconds'] as const)
    assert.ok(times[0][name] > 0 && times.every((row, i) => i === 0 || row[name] >= times[i - 1][name]), name)
  assert.equal(readdirSync(path('cut')).sort(), readdirSync(path('whole')).sort())

  const done = await trm('train', '--data', data, '--out', path('cut'), '--resume')
  assert.is(done.code, 0)
  assert.match(done.stdout, /nothing is left to do — --steps N makes the run longer/)
  const longer = await trm('train', '--data', data, '--out', path('cut'), '--resume', '--steps', '42')
  assert.is(longer.code, 0, longer.stderr)
  assert.match(longer.stdout, /step 42\/42/)
})

test('what does not belong to the run is refused, and nothing of it changes', async () => {
  cpSync(path('whole'), path('safe'), { recursive: true })
  assert.match(
    await refusal('--out', path('nowhere'), '--resume'),
    /resume .*nowhere.training\.safetensors: no such file/,
  )
  assert.not.ok(existsSync(path('nowhere')))
  assert.match(
    await refusal('--out', path('whole'), '--resume', 'lr=0.5', '--steps', '50'),
    /training\.safetensors: it is of a training with lr 0\.006, this one has 0\.5/,
  )
  assert.match(
    await refusal('--out', path('whole'), '--resume', 'arch.L_cycles=3', '--steps', '50'),
    /with arch\.L_cycles 2, this one has 3/,
  )
  await trm(...words('data generate sudoku --size 4 --train 60 --test 8 --clues 6 --seed 7 --out'), path('other'))
  const other = await trm('train', '--data', path('other'), '--out', path('whole'), '--resume', '--steps', '50')
  assert.is(other.code, 1)
  assert.match(other.stderr, /training on other data/)
  for (const file of readdirSync(path('safe'))) assert.ok(bytes('whole', file).equals(bytes('safe', file)), file)
  mkdirSync(path('torn'))
  copyFileSync(path('whole', 'config.yaml'), path('torn', 'config.yaml'))
  writeFileSync(path('torn', 'training.safetensors'), bytes('whole', 'training.safetensors').subarray(0, 3000))
  assert.match(await refusal('--out', path('torn'), '--resume'), /torn.training\.safetensors: .*truncated/)
  copyFileSync(path('whole', 'model.safetensors'), path('torn', 'training.safetensors'))
  assert.match(
    await refusal('--out', path('torn'), '--resume'),
    /it holds no state of a training, expected training\.safetensors/,
  )
})

test('a new run in the directory of an old one keeps nothing of it that could be mistaken for its own', async () => {
  const again = await trm(
    'train',
    '--data',
    data,
    '--out',
    path('whole'),
    ...settings,
    '--steps',
    '2',
    'eval_interval=100',
    'checkpoint_interval=100',
  )
  assert.is(again.code, 0, again.stderr)
  assert.equal(
    rows('whole').map(({ step }) => step),
    [1, 2, 2],
  )
  assert.is(JSON.parse(parseSafetensors(bytes('whole', 'training.safetensors')).metadata.training).step, 2)
})

test.run()
