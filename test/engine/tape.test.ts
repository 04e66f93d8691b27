// Reverse-mode differentiation: fan-out, shared gradients, targets that are added to, and mistakes.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { add, linear, rmsnorm, swiglu, type Tensor } from '../../src/engine/index.js'
import { close, printShares, same } from '../close.js'
import { checkGradients } from '../differences.js'
import { openEngine } from '../engine-under-test.js'
import * as oracle from '../oracle.js'
import { values } from '../shapes.js'

const engine = await openEngine()
test.after(() => {
  engine.close()
  printShares()
})

const ones = (count: number, value = 1) => new Float32Array(count).fill(value)

test('a tensor used several times gets the sum', async () => {
  const x = engine.from(values(1, 70))
  const thrice = engine.scope(() => engine.gradients([x], () => add(add(x, x), x)).map(g => engine.read(g)))
  same('tape', await thrice[0], ones(70, 3))
  const [eightfold] = engine.gradients([x], () => {
    let y = x
    for (let i = 0; i < 3; i++) y = add(y, y)
    return y
  })
  same('tape', await engine.read(eightfold), ones(70, 8))
})

test('the objective may be a wanted tensor itself', async () => {
  const x = engine.from(values(1, 5))
  same('tape', await engine.read(engine.gradients([x], () => x)[0]), ones(5))
})

test('a block with residuals: branches, shared gradients, two uses of one weight', async () => {
  const [rows, width] = [5, 6]
  const block = (x: Tensor, up: Tensor, down: Tensor) => {
    let h = x
    for (let i = 0; i < 2; i++) h = rmsnorm(linear(swiglu(linear(h, up)), down), { residual: h })
    return add(h, x)
  }
  const truth = (x: Float64Array, up: Float64Array, down: Float64Array) => {
    let h = x
    for (let i = 0; i < 2; i++) {
      const inner = oracle.swiglu(oracle.matmul(h, up, { m: rows, n: 8, k: width, transposeB: true }), { half: 4 })
      h = oracle.rmsnorm(oracle.matmul(inner, down, { m: rows, n: width, k: 4, transposeB: true }), h, {
        width,
        epsilon: 1e-5,
      })
    }
    return oracle.add(h, x)
  }
  const inputs = [
    { data: values(2, rows * width), shape: [rows, width] },
    { data: values(3, 8 * width), shape: [8, width] },
    { data: values(4, width * 4), shape: [width, 4] },
  ]
  // About twenty operations in a row, each exact to the usual few units.
  await checkGradients(engine, 'tape', { inputs, ours: block, truth, depth: 20, c: 8, unit: 0.1 })
})

test('gradients go into given tensors, or are added to them', async () => {
  const [x, bias] = [engine.from(values(5, 12), [4, 3]), engine.from(values(6, 3))]
  const into = [engine.from(ones(12, 5), [4, 3]), engine.from(ones(3, 7))]
  const run = (accumulate?: boolean) => engine.gradients([x, bias], () => add(add(x, x), bias), { into, accumulate })
  assert.equal(run(), into)
  same('tape, into', await engine.read(into[0]), ones(12, 2))
  same('tape, into', await engine.read(into[1]), ones(3, 4))
  run(true)
  run(true)
  same('tape, added', await engine.read(into[0]), ones(12, 6))
  same('tape, added', await engine.read(into[1]), ones(3, 12))
})

test("seeds: several, twice for one tensor, and the caller's tensors stay as they are", async () => {
  const x = engine.from(values(7, 9))
  const seed = engine.from(ones(9, 2))
  const gradient = engine.scope(() => {
    const gradients = engine.gradients([x], () => {
      const y = add(x, x)
      const z = add(y, x)
      return [
        [y, seed],
        [z, seed],
        [z, seed],
      ]
    })
    return engine.read(gradients[0])
  })
  // 2 · 2 through y, 2 · 2 · 3 through z.
  same('tape, seeds', await gradient, ones(9, 16))
  same('tape, seeds', await engine.read(seed), ones(9, 2))
})

test('the value comes with the gradients', async () => {
  const x = engine.from(new Float32Array([1, 2]))
  const { value, gradients } = engine.valueAndGradients([x], () => add(x, x))
  assert.equal([...(await engine.read(value))], [2, 4])
  assert.equal([...(await engine.read(gradients[0]))], [2, 2])
  // Of other objectives it is what they give.
  const into = [engine.from(ones(2, 10))]
  const seeds = engine.valueAndGradients([x], () => [[add(x, x), x]], { into, accumulate: true })
  assert.is(seeds.value[0][1], x)
  assert.equal([...(await engine.read(into[0]))], [12, 14])
})

