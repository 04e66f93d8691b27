// Shares of the mean squared error, and their derivative.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { squaredError } from '../../src/engine/index.js'
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

test('shares', async () => {
  for (const count of [1, 63, 65, 1009]) {
    for (const magnitude of MAGNITUDES) {
      const [a, b] = [values(1, count, magnitude), values(2, count, magnitude)]
      close(
        'squared_error',
        await engine.read(squaredError(engine.from(a), engine.from(b))),
        oracle.squaredError(a, b),
        { scale: (4 * magnitude ** 2) / count },
      )
    }
  }
})

test('gradients', async () => {
  for (const count of [1, 7, 65, 1009]) {
    const target = values(3, count)
    const b = engine.from(target)
    await checkGradients(engine, 'squared_error', {
      inputs: [{ data: values(4, count), shape: [count] }],
      ours: a => squaredError(a, b),
      truth: a => oracle.squaredError(a, target),
      depth: 1,
    })
  }
})

test('sizes that differ are refused', () => {
  assert.throws(
    () => squaredError(engine.zeros([3]), engine.zeros([2])),
    /^squaredError: shapes \[3\] and \[2\] differ/,
  )
})

test.run()
