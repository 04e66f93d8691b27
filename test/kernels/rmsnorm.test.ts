// Root-mean-square norms over either axis, with and without a residual, and their derivatives.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { rmsnorm } from '../../src/engine/index.js'
import { close, largest, printShares, same } from '../close.js'
import { checkGradients } from '../differences.js'
import { openEngine } from '../engine-under-test.js'
import * as oracle from '../oracle.js'
import { MAGNITUDES, values, WIDTHS } from '../shapes.js'

const engine = await openEngine()
test.after(() => {
  engine.close()
  printShares()
})

const epsilon = 1e-5

/** The result's error where x and residual cancel is that of their sum. */
function scales(x: ArrayLike<number>, residual: ArrayLike<number> | undefined, shape: { width: number; inner: number }): Float64Array {
  const y = oracle.rmsnorm(x, residual, { ...shape, epsilon })
  return y.map((value, i) => {
    const s = x[i] + (residual ? residual[i] : 0)
    const parts = Math.abs(x[i]) + (residual ? Math.abs(residual[i]) : 0)
    return Math.abs(value) + (s === 0 ? 0 : Math.abs(value / s) * parts)
  })
}

for (const axis of [-1, -2] as const) {
  test(`norms over axis ${axis}`, async () => {
    for (const [index, width] of WIDTHS.entries()) {
      const [outer, inner] = axis === -1 ? [[1, 3, 65][index % 3], 1] : [[1, 3][index % 2], [1, 5, 33, 65][index % 4]]
      const shape = axis === -1 ? [outer, width] : [outer, width, inner]
      for (const magnitude of MAGNITUDES) {
        const [x, residual] = [values(1, outer * width * inner, magnitude), values(2, outer * width * inner, magnitude)]
        for (const added of [undefined, residual]) {
          const y = rmsnorm(engine, engine.from(x, shape), { residual: added && engine.from(added, shape), axis, epsilon })
          assert.equal(y.shape, shape)
          close('rmsnorm', await engine.read(y), oracle.rmsnorm(x, added, { width, inner, epsilon }), { scale: scales(x, added, { width, inner }), depth: width })
        }
      }
    }
  })

  test(`gradients over axis ${axis}`, async () => {
    for (const [outer, width, inner] of [[1, 1, 1], [3, 7, 1], [2, 11, 5], [1, 33, 3], [5, 65, 1], [2, 129, 2], [9, 31, 65]]) {
      if (axis === -1 && inner > 1 && outer < 9) continue
      const [rows, side] = axis === -1 ? [outer, 1] : [outer, inner]
      const shape = axis === -1 ? [rows, width] : [rows, width, side]
      const size = rows * width * side
      const inputs = [{ data: values(3, size), shape }, { data: values(4, size), shape }]
      const truth = (...[x, residual]: Float64Array[]) => oracle.rmsnorm(x, residual, { width, inner: side, epsilon })
      // ds = (dy − y · mean(y · dy)) / rms: in short rows the two terms nearly cancel.
      const least = (...given: Float32Array[]) => largest(truth(...given.map(data => Float64Array.from(data))).map((y, i) => y / given.reduce((sum, data) => sum + data[i], 0)))
      const both = inputs.map(({ data }) => data)
      await checkGradients(engine, 'rmsnorm', { inputs, ours: (x, residual) => rmsnorm(engine, x, { residual, axis, epsilon }), truth, depth: width, least: least(...both), unit: 0.05 })
      await checkGradients(engine, 'rmsnorm', { inputs: [inputs[0]], ours: x => rmsnorm(engine, x, { axis, epsilon }), truth, depth: width, least: least(both[0]), unit: 0.05 })
    }
  })
}

test('zeros stay zeros', async () => {
  same('rmsnorm, zeros', await engine.read(rmsnorm(engine, engine.zeros([3, 33]))), new Float64Array(99))
})

test('the result may go into a given tensor', async () => {
  const x = values(5, 40)
  const into = engine.zeros([4, 10])
  assert.is(rmsnorm(engine, engine.from(x, [4, 10]), { into }), into)
  close('rmsnorm', await engine.read(into), oracle.rmsnorm(x, undefined, { width: 10, epsilon }), { scale: 4, depth: 10 })
})

test('more rows than 65,535 workgroups norm at once', async () => {
  const rows = 64 * 65535 + 7
  const x = values(6, rows)
  // Of one element each, with a large epsilon: y = x / √(x² + 1).
  close('rmsnorm', await engine.read(rmsnorm(engine, engine.from(x, [rows, 1]), { epsilon: 1 })), Float64Array.from(x, v => v / Math.sqrt(v * v + 1)), { scale: 1 })
})

test('a residual of another size is refused', () => {
  assert.throws(() => rmsnorm(engine, engine.zeros([2, 3]), { residual: engine.zeros([3]) }), /^rmsnorm: residual of shape \[3\] does not fit x of shape \[2,3\]/)
})

test.run()
