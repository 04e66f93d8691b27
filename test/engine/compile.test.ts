// Pipelines compiled in parallel, ahead of use: the same results, each made once, and errors as clear as without.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { defineKernel, type Engine, linear, rmsnorm } from '../../src/engine/index.js'
import { openAsHardware, openEngine } from '../engine-under-test.js'
import { values } from '../shapes.js'

const work = (engine: Engine) => {
  const [x, weight] = [engine.from(values(1, 40), [5, 8]), engine.from(values(2, 96), [12, 8])]
  return engine.scope(() => engine.read(rmsnorm(linear(x, weight))))
}

const message = async (promise: Promise<unknown>) =>
  promise.then(
    () => 'none',
    error => (error as Error).message,
  )

test('what a dry run asked for is there when it first runs', async () => {
  const { engine, asked } = await openAsHardware()
  const plain = await openAsHardware()
  const dry = engine.dryRun()
  void work(dry)
  await engine.compile(dry)
  const { pipelines } = engine.stats
  assert.equal([pipelines, asked.async, asked.sync], [dry.stats.pipelines, dry.stats.pipelines, 0])
  assert.ok(pipelines >= 2)
  const found = await work(engine)
  assert.equal([engine.stats.pipelines, asked.sync], [pipelines, 0])
  assert.equal(found, await work(plain.engine))
  assert.equal([plain.asked.async, plain.asked.sync], [0, pipelines])
  // Once more asks for nothing.
  await engine.compile(dry)
  assert.is(asked.async, pipelines)
  for (const one of [engine, plain.engine]) one.close()
})

test('what is needed before it is compiled is compiled at once', async () => {
  const { engine, asked } = await openAsHardware()
  const dry = engine.dryRun()
  void work(dry)
  const compiling = engine.compile(dry)
  const found = await work(engine)
  await compiling
  assert.equal([asked.async, asked.sync, engine.stats.pipelines], Array(3).fill(dry.stats.pipelines))
  assert.equal(await work(engine), found)
  assert.is(asked.sync, dry.stats.pipelines)
  engine.close()
})

test('software adapters compile when a kernel first runs', async () => {
  const engine = await openEngine()
  const { pipelines } = engine.stats
  const dry = engine.dryRun()
  void work(dry)
  await engine.compile(dry)
  if (engine.adapter.isSoftware) assert.is(engine.stats.pipelines, pipelines)
  engine.close()
})

test('what is wrong with a kernel is said as it is when it runs', async () => {
  const [{ engine }, plain] = [await openAsHardware(), await openAsHardware()]
  const y = engine.zeros([4])
  const kernel = (name: string, body: string) =>
    defineKernel<object>({
      name,
      source: `override COUNT: u32;
        @group(0) @binding(0) var<storage, read_write> y: array<f32>;
        @compute @workgroup_size(1) fn main() { ${body} }`,
      bindings: { y: 'write' },
      constants: () => ({}),
      workgroups: () => [1, 1, 1],
    })
  for (const [wrong, expected] of [
    [kernel('broken', 'y[0] = nothing;'), /^GPU error on .+: .*unresolved value 'nothing'/],
    [kernel('forgetful', 'if (COUNT > 0u) { y[0] = 1.0; }'), /^GPU error on .+: .*COUNT/],
  ] as const) {
    const dry = engine.dryRun()
    dry.dispatch(wrong, { y: dry.zeros([4]) }, {})
    await engine.compile(dry)
    engine.dispatch(wrong, { y }, {})
    const ahead = await message(engine.finish())
    assert.match(ahead, expected)
    // Said once, and as it is without.
    await engine.finish()
    plain.engine.dispatch(wrong, { y: plain.engine.zeros([4]) }, {})
    assert.is(await message(plain.engine.finish()), ahead)
  }
  plain.engine.close()
  engine.close()
  assert.match(await message(engine.compile(engine)), /^engine: it was closed/)
})

test.run()
