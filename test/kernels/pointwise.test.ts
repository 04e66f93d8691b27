// Products, multiples and activations of single elements, and their derivatives.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { gelu, mul, relu, scale, type Tensor } from '../../src/engine/index.js'
import { close, printShares } from '../close.js'
import { checkGradients } from '../differences.js'
import { openEngine } from '../engine-under-test.js'
import * as oracle from '../oracle.js'
import { MAGNITUDES, values } from '../shapes.js'

const engine = await openEngine()
test.after(() => {
  engine.close()
  printShares()
})

const COUNTS = [1, 64, 1009]
const SHAPES = [
  [5, 11],
  [2, 3, 8],
]
const sizeOf = (shape: readonly number[]) => shape.reduce((n, d) => n * d, 1)

/** Of one tensor: with the largest slope, and what of the error comes from `exp`, in units of its arguments. */
const ACTIVATIONS = {
  relu: { ours: relu, truth: oracle.relu, c: 1 },
  gelu: { ours: gelu, truth: oracle.gelu, c: 16 },
  'scale by -2.5': {
    ours: (x: Tensor) => scale(x, -2.5),
    truth: (x: ArrayLike<number>) => oracle.mul(x, [-2.5]),
    c: 4,
  },
}

/** Away from the kink of relu, where differences would see both sides. */
const awayFromZero = (seed: number, count: number) =>
  values(seed, count, 3).map(value => (Math.abs(value) < 0.05 ? value + 0.2 : value))

for (const [name, { ours, truth, c }] of Object.entries(ACTIVATIONS)) {
  test(name, async () => {
    for (const count of COUNTS) {
      for (const magnitude of MAGNITUDES) {
        const x = values(1, count, magnitude)
        close(name, await engine.read(ours(engine.from(x))), truth(x), { scale: 2.5 * magnitude, c })
      }
    }
  })

  test(`${name}, gradients`, async () => {
    for (const shape of SHAPES) {
      const inputs = [{ data: awayFromZero(2, sizeOf(shape)), shape }]
      await checkGradients(engine, name, { inputs, ours, truth, depth: 1, c: 4 * c })
    }
  })
}

test('activations far out, and what is no number', async () => {
  const x = Float32Array.of(-1e30, -100, 0, 100, 1e30, NaN)
  const read = async (f: (x: Tensor) => Tensor) => [...(await engine.read(f(engine.from(x))))]
  assert.equal(await read(relu), [0, 0, 0, 100, Math.fround(1e30), NaN])
  assert.equal(
    (await read(gelu)).map(value => value + 0),
    [0, 0, 0, 100, Math.fround(1e30), NaN],
  )
  const slopes = async (f: (x: Tensor) => Tensor) => {
    const given = engine.from(x.slice(0, 5))
    const [gradient] = engine.gradients([given], () => f(given))
    return [...(await engine.read(gradient))].map(value => value + 0)
  }
  assert.equal(await slopes(relu), [0, 0, 0, 1, 1])
  assert.equal(await slopes(gelu), [0, 0, 0.5, 1, 1])
})

test('a · b, b repeated, and one number for all', async () => {
  for (const shape of SHAPES) {
    for (const magnitude of MAGNITUDES) {
      const a = values(3, sizeOf(shape), magnitude)
      for (const bShape of [shape, shape.slice(1), shape.slice(-1), []]) {
        const b = values(4, sizeOf(bShape))
        const y = await engine.read(mul(engine.from(a, shape), engine.from(b, bShape)))
        close('mul', y, oracle.mul(a, b), { scale: magnitude, c: 1 })
      }
    }
  }
})

test('a · b, gradients', async () => {
  for (const shape of SHAPES) {
    for (const bShape of [shape, shape.slice(-1), []]) {
      const inputs = [shape, bShape].map((shape, i) => ({ data: values(5 + i, sizeOf(shape)), shape }))
      await checkGradients(engine, 'mul', { inputs, ours: mul, truth: oracle.mul, depth: sizeOf(shape) })
    }
    const inputs = [{ data: values(7, sizeOf(shape)), shape }]
    const square = (x: Float64Array) => oracle.mul(x, x)
    await checkGradients(engine, 'mul', { inputs, ours: x => mul(x, x), truth: square, depth: 2 })
  }
})

test('shapes that do not fit are refused', () => {
  assert.throws(
    () => mul(engine.zeros([4, 6]), engine.zeros([4])),
    /^mul: shape \[4\] is not that of the last axes of \[4,6\]/,
  )
})

test.run()
