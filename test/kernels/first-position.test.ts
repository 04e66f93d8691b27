// The first position of each sequence, and its gradient.
import { test } from 'uvu'
import { firstPosition } from '../../src/engine/index.js'
import * as kernels from '../../src/kernels/first-position.js'
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

const SIZES = [
  [1, 1, 1],
  [3, 1, 5],
  [1, 7, 64],
  [2, 97, 33],
  [65, 3, 11],
]

test('first positions', async () => {
  for (const [batch, length, width] of SIZES) {
    const x = values(1, batch * length * width, 1e4)
    same(
      'first_position',
      await engine.read(firstPosition(engine.from(x, [batch, length, width]))),
      oracle.firstPosition(x, { length, width }),
    )
  }
})

test('gradients', async () => {
  for (const [batch, length, width] of SIZES) {
    const inputs = [{ data: values(2, batch * length * width), shape: [batch, length, width] }]
    await checkGradients(engine, 'first_position', {
      inputs,
      ours: x => firstPosition(x),
      truth: x => oracle.firstPosition(x, { length, width }),
      depth: 1,
    })
  }
})

test('a gradient that is added up touches first positions only', async () => {
  const [batch, length, width] = [3, 4, 5]
  const [dy, before] = [values(3, batch * width), values(4, batch * length * width)]
  const to = engine.from(before)
  engine.dispatch(
    kernels.firstPosition,
    { from: engine.from(dy), to },
    { batch, length, width, forward: false, accumulate: true },
  )
  const truth = Float64Array.from(
    before,
    (value, i) =>
      value + (Math.floor(i / width) % length ? 0 : dy[Math.floor(i / width / length) * width + (i % width)]),
  )
  close('first_position', await engine.read(to), truth, { scale: 2 })
})

test.run()
