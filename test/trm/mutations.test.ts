// Mutations of checkpoints and training states: a clear error that changes nothing, or a valid load.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { generateSudoku } from '../../src/data/sudoku.js'
import { writeTorch } from '../../src/formats/torch-write.js'
import { readTorch } from '../../src/trm/published/foreign.js'
import { readCheckpoint, saveCheckpoint } from '../../src/trm/published/checkpoint.js'
import { Trm } from '../../src/trm/model.js'
import { fingerprint, readTraining, restoreTraining } from '../../src/trm/training/resume.js'
import { train } from '../../src/trm/training/train.js'
import { Trainer } from '../../src/trm/training/trainer.js'
import { openEngine } from '../engine-under-test.js'
import { mutations } from '../mutations.js'
import { ATTENTION } from './samples.js'

const engine = await openEngine()
test.after(() => engine.close())

const { train: data } = generateSudoku({ size: 4, train: 20, test: 2, clues: 8 })
const config = {
  ...ATTENTION,
  hidden: 4,
  heads: 1,
  puzzleWidth: 4,
  puzzles: 1,
  vocabulary: data.metadata.vocabulary,
  cells: data.metadata.cells,
}
const model = Trm.create(engine, config)
/** Bytes before the numbers. */
const headerOf = (file: Uint8Array) => 8 + Number(new DataView(file.buffer, file.byteOffset).getBigUint64(0, true))

test('checkpoints: 200 mutations of the header, 200 of the whole, 200 of a .pt', async () => {
  const file = await saveCheckpoint(model, { step: '5' })
  const read = (bytes: Uint8Array) => {
    const { config, tensors } = readCheckpoint(bytes, 'file')
    for (const { shape, data } of tensors.values())
      assert.is(
        data.length,
        shape.reduce((a, b) => a * b, 1),
      )
    assert.ok(config.hidden > 0)
  }
  await mutations(file, read, /^(file|config)\b.*: /, { within: headerOf(file) })
  await mutations(file, read, /^(file|config)\b.*: /, { seed: 2 })
  const torch = writeTorch(readCheckpoint(file, 'file').tensors)
  await mutations(torch, bytes => readCheckpoint(bytes, 'file', { config, readTorch }), /^(file|config)\b.*: /, {
    seed: 3,
  })
})

test('training states: 200 mutations of the header, 50 of the whole', async () => {
  const options = { batchSize: 2, steps: 4, logInterval: 1, warmupSteps: 1 }
  let file: Uint8Array | undefined
  for await (const { saveTraining } of train(Trm.create(engine, config), data, options)) file = await saveTraining()
  const trainer = new Trainer(Trm.create(engine, config, { seed: 5 }), { batchSize: 2, totalSteps: 4, warmupSteps: 1 })
  const print = await fingerprint(data)
  let before = await saveCheckpoint(trainer.model)
  const read = async (bytes: Uint8Array) => {
    try {
      const batches = restoreTraining(trainer, data, readTraining(bytes, 'file'), { data: print })
      for (let i = 0; i < 3; i++) assert.is((await batches.next()).inputs.length, 2 * config.cells)
      before = await saveCheckpoint(trainer.model)
    } catch (error) {
      assert.equal(await saveCheckpoint(trainer.model), before, 'nothing is overwritten')
      throw error
    }
  }
  await mutations(file!, read, /^(file|config|batches)\b.*: /, { within: headerOf(file!) })
  await mutations(file!, read, /^(file|config|batches)\b.*: /, { seed: 2, count: 50 })
})

test.run()
