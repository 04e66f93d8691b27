// The tuner: measures every variant of what ran, adopts the fastest, and leaves results within tolerance.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type Engine, linear } from '../../src/engine/index.js'
import { keepVariants, tune, useMeasuredVariants } from '../../src/engine/tune.js'
import { matmul, matmulFamily } from '../../src/engine/ops/matmul.js'
import { offer } from '../../src/engine/variants.js'
import { close } from '../close.js'
import { openEngine } from '../engine-under-test.js'
import * as oracle from '../oracle.js'
import { values } from '../shapes.js'

// Some adapters can run one variant of the house: two more, of the same kernel.
const portable = matmulFamily.variants.find(({ name }) => name === 'vec4 8×16')!
for (const name of ['twin', 'triplet']) offer(matmulFamily, { ...portable, name, available: () => true })

const engine = await openEngine()
test.after(() => engine.close())

test('measures, adopts, and the choice is used and reported', async () => {
  const size = { m: 33, n: 65, k: 17, transposeB: true }
  const [a, b] = [values(1, size.m * size.k), values(2, size.n * size.k)]
  const tensors = { a: engine.from(a), b: engine.from(b), c: engine.zeros([size.m * size.n]) }
  matmul(tensors, size)
  const key = 'matmul NT 33×65×17'
  const [tuning] = await tune(engine)
  const names = engine.variants.candidates(matmulFamily, size).map(({ name }) => name)
  assert.is(tuning.key, key)
  assert.equal(Object.keys(tuning.milliseconds), names)
  assert.ok(Object.values(tuning.milliseconds).every(ms => ms > 0))
  matmul(tensors, size)
  assert.is(engine.variants.used[key], tuning.variant)
  close('tuned matmul', await engine.read(tensors.c), oracle.matmul(a, b, size), {
    scale: oracle.matmul(a.map(Math.abs), b.map(Math.abs), size),
    depth: size.k,
  })
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

test('a name that is no variant is refused', () => {
  engine.variants.force('matmul', 'magic')
  assert.throws(
    () => engine.variants.pick(matmulFamily, { m: 64, n: 64, k: 64 }),
    /^matmul: no variant "magic", expected .*tiled 64×64, /,
  )
  engine.variants.force('matmul', undefined)
})

/** A place as a page's localStorage is. */
function pageStorage(text: string | null = null) {
  const place = {
    text,
    async read() {
      return place.text
    },
    async write(text: string) {
      place.text = text
    },
  }
  return place
}

test('what a dry run asks for is measured once and kept; the same choices give the same bits', async () => {
  const place = pageStorage('{ torn')
  const store = keepVariants(place)
  const data = [values(3, 40 * 24), values(4, 56 * 24)]
  const work = (on: Engine) => linear(on.from(data[0], [40, 24]), on.from(data[1], [56, 24]))
  const measured = async (open: () => Promise<Engine>) => {
    const on = await openEngine()
    const dry = on.dryRun()
    work(dry)
    const tunings = await useMeasuredVariants(on, dry.variants.asked, { open, store, repeats: 1 })
    return { on, tunings, product: await on.read(work(on)) }
  }
  const first = await measured(openEngine)
  const key = 'matmul NT 40×56×24'
  assert.equal(
    first.tunings.map(tuning => tuning.key),
    [key],
  )
  const description = first.on.adapter.description
  assert.equal(JSON.parse(place.text!), { [description]: { [key]: first.tunings[0].variant } })
  assert.is(first.on.variants.used[key], first.tunings[0].variant)
  const second = await measured(() => {
    throw new Error('nothing is left to measure')
  })
  assert.equal(second.tunings, [])
  assert.equal(second.product, first.product)
  // Another choice stands in the store: it is taken, and what other adapters chose stays.
  const [, other] = first.on.variants.candidates(matmulFamily, { m: 40, n: 56, k: 24, transposeB: true })
  await store.write('another adapter', { [key]: 'theirs' })
  await store.write(description, { [key]: other.name })
  const third = await measured(() => {
    throw new Error('nothing is left to measure')
  })
  assert.is(third.on.variants.used[key], other.name)
  assert.equal(await store.read('another adapter'), { [key]: 'theirs' })
  for (const { on } of [first, second, third]) on.close()
})

test.run()
