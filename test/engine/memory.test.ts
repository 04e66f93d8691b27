// Memory by mark and rewind: scopes give back what was born in them, and hand out the same buffers in the same order.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { add, type Tensor } from '../../src/engine/index.js'
import { same } from '../close.js'
import { openEngine } from '../engine-under-test.js'
import { values } from '../shapes.js'

const engine = await openEngine()
test.after(() => engine.close())

const ids = (...tensors: Tensor[]) => tensors.map(({ storage }) => storage.id)
const three = () => [engine.tensor([10]), engine.tensor([1000]), engine.tensor([10])]

test('the next scope gets the same buffers in the same order', () => {
  const first = engine.scope(() => ids(...three()))
  const { buffers, bytes } = engine.stats
  for (let i = 0; i < 3; i++)
    assert.equal(
      engine.scope(() => ids(...three())),
      first,
    )
  assert.equal([engine.stats.buffers, engine.stats.bytes], [buffers, bytes])
  assert.is(new Set(first).size, 3)
  // A scope that needs more begins with the same ones, and so does the one after it.
  const more = engine.scope(() => ids(...three(), ...three()))
  assert.equal(more.slice(0, 3), first)
  assert.equal(
    engine.scope(() => ids(...three(), ...three())),
    more,
  )
})

test('scopes in scopes', () => {
  const nest = () =>
    engine.scope(() => {
      const outer = ids(...three())
      const inner = [0, 1].map(() => engine.scope(() => ids(...three())))
      const after = ids(...three())
      return { outer, inner, after }
    })
  const first = nest()
  assert.equal(first.inner[0], first.inner[1], 'two inner scopes share their buffers')
  assert.equal(first.after, first.inner[0], 'what follows an inner scope takes its buffers')
  assert.is(new Set([...first.outer, ...first.inner[0]]).size, 6, 'the outer scope keeps its own meanwhile')
  const { buffers } = engine.stats
  for (let i = 0; i < 3; i++) assert.equal(nest(), first)
  assert.is(engine.stats.buffers, buffers)
})

test('an exception ends its scopes', () => {
  const work = () => engine.scope(() => ids(...three()))
  const before = work()
  const fail = () =>
    engine.scope(() =>
      engine.scope(() => {
        three()
        throw new Error('in the middle')
      }),
    )
  assert.throws(fail, /^in the middle$/)
  assert.equal(work(), before)
})

test('asynchronous work is refused', () => {
  const before = engine.scope(() => ids(...three()))
  assert.throws(
    () => engine.scope(async () => three()),
    /^scope: the work is asynchronous, expected a synchronous function/,
  )
  assert.equal(
    engine.scope(() => ids(...three())),
    before,
  )
})

test('what is to last outlives the scope it was born in', async () => {
  const data = values(1, 300)
  const kept = engine.scope(() => engine.from(data))
  engine.scope(() => {
    for (let i = 0; i < 9; i++) engine.clear(engine.tensor([300]))
  })
  same('lasting tensor', await engine.read(kept), data)
})

test('a released tensor serves the next one of its size', () => {
  const nest = () =>
    engine.scope(() => {
      const [a, b] = [engine.tensor([70]), engine.tensor([70])]
      engine.release(a)
      const c = engine.tensor([70])
      return ids(a, b, c)
    })
  const first = nest()
  assert.is(first[0], first[2])
  assert.equal(nest(), first)
  const outside = engine.zeros([77777])
  engine.release(outside)
  assert.is(engine.zeros([77777]).storage.id, outside.storage.id)
})

test('results do not depend on what the buffers held before', async () => {
  const [a, b] = [engine.from(values(2, 500)), engine.from(values(3, 500))]
  const run = () => engine.read(engine.scope(() => add(add(a, b), add(b, b))))
  const first = await run()
  engine.scope(() => {
    for (let i = 0; i < 6; i++) engine.write(engine.tensor([500]), values(i, 500, 1e30))
  })
  same('sums in scopes', await run(), first)
})

test('while the tape records no scope opens', () => {
  const x = engine.from(values(4, 5))
  assert.throws(
    () => engine.gradients([x], () => engine.scope(() => add(x, x))),
    /^scope: not while gradients are recorded/,
  )
  engine.scope(() => engine.gradients([x], () => add(x, x)))
})

test.run()
