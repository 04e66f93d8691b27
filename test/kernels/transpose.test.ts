// Axes in another order and other shapes, as the tape sees them.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { add, mul, reshape, transpose } from '../../src/engine/index.js'
import { printShares, same } from '../close.js'
import { checkGradients } from '../differences.js'
import { openEngine } from '../engine-under-test.js'
import * as oracle from '../oracle.js'
import { values } from '../shapes.js'

const engine = await openEngine()
test.after(() => {
  engine.close()
  printShares()
})

const ORDERS: readonly (readonly [shape: readonly number[], order: readonly number[]])[] = [
  [[7], [0]],
  [
    [3, 5],
    [1, 0],
  ],
  [
    [2, 3, 5],
    [2, 0, 1],
  ],
  [
    [2, 3, 4, 5],
    [0, 2, 1, 3],
  ],
  [
    [2, 3, 4, 5],
    [3, 1, 0, 2],
  ],
]
const sizeOf = (shape: readonly number[]) => shape.reduce((n, d) => n * d, 1)

test('orders of axes', async () => {
  for (const [shape, order] of ORDERS) {
    const data = values(1, sizeOf(shape))
    const y = transpose(engine.from(data, shape), order)
    assert.equal(
      y.shape,
      order.map(axis => shape[axis]),
    )
    same('transpose', await engine.read(y), oracle.transpose(data, shape, order))
  }
  assert.equal(transpose(engine.zeros([2, 3, 5])).shape, [2, 5, 3])
})

test('gradients', async () => {
  for (const [shape, order] of ORDERS) {
    const inputs = [{ data: values(2, sizeOf(shape)), shape }]
    const truth = (x: Float64Array) => oracle.transpose(x, shape, order)
    await checkGradients(engine, 'transpose', { inputs, ours: x => transpose(x, order), truth, depth: 1 })
  }
})

test('a tensor of another shape passes its gradient on, beside other uses of the same memory', async () => {
  const inputs = [{ data: values(3, 24), shape: [4, 6] }]
  await checkGradients(engine, 'reshape', {
    inputs,
    ours: x => {
      const wide = reshape(x, [2, 12])
      return add(mul(wide, wide), reshape(mul(x, x), [2, 12]))
    },
    truth: x => x.map(value => 2 * value * value),
    depth: 4,
  })
  await checkGradients(engine, 'reshape', {
    inputs,
    ours: x => transpose(reshape(transpose(x), [3, 2, 4])),
    truth: x => oracle.transpose(oracle.transpose(x, [4, 6], [1, 0]), [3, 2, 4], [0, 2, 1]),
    depth: 1,
  })
})

test('what does not fit is refused', () => {
  assert.throws(
    () => transpose(engine.zeros([2, 3]), [0, 0]),
    /^transpose: order \[0,0\] does not fit shape \[2,3\], expected each of its axes once, at most four/,
  )
  assert.throws(() => transpose(engine.zeros([1, 1, 1, 1, 1])), /^transpose: order \[0,1,2,4,3\] does not fit/)
  assert.throws(() => reshape(engine.zeros([2, 3]), [5]), /^reshape: \[2,3\] has 6 elements, \[5\] needs 5/)
})

test.run()