test('only what depends on a wanted tensor is differentiated', () => {
  const x = engine.from(values(8, 4))
  const constant = engine.from(values(9, 4))
  let asked = 0
  const probe = (input: Tensor) =>
    engine.record(engine.tensor(input.shape), [input], dy => {
      asked++
      return [dy]
    })
  engine.gradients([x], () => add(probe(constant), probe(x)))
  assert.is(asked, 1)
  const weight = engine.from(values(10, 8), [2, 4])
  const dispatches = () => engine.stats.dispatches
  const count = (wanted: Tensor[]) => {
    const before = dispatches()
    engine.gradients(wanted, () => linear(x, weight))
    return dispatches() - before
  }
  assert.is(count([x, weight]) - count([weight]), 1, 'the gradient of x costs one product more')
})

test('a branch that leads nowhere costs nothing and adds nothing', async () => {
  const x = engine.from(values(11, 4))
  const [gradient] = engine.gradients([x], () => {
    swiglu(x)
    return add(x, x)
  })
  same('tape', await engine.read(gradient), ones(4, 2))
})

/**
 * Gradients of a few blocks with shared weights and branches, whose inner tensors are kept or computed again;
 * and the memory that this took.
 */
async function blocks(depth: number, keep: 'all' | 'results' | 'less') {
  const [rows, width] = [300, 64]
  const on = await openEngine()
  const [x, up, down, bias] = [
    on.from(values(16, rows * width), [rows, width]),
    on.from(values(17, 4 * width * width, 0.1), [4 * width, width]),
    on.from(values(18, 2 * width * width, 0.1), [width, 2 * width]),
    on.from(values(19, width)),
  ]
  const block = (h: Tensor) => rmsnorm(linear(swiglu(linear(h, up)), down), { residual: add(h, bias) })
  const call = keep === 'all' ? block : (h: Tensor) => on.recompute(() => block(h))
  const run = () =>
    on.scope(() =>
      on
        .gradients([x, up, down, bias], () => {
          const half = (h: Tensor) => {
            for (let i = 0; i < depth; i++) h = add(call(h), x)
            return h
          }
          // Recomputed within what is recomputed.
          return keep === 'less' ? on.recompute(() => half(on.recompute(() => half(x)))) : half(half(x))
        })
        .map(gradient => on.read(gradient)),
    )
  const gradients = await Promise.all(run())
  const { buffers, bindGroups, bytes } = on.stats
  assert.equal(await Promise.all(run()), gradients)
  assert.equal([on.stats.buffers, on.stats.bindGroups], [buffers, bindGroups], 'nothing is made the second time')
  on.close()
  return { gradients, bytes }
}

test('computed again instead of kept: the same bits in less memory', async () => {
  const [all, results, less] = [await blocks(6, 'all'), await blocks(6, 'results'), await blocks(6, 'less')]
  assert.equal(results.gradients, all.gradients)
  assert.equal(less.gradients, all.gradients)
  for (const { bytes } of [results, less]) assert.ok(bytes < 0.5 * all.bytes, `${bytes} of ${all.bytes} bytes`)
})

test('recompute: outside of gradients it computes; it keeps nothing without wanted tensors; no scope', async () => {
  const [x, y] = [engine.from(values(20, 6)), engine.from(values(21, 6))]
  const twice = (h: Tensor) => engine.recompute(() => add(h, h))
  same(
    'recompute',
    await engine.read(twice(x)),
    values(20, 6).map(v => 2 * v),
  )
  let computed = 0
  const watched = (h: Tensor) =>
    engine.recompute(() => {
      computed++
      return add(h, h)
    })
  same(
    'recompute',
    await engine.read(
      engine.gradients([x], () =>
        add(
          add(watched(x), watched(y)),
          engine.recompute(() => x),
        ),
      )[0],
    ),
    ones(6, 3),
  )
  assert.is(computed, 3, 'each once, and again what depends on x')
  assert.throws(
    () => engine.gradients([x], () => engine.recompute(() => engine.scope(() => add(x, x)))),
    /^scope: not while gradients are recorded/,
  )
})

test('a wanted tensor that gets nothing is named', () => {
  const [x, other] = [engine.from(values(12, 4)), engine.from(values(13, 6), [2, 3])]
  assert.throws(
    () => engine.gradients([x, other], () => add(x, x)),
    /^gradients: wanted tensor 1 of shape \[2,3\] received nothing — the objective does not depend on it$/,
  )
})

test('a tensor wanted twice is refused', () => {
  const x = engine.from(values(14, 4))
  assert.throws(() => engine.gradients([x, x], () => add(x, x)), /^gradients: wanted tensors 0 and 1 are the same/)
})

test('recording ends with the objective, also when that fails; it is not nested', async () => {
  const x = engine.from(values(15, 4))
  assert.throws(
    () =>
      engine.gradients([x], () => {
        throw new Error('objective')
      }),
    /^objective$/,
  )
  assert.throws(() => engine.gradients([x], () => engine.gradients([x], () => x)[0]), /^gradients: already recording/)
  same('tape', await engine.read(engine.gradients([x], () => add(x, x))[0]), ones(4, 2))
  close(
    'tape',
    await engine.read(add(x, x)),
    values(15, 4).map(v => 2 * v),
    { scale: 2 },
  )
})

test.run()
