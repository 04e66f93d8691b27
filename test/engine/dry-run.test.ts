// Dry runs: an engine that computes nothing counts what a real one makes.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { add, attention, type Engine, linear, Parameters, rmsnorm } from '../../src/engine/index.js'
import { openEngine } from '../engine-under-test.js'
import { values } from '../shapes.js'

test('counts what a real run makes, and reads zeros', async () => {
  const work = async (engine: Engine) => {
    const parameters = new Parameters(engine, { qkv: [3 * 16, 16], out: [16, 16], bias: [16] })
    parameters.write('qkv', values(1, 3 * 16 * 16))
    const x = engine.from(values(2, 2 * 9 * 16), [2, 9, 16])
    const into = parameters.like('gradients').all()
    const step = () =>
      engine.scope(() => {
        engine.gradients(
          parameters.all(),
          () =>
            add(
              rmsnorm(linear(attention(linear(x, parameters.get('qkv')), 2), parameters.get('out'))),
              parameters.get('bias'),
            ),
          { into },
        )
        return engine.read(engine.tensor([5]))
      })
    const read = await step()
    await step()
    await engine.finish()
    await engine.pace(0)
    return read
  }
  const real = await openEngine()
  const dry = real.dryRun()
  const before = { ...real.stats }
  await work(real)
  assert.equal(await work(dry), new Float32Array(5))
  // The check that the adapter computes came before.
  const made = Object.fromEntries(
    Object.entries(real.stats).map(([name, count]) => [name, count - before[name as keyof typeof before]]),
  )
  assert.equal({ ...dry.stats, pipelines: 0 }, { ...made, pipelines: 0 })
  assert.ok(dry.stats.bytes > 10000 && dry.stats.dispatches > 10)
  assert.equal(dry.variants.used, real.variants.used)
  assert.is(dry.adapter, real.adapter)
  assert.throws(
    () => dry.tensor([real.adapter.maxTensorBytes / 4 + 64], 'f32', 'giant'),
    /^giant: .* needed, this adapter binds .* at most/,
  )
  dry.close()
  real.close()
})

test.run()
