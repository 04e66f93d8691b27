// trm eval and trm solve with more steps, early halting and rollouts.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { trm } from './trm.js'
import { words } from './words.js'

const folder = mkdtempSync(join(tmpdir(), 'trm-thinking-'))
test.after(() => rmSync(folder, { recursive: true, force: true }))
const data = join(folder, 'data')
const checkpoint = join(folder, 'run', 'model.safetensors')
const puzzle = '12......3.1...4.'

const json = async (...args: string[]) => {
  const { code, stdout, stderr } = await trm(...args, '--checkpoint', checkpoint, '--json')
  assert.ok(code === 0 || (code === 1 && args[0] === 'solve'), stderr)
  return stdout
    .trim()
    .split('\n')
    .map(line => JSON.parse(line))
}

test('eval: steps, halting and rollouts', async () => {
  await trm('data', 'generate', 'sudoku', '--size', '4', '--train', '60', '--test', '20', '--clues', '6', '--out', data)
  const trained = await trm(
    'train',
    '--data',
    data,
    '--out',
    join(folder, 'run'),
    ...words('--config tiny --steps 4 --eval-limit 8 global_batch_size=8'),
  )
  assert.is(trained.code, 0, trained.stderr)
  const [plain] = await json('eval', '--data', data)
  assert.equal([plain.steps.length, plain.meanSteps, plain.savedSteps, 'noise' in plain], [4, 4, 0, false])
  const [longer] = await json('eval', '--data', data, '--steps', '6', '--limit', '7', '--batch-size', '3')
  assert.equal([longer.steps.length, longer.meanSteps, longer.examples], [6, 6, 7])
  const [halting] = await json('eval', '--data', data, '--halt', '--steps', '9')
  assert.ok(halting.steps.length === 9 && halting.meanSteps <= 9 && halting.confidence === 0.5)
  const [surer] = await json('eval', '--data', data, '--halt', '--steps', '9', '--confidence', '0.999')
  assert.ok(surer.meanSteps >= halting.meanSteps && surer.confidence === 0.999)
  const rollouts = ['eval', '--data', data, '--rollouts', '3', '--noise', '0.4', '--seed', '5', '--limit', '6']
  const [noisy] = await json(...rollouts)
  assert.equal([noisy.rollouts, noisy.noise, noisy.seed, noisy.vote], [3, 0.4, 5, false])
  assert.equal((await json(...rollouts))[0].steps, noisy.steps)
  const text = await trm(...rollouts, '--checkpoint', checkpoint, '--vote', '--halt')
  assert.match(text.stdout, /3 rollouts with noise 0\.4 \(seed 5\), the most frequent answer/)
  assert.match(
    text.stdout,
    /halting at confidence 0\.5: mean supervision steps of a rollout: \d\.\d\d of 4 \(\d+\.\d % saved\)/,
  )
})

test('solve: steps, halting and rollouts', async () => {
  const plain = await json('solve', puzzle)
  assert.is(plain.length, 5)
  assert.not.ok('votes' in plain[0])
  assert.is((await json('solve', '--steps', '7', puzzle)).length, 8)
  const noisy = await json('solve', '--rollouts', '5', '--noise', '0.5', '--halt', puzzle)
  assert.ok(
    noisy.length >= 2 && noisy[0].votes >= 1 && noisy[0].votes <= 5 && noisy[0].rollout < 5 && noisy[0].running <= 5,
  )
  const { stdout } = await trm('solve', '--checkpoint', checkpoint, ...words('--rollouts 5 --noise 0.5 --vote'), puzzle)
  assert.match(stdout, /step 4: .* rollout \d with \d of 5 votes/)
})

test('options that cannot be: one line', async () => {
  const line = async (code: number, ...args: string[]) => {
    const result = await trm(...args, '--checkpoint', checkpoint)
    assert.is(result.code, code, result.stdout)
    assert.is(result.stderr.trim().split('\n').length, 1, result.stderr)
    return result.stderr
  }
  assert.match(
    await line(1, 'eval', '--data', data, '--rollouts', '4'),
    /evaluate: 4 rollouts without noise are the same 4 times — give noise/,
  )
  assert.match(
    await line(1, 'eval', '--data', data, '--confidence', '0.9'),
    /evaluate: confidence 0\.9 decides when a puzzle halts, and none halts — give halt too/,
  )
  assert.match(await line(1, 'solve', '--vote', puzzle), /solve: a vote of 1 rollout is none/)
  assert.match(await line(2, 'eval', '--data', data, '--noise', '-1'), /--noise: expected a number, from 0/)
  assert.match(await line(2, 'solve', '--steps', '0', puzzle), /--steps: expected a whole number, from 1/)
})

test.run()
