// A repeated step makes no new buffers, bind groups or pipelines, and its dispatches share submits.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { linear, rmsnorm, squaredError, swiglu } from '../../src/engine/index.js'
import { openEngine } from '../engine-under-test.js'
import { values } from '../shapes.js'

const engine = await openEngine()
test.after(() => engine.close())

test('a repeated step', async () => {
  const [x, target] = [engine.from(values(1, 40), [5, 8]), engine.from(values(2, 20), [5, 4])]
  const weights = [engine.from(values(3, 96), [12, 8]), engine.from(values(4, 24), [4, 6])]
  const into = weights.map(({ shape }) => engine.zeros(shape))
  const step = () =>
    engine.scope(() => {
      engine.gradients(
        weights,
        () => squaredError(rmsnorm(linear(swiglu(linear(x, weights[0])), weights[1])), target),
        { into },
      )
    })
  step()
  await engine.finish()
  const before = { ...engine.stats }
  for (let i = 0; i < 5; i++) step()
  await engine.finish()
  const { dispatches, submits, ...rest } = engine.stats
  assert.equal(rest, {
    buffers: before.buffers,
    bytes: before.bytes,
    bindGroups: before.bindGroups,
    pipelines: before.pipelines,
    reads: before.reads,
    writes: before.writes,
  })
  assert.ok(dispatches > before.dispatches)
  assert.is(submits - before.submits, Math.ceil((dispatches - before.dispatches) / 32))
})

test('sizes that come again find their pipelines', () => {
  const run = (rows: number) => engine.scope(() => rmsnorm(engine.tensor([rows, 16])))
  run(3)
  run(4)
  const { pipelines } = engine.stats
  run(3)
  run(4)
  assert.is(engine.stats.pipelines, pipelines)
})

test.run()
