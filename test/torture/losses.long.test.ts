// Devices lost at twenty moments of a training: always one line, and the run goes on to the same bits. npm run torture
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Random } from '../../src/data/random.js'
import { openEngine } from '../engine-under-test.js'
import { contents, training } from './losses.js'

const folder = mkdtempSync(join(tmpdir(), 'trm-losses-'))
const engine = await openEngine()
test.after(() => {
  engine.close()
  rmSync(folder, { recursive: true, force: true })
})

const REMAINS = [
  'the checkpoint of step \\d is whole: "trm train --resume" goes on from there',
  'no checkpoint was written yet, so begin again',
]
const LOST = new RegExp(`^train: device lost \\(destroyed\\) on [^—]+ — (${REMAINS.join('|')})$`)

test('twenty moments', async () => {
  const random = new Random(3)
  const whole = join(folder, 'whole')
  assert.is(await training(engine, whole), '')
  let [lost, kept] = [0, 0]
  for (let i = 0; i < 20; i++) {
    const out = join(folder, String(i))
    const losing = await openEngine()
    const [at, after] = [1 + random.below(6), random.uniform() * 30]
    const message = await training(losing, out, {
      onStep: step => step === at && setTimeout(() => losing.device.destroy(), after),
    })
    losing.close()
    if (message) assert.match(message, LOST)
    lost += Number(message !== '')
    const resume = existsSync(join(out, 'training.safetensors'))
    kept += Number(resume)
    assert.is(await training(engine, out, { resume }), '')
    assert.equal(contents(out), contents(whole))
    rmSync(out, { recursive: true })
  }
  console.log(
    `figure: device lost at ${lost} moments of 20 trainings, ${kept} of them with a checkpoint` +
      `: one line each, the same bytes in the end`,
  )
  assert.ok(lost >= 10)
})

test.run()
