// A lost device ends a training with one line and leaves the last checkpoint, from which it goes on to the same bits.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { openEngine } from '../engine-under-test.js'
import { contents, training } from '../torture/losses.js'
import { pattern } from '../pattern.js'

const folder = mkdtempSync(join(tmpdir(), 'trm-loss-'))
const engine = await openEngine()
test.after(() => {
  engine.close()
  rmSync(folder, { recursive: true, force: true })
})
const [whole, cut, soon] = ['whole', 'cut', 'soon'].map(name => join(folder, name))

test('the device is lost after a checkpoint, and before the first', async () => {
  assert.is(await training(engine, whole), '')
  const losing = async (out: string, at: number) => {
    const lost = await openEngine()
    const message = await training(lost, out, { onStep: step => step === at && lost.device.destroy() })
    lost.close()
    return message
  }
  assert.match(
    await losing(cut, 5),
    pattern(
      /^train: device lost \(destroyed\) on [^—]+/,
      / — the checkpoint of step 4 is whole: "trm train --resume" goes on from there$/,
    ),
  )
  assert.match(
    await losing(soon, 1),
    /^train: device lost \(destroyed\) on [^—]+ — no checkpoint was written yet, so begin again$/,
  )
  assert.is(await training(engine, cut, { resume: true }), '')
  assert.equal(contents(cut), contents(whole))
})

test.run()
