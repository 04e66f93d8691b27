// Memory by mark and rewind: a scope gives its buffers back, and the next one gets the same in the same order.
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
  assert.is(new Set([...first.outer, ...first.inner[0]]).size, 6, 'the outer scope keeps its own')
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

test('asynchronous work is refused', async () => {
  const before = engine.scope(() => ids(...three()))
  const asynchronous = async () => three()
  for (const work of [asynchronous, () => asynchronous(), () => asynchronous().then(() => Promise.reject('lost'))])
    assert.throws(
      () => engine.scope<unknown>(work),
      /^scope: the work is asynchronous, expected a synchronous function — await outside of the scope$/,
    )
  // A promise of reads may leave the scope; what goes on after one finds the scope ended.
  const x = engine.from(values(1, 10))
  const [read] = await engine.scope(() => Promise.all([engine.read(add(x, x))]))
  same(
    'read in a scope',
    read,
    values(1, 10).map(v => v + v),
  )
  const late = engine.scope(() =>
    (async () => {
      const y = add(x, x)
      await engine.read(y)
      return add(y, x)
    })(),
  )
  const problem = await late.catch(error => error as Error)
  assert.match((problem as Error).message, /^tensor of shape \[10\]: it was released, or its scope has ended — /)
  assert.equal(
    engine.scope(() => ids(...three())),
    before,
  )
})

test('a lasting tensor outlives the scope that it was created in', async () => {
  const data = values(1, 300)
  const kept = engine.scope(() => {
    const lasting = engine.lasting([300])
    engine.write(lasting, data)
    return lasting
  })
  engine.scope(() => {
    for (let i = 0; i < 9; i++) engine.clear(engine.tensor([300]))
  })
  same('lasting tensor', await engine.read(kept), data)
})

test('a released tensor serves the next one of its size', () => {
  const nest = () =>
    engine.scope(() => {
      const [a, b] = [engine.tensor([70]), engine.tensor([70])]
      const first = ids(a, b)
      engine.release(a)
      return [...first, ...ids(engine.tensor([70]))]
    })
  const first = nest()
  assert.is(first[0], first[2])
  assert.equal(nest(), first)
  const outside = engine.zeros([77777])
  const { id } = outside.storage
  engine.release(outside)
  assert.is(engine.zeros([77777]).storage.id, id)
})

test('results do not depend on what the buffers held before', async () => {
  const [a, b] = [engine.from(values(2, 500)), engine.from(values(3, 500))]
  const run = () => engine.scope(() => engine.read(add(add(a, b), add(b, b))))
  const first = await run()
  engine.scope(() => {
    for (let i = 0; i < 6; i++) engine.write(engine.tensor([500]), values(i, 500, 1e30))
  })
  same('sums in scopes', await run(), first)
})

test('what is made in a scope lives as long as it, whichever way it is made', () => {
  const data = values(1, 300)
  const step = () => engine.scope(() => ids(engine.from(data), engine.zeros([300]), engine.tensor([300])))
  const first = step()
  const { buffers, bytes } = engine.stats
  for (let i = 0; i < 50; i++) assert.equal(step(), first)
  assert.equal([engine.stats.buffers, engine.stats.bytes], [buffers, bytes])
})

test('a tensor used after its scope, or after it was released, is an error that says so', async () => {
  const x = engine.zeros([4])
  const view = engine.scope(() => engine.tensor([2, 2], 'f32', 'scores').reshape([4]))
  const released = engine.zeros([4], 'f32', 'scores')
  engine.release(released)
  const inner = () =>
    engine.scope(() => {
      const outer = engine.tensor([4])
      const gone = engine.scope(() => engine.tensor([4], 'f32', 'scores'))
      engine.clear(outer)
      return add(outer, gone)
    })
  const message =
    /^scores of shape \[4\]: it was released, or its scope has ended — use it before, or create it outside/
  for (const gone of [view, released]) {
    assert.is(gone.isAlive, false)
    for (const use of [
      () => add(gone, x),
      () => add(x, gone),
      () => engine.write(gone, values(1, 4)),
      () => engine.copy(gone, x),
      () => engine.copy(x, gone),
      () => engine.clear(gone),
      () => gone.reshape([2, 2]),
    ])
      assert.throws(use, message, String(use))
    const problem = await engine.read(gone).catch(error => error as Error)
    assert.match((problem as Error).message, message)
  }
  assert.throws(inner, message)
})

test('released twice, its memory is given once', () => {
  engine.scope(() => {
    const a = engine.tensor([70])
    engine.release(a, a)
    assert.is(new Set(ids(engine.tensor([70]), engine.tensor([70]))).size, 2)
  })
  const b = engine.zeros([77])
  engine.release(b)
  const c = engine.zeros([77])
  engine.release(b)
  assert.ok(c.isAlive)
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
