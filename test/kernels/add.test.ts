// Sums, repeated and accumulated, and their derivatives.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { add } from '../../src/engine/index.js'
import * as kernels from '../../src/kernels/add.js'
import { close, printShares, same } from '../close.js'
import { checkGradients } from '../differences.js'
import { openEngine } from '../engine-under-test.js'
import * as oracle from '../oracle.js'
import { MAGNITUDES, RECTANGLES, values } from '../shapes.js'

const engine = await openEngine()
test.after(() => {
  engine.close()
  printShares()
})

const sizes = (a: ArrayLike<number>, b: ArrayLike<number>) =>
  Float64Array.from({ length: a.length }, (_, i) => Math.abs(a[i]) + Math.abs(b[i % b.length]))

test('a + b and a + bias', async () => {
  for (const [rows, width] of RECTANGLES) {
    for (const magnitude of MAGNITUDES) {
      const a = values(1, rows * width, magnitude)
      for (const b of [values(2, rows * width), values(3, width)]) {
        const y = engine.scope(() => ({
          read: engine.read(
            add(engine.from(a, [rows, width]), engine.from(b, b.length === width ? [width] : [rows, width])),
          ),
        }))
        close('add', await y.read, oracle.add(a, b), { scale: sizes(a, b), c: 1 })
      }
    }
  }
})

test('more workgroups than one dimension holds', async () => {
  // 128 MiB, which every adapter can bind, minus one value: one value a thread at a time, so the most threads.
  const size = { count: 2 ** 25 - 1, countB: 37, accumulate: false }
  assert.ok(
    kernels.add.workgroups(size)[1] > 1,
    'one dimension holds them all: a kernel with more workgroups is to be tested',
  )
  const pattern = values(4, 1009)
  const a = new Float32Array(size.count)
  for (let i = 0; i < a.length; i += 1009) a.set(i + 1009 <= a.length ? pattern : pattern.subarray(0, a.length - i), i)
  const b = values(5, 37)
  const tensors = { a: engine.from(a), b: engine.from(b), y: engine.lasting([a.length]) }
  engine.dispatch(kernels.add, tensors, size)
  const y = await engine.read(tensors.y)
  let wrong = 0
  for (let i = 0; i < y.length; i++) if (y[i] !== Math.fround(a[i] + b[i % 37])) wrong++
  assert.is(wrong, 0)
  engine.release(...Object.values(tensors))
})

test('copies and sums up', async () => {
  for (const count of [1, 63, 65, 1009]) {
    const [a, before] = [values(6, count), values(7, count)]
    const [x, y] = [engine.from(a), engine.from(before)]
    engine.dispatch(kernels.add, { a: x, b: x, y }, { count, countB: 0, accumulate: true })
    close('add, +=', await engine.read(y), oracle.add(a, before), { scale: sizes(a, before), c: 1 })
    engine.dispatch(kernels.add, { a: x, b: x, y }, { count, countB: 0, accumulate: false })
    same('add, copy', await engine.read(y), a)
    engine.dispatch(kernels.add, { a: x, b: x, y }, { count, countB: count, accumulate: true })
    close(
      'add, += a + a',
      await engine.read(y),
      a.map(v => 3 * v),
      { scale: 4, c: 1 },
    )
  }
})

test('gradients', async () => {
  for (const [rows, width] of RECTANGLES) {
    const shapes = [[rows, width], [width]]
    const inputs = shapes.map((shape, i) => ({
      data: values(
        8 + i,
        shape.reduce((n, d) => n * d),
      ),
      shape,
    }))
    await checkGradients(engine, 'add', { inputs, ours: (a, b) => add(a, b), truth: oracle.add, depth: rows })
    await checkGradients(engine, 'add', {
      inputs: [inputs[0], inputs[0]],
      ours: (a, b) => add(a, b),
      truth: oracle.add,
      depth: 1,
    })
  }
})

test('shapes that do not fit are refused', () => {
  const [a, b] = [engine.zeros([4, 6]), engine.zeros([4])]
  assert.throws(() => add(a, b), /^add: shape \[4\] is not that of the last axes of \[4,6\]/)
  assert.throws(() => add(b, a), /^add: shape/)
})

test.run()
