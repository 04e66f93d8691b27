// A training whose device is lost ends with one line and leaves the last checkpoint, from which it goes on to the same bits.
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { runTraining } from '../../src/cli/train.js'
import { generateSudoku } from '../../src/data/sudoku.js'
import { readTraining } from '../../src/trm/resume.js'
import { mergeSettings, presets, resolveRun } from '../../src/trm/run.js'
import { openEngine } from '../engine-under-test.js'

const folder = mkdtempSync(join(tmpdir(), 'trm-loss-'))
test.after(() => rmSync(folder, { recursive: true, force: true }))
const data = generateSudoku({ size: 4, train: 20, test: 4, clues: 8 })
const run = resolveRun(mergeSettings(presets.tiny.settings, { steps: 6, seed: 1, global_batch_size: 4, log_interval: 1, checkpoint_interval: 2, eval_interval: 3 }), data.train.metadata)

/** Trains; the device is lost when the `at`th line was printed, `after` milliseconds later. Gives what was thrown. */
async function training(out: string, { at = Infinity, after = 0, resume = false }: { at?: number; after?: number; resume?: boolean } = {}): Promise<string> {
  const engine = await openEngine()
  const { log } = console
  let steps = 0
  console.log = (line: string) => {
    if (/^step \d+\/6 /.test(line) && ++steps === at) setTimeout(() => engine.device.destroy(), after)
  }
  try {
    await runTraining(engine, run, data, { out, evalLimit: 4, ...(resume ? { resume: readTraining(new Uint8Array(readFileSync(join(out, 'training.safetensors')))) } : {}) })
    return ''
  } catch (error) {
    return (error as Error).message
  } finally {
    console.log = log
    engine.close()
  }
}

const files = (out: string) => readdirSync(out).filter(name => name.endsWith('.safetensors')).sort().map(name => [name, readFileSync(join(out, name)).toString('base64')])

test('the device is lost in the middle', async () => {
  for (const name of ['whole', 'cut', 'soon']) mkdirSync(join(folder, name))
  const [whole, cut, soon] = ['whole', 'cut', 'soon'].map(name => join(folder, name))
  assert.is(await training(whole), '')
  assert.match(await training(cut, { at: 5 }), /^train: device lost \(destroyed\) on [^—]+ — the checkpoint of step 4 is whole: "trm train --resume" goes on from there$/)
  assert.is(await training(cut, { resume: true }), '')
  assert.equal(files(cut), files(whole))
  assert.match(await training(soon, { at: 1 }), /^train: device lost \(destroyed\) on [^—]+ — no checkpoint was written yet, so begin again$/)
  for (const after of [3, 9, 20]) assert.match(await training(soon, { at: 1, after }), /^(train: device lost \(destroyed\) on [^—]+ — (the checkpoint of step \d is whole: .*|no checkpoint .*))?$/)
})

test.run()
