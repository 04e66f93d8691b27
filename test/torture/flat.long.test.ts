// Ten thousand training steps, and hundreds of models, in flat memory. npm run torture
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { loadCheckpoint, saveCheckpoint } from '../../src/trm/published/checkpoint.js'
import { Trm } from '../../src/trm/model.js'
import { solve } from '../../src/trm/answers/solve.js'
import { openEngine } from '../engine-under-test.js'
import { TOKEN_MIXING } from '../trm/samples.js'
import { checkFlat, flat, liveHeap } from './flat.js'

const engine = await openEngine()
test.after(() => engine.close())
const MB = (bytes: number) => (bytes / 1e6).toFixed(2)

test('ten thousand steps', async () => {
  const measured = await flat(engine, 10_000, 1000)
  const [first, last] = [measured[0], measured.at(-1)!]
  console.log(
    `figure: steps ${first.step} … ${last.step}` +
      `: GPU ${first.gpu} … ${last.gpu} bytes, heap ${MB(first.heap)} … ${MB(last.heap)} MB` +
      `, resident ${MB(first.resident)} … ${MB(last.resident)} MB`,
  )
  checkFlat(measured)
})

test('three hundred models loaded, asked and let go', async () => {
  const { cells } = TOKEN_MIXING
  const first = Trm.create(engine, TOKEN_MIXING)
  const bytes = await saveCheckpoint(first)
  first.release()
  const gpu = engine.bytes
  const heaps: number[] = []
  for (let i = 1; i <= 300; i++) {
    const model = loadCheckpoint(engine, bytes)
    for await (const _ of solve(model, new Int32Array(cells), { steps: 1 }));
    model.release()
    assert.is(engine.bytes, gpu)
    if (i % 100 === 0) heaps.push(await liveHeap())
  }
  console.log(`figure: 300 models loaded and let go: GPU ${gpu} bytes as before, heap ${heaps.map(MB).join(' … ')} MB`)
  assert.ok(Math.abs(heaps[2] - heaps[0]) < 2e6, heaps.join())
})

test.run()
