// The tuner: measures every variant of what ran, adopts the fastest, and leaves results within tolerance.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { tune } from '../../src/engine/index.js'
import { matmul, matmulFamily } from '../../src/engine/ops/matmul.js'
import { close } from '../close.js'
import { openEngine } from '../engine-under-test.js'
import * as oracle from '../oracle.js'
import { values } from '../shapes.js'

const engine = await openEngine()
test.after(() => engine.close())

test('measures, adopts, and the choice is used and reported', async () => {
  const size = { m: 33, n: 65, k: 17, transposeB: true }
  const [a, b] = [values(1, size.m * size.k), values(2, size.n * size.k)]
  const tensors = { a: engine.from(a), b: engine.from(b), c: engine.zeros([size.m * size.n]) }
  matmul(engine, tensors, size)
  const key = 'matmul NT 33×65×17'
  const [tuning] = await tune(engine)
  const names = engine.variants.candidates(matmulFamily, size).map(({ name }) => name)
  assert.is(tuning.key, key)
  assert.equal(Object.keys(tuning.milliseconds), names)
  assert.ok(Object.values(tuning.milliseconds).every(ms => ms > 0))
  matmul(engine, tensors, size)
  assert.is(engine.variants.used[key], tuning.variant)
  close('tuned matmul', await engine.read(tensors.c), oracle.matmul(a, b, size), { scale: oracle.matmul(a.map(Math.abs), b.map(Math.abs), size), depth: size.k })
})

test('choices from elsewhere are taken over; a forced one wins', () => {
  const size = { m: 8, n: 8, k: 8 }
  const names = engine.variants.candidates(matmulFamily, size).map(({ name }) => name)
  engine.variants.adopt({ 'matmul NN 8×8×8': names[1], 'matmul NN 12×12×12': 'unknown here' })
  assert.is(engine.variants.pick(matmulFamily, size).name, names[1])
  assert.is(engine.variants.pick(matmulFamily, { m: 12, n: 12, k: 12 }).name, names[0])
  engine.variants.force('matmul', names[2])
  assert.is(engine.variants.pick(matmulFamily, size).name, names[2])
  engine.variants.force('matmul', undefined)
})

test.run()
