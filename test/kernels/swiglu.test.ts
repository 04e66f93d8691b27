// The gated activation over either axis, from tiny to saturated gates, and its derivative.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { swiglu } from '../../src/engine/index.js'
import { close, printShares } from '../close.js'
import { checkGradients } from '../differences.js'
import { openEngine } from '../engine-under-test.js'
import * as oracle from '../oracle.js'
import { MAGNITUDES, RECTANGLES, values } from '../shapes.js'

const engine = await openEngine()
test.after(() => {
  engine.close()
  printShares()
})

/** In WGSL exp(x) is exact to 3 + 2|x| units: the error grows with the gate. A sigmoid below 2⁻¹²⁶ may become 0. */
function scales(x: ArrayLike<number>, half: number, inner: number): Float64Array {
  const block = half * inner
  return oracle.swiglu(x, { half, inner }).map((y, i) => {
    const at = Math.floor(i / block) * 2 * block + (i % block)
    const [gate, up] = [Math.abs(x[at]), Math.abs(x[at + block])]
    return Math.abs(y) * (2 + 2 * Math.min(gate, 100)) + gate * up * 2 ** -102
  })
}

test('over the last axis', async () => {
  for (const [rows, half] of RECTANGLES) {
    for (const magnitude of [...MAGNITUDES, 20]) {
      const x = values(1, rows * 2 * half, magnitude)
      const y = swiglu(engine.from(x, [rows, 2 * half]))
      assert.equal(y.shape, [rows, half])
      close('swiglu', await engine.read(y), oracle.swiglu(x, { half }), { scale: scales(x, half, 1) })
    }
  }
})

test('over the next-to-last axis', async () => {
  for (const [batch, half, width] of [
    [1, 1, 1],
    [2, 3, 5],
    [3, 33, 17],
    [1, 128, 65],
  ]) {
    const x = values(2, batch * 2 * half * width, 3)
    const y = swiglu(engine.from(x, [batch, 2 * half, width]), { axis: -2 })
    assert.equal(y.shape, [batch, half, width])
    close('swiglu', await engine.read(y), oracle.swiglu(x, { half, inner: width }), { scale: scales(x, half, width) })
  }
})

test('gradients', async () => {
  for (const [rows, half] of RECTANGLES) {
    for (const magnitude of [1e-4, 1, 10]) {
      const inputs = [{ data: values(3, rows * 2 * half, magnitude), shape: [rows, 2 * half] }]
      // exp is exact to 3 + 2|gate| units, here twice in a product.
      await checkGradients(engine, 'swiglu', {
        inputs,
        ours: x => swiglu(x),
        truth: x => oracle.swiglu(x, { half }),
        depth: 1,
        c: 8 + 2 * magnitude,
        unit: 0.1,
      })
    }
  }
  const inputs = [{ data: values(4, 2 * 6 * 5), shape: [2, 6, 5] }]
  await checkGradients(engine, 'swiglu', {
    inputs,
    ours: x => swiglu(x, { axis: -2 }),
    truth: x => oracle.swiglu(x, { half: 3, inner: 5 }),
    depth: 1,
    c: 8,
  })
})

test('saturated gates give finite gradients', async () => {
  const x = engine.from(new Float32Array([-1e4, -100, -90, 0, 90, 1e4, 1, 1, 1, 1, 1, 1]), [1, 12])
  const [gradient] = engine.gradients([x], () => swiglu(x))
  const [gates, ups] = [Float64Array.from([0, 0, 0, 0.5, 1, 1]), Float64Array.from([0, 0, 0, 0, 90, 1e4])]
  close('swiglu, saturated', await engine.read(gradient), [...gates, ...ups], {
    scale: [1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 90, 1e4],
  })
})

test('an odd axis is refused', () => {
  assert.throws(() => swiglu(engine.zeros([2, 3])), /^swiglu: axis -1 of shape \[2,3\] is odd/)
})

test.run()
