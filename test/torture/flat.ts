// A long training, measured on the way. No test is here.
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import * as assert from 'uvu/assert'
import { generateSudoku } from '../../src/data/sudoku.js'
import type { Engine } from '../../src/engine/index.js'
import { DEFAULTS } from '../../src/trm/config.js'
import { Trm } from '../../src/trm/model.js'
import { train } from '../../src/trm/training/train.js'

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

/** Bytes of live objects. Objects with a finalizer are freed by a second collection. */
export async function liveHeap(): Promise<number> {
  for (let i = 0; i < 3; i++) {
    collect()
    await new Promise(resolve => setTimeout(resolve, 20))
  }
  return process.memoryUsage().heapUsed
}

export interface Measured {
  step: number
  gpu: number
  heap: number
  /** Resident bytes of the process. */
  resident: number
}

/** Trains a tiny model, and measures after step 100 and then every `every` steps. */
export async function flat(engine: Engine, steps: number, every: number): Promise<Measured[]> {
  const { train: data } = generateSudoku({ size: 4, train: 200, test: 1, clues: 8 })
  const { vocabulary, cells, puzzles } = data.metadata
  const model = Trm.create(engine, {
    ...DEFAULTS,
    vocabulary,
    cells,
    puzzles,
    hidden: 16,
    heads: 1,
    layers: 1,
    expansion: 1,
    cycles: 1,
    latentSteps: 1,
    supervisionSteps: 2,
    tokenMixing: true,
    positions: 'none',
    puzzleWidth: 16,
    prefix: 1,
  })
  const all: Measured[] = []
  for await (const { step, loss } of train(model, data, {
    batchSize: 4,
    steps,
    logInterval: 100,
    learningRate: 1e-4,
    warmupSteps: 10,
    emaRate: 0.99,
  })) {
    assert.ok(loss > 0)
    if (step === 100 || step % every === 0)
      all.push({ step, gpu: engine.bytes, heap: await liveHeap(), resident: process.memoryUsage().rss })
  }
  return all
}

/** GPU memory is the same to the byte, the heap within 5 MB of what it was after step 100. */
export function checkFlat(measured: readonly Measured[]): void {
  const [first, ...rest] = measured
  for (const { step, gpu, heap } of rest) {
    assert.is(gpu, first.gpu, `GPU bytes at step ${step}`)
    assert.ok(Math.abs(heap - first.heap) < 5e6, `heap ${first.heap} at step ${first.step}, ${heap} at step ${step}`)
  }
}
