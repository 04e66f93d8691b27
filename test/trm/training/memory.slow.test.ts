// Memory of a long training: flat on the GPU and in the process after the first steps.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { generateSudoku } from '../../../src/data/index.js'
import { presets, resolveRun } from '../../../src/trm/published/settings.js'
import { train } from '../../../src/trm/training/train.js'
import { Trm } from '../../../src/trm/model.js'
import { openEngine } from '../../engine-under-test.js'

const engine = await openEngine()
test.after(() => engine.close())

test('500 training steps: no new buffers, bind groups or pipelines, and a steady process', async () => {
  const data = generateSudoku({ size: 4, train: 400, test: 10, clues: 6 })
  const { config, options } = resolveRun(
    { ...presets.tiny.settings, steps: 500, global_batch_size: 4, log_interval: 20 },
    data.train.metadata,
  )
  const resident = () => (typeof process === 'object' ? process.memoryUsage().rss : 0)
  const seen: { step: number; buffers: number; bytes: number; bindGroups: number; pipelines: number; rss: number }[] =
    []
  for await (const { step } of train(Trm.create(engine, config), data.train, options)) {
    const { buffers, bytes, bindGroups, pipelines } = engine.stats
    seen.push({ step, buffers, bytes, bindGroups, pipelines, rss: resident() })
  }
  const [first] = seen
  for (const { step, buffers, bytes, bindGroups, pipelines } of seen) {
    assert.equal(
      { buffers, bytes, bindGroups, pipelines },
      { buffers: first.buffers, bytes: first.bytes, bindGroups: first.bindGroups, pipelines: first.pipelines },
      `step ${step}`,
    )
  }
  // The JavaScript heap varies by some megabytes between collections. A leak of one tensor a step would be far more.
  const [early, last] = [seen[2], seen.at(-1)!]
  const growth = (last.rss - early.rss) / 1e6
  const megabytes = (bytes: number) => `${(bytes / 1e6).toFixed(1)} MB`
  console.log(
    `rss ${megabytes(early.rss)} at step ${early.step}, ${megabytes(last.rss)} at step ${last.step}; ` +
      `GPU ${megabytes(first.bytes)} throughout`,
  )
  assert.ok(growth < 40, `${growth} MB more`)
})

test.run()
