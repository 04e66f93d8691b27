// Blocks of norm(s + down(silu(gate) · up)) over either axis: every variant, and the derivative.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { add, mlpBlock, type Tensor } from '../../src/engine/index.js'
import { mlpBlockFamily } from '../../src/engine/ops/mlp-block.js'
import { close, printShares } from '../close.js'
import { checkGradients } from '../differences.js'
import { openEngine } from '../engine-under-test.js'
import * as oracle from '../oracle.js'
import { values } from '../shapes.js'

const engine = await openEngine()
test.after(() => {
  engine.close()
  printShares()
})

const epsilon = 1e-5

type Shape = oracle.MlpBlock

/** The block in float64. */
const truth = (
  h: Float64Array,
  injection: Float64Array | undefined,
  gateUp: Float64Array,
  down: Float64Array,
  shape: Shape,
) => oracle.mlpBlock(injection ? oracle.add(h, injection) : h, gateUp, down, shape, epsilon)

function inputsOf({ batch, length, width, inner, axis }: Shape) {
  const over = axis === -1 ? width : length
  const [h, injection] = [1, 2].map(seed => ({
    data: values(seed, batch * length * width),
    shape: [batch, length, width],
  }))
  return {
    h,
    injection,
    gateUp: { data: values(3, 2 * inner * over, 0.5), shape: [2 * inner, over] },
    down: { data: values(4, over * inner, 0.5), shape: [over, inner] },
  }
}

const shapes: Shape[] = [
  { batch: 3, length: 17, width: 64, inner: 256, axis: -2 },
  { batch: 1, length: 1, width: 32, inner: 8, axis: -2 },
  { batch: 2, length: 24, width: 96, inner: 16, axis: -2 },
  { batch: 2, length: 16, width: 32, inner: 12, axis: -2 },
  { batch: 1, length: 8, width: 64, inner: 4, axis: -2 },
  { batch: 2, length: 9, width: 33, inner: 10, axis: -2 },
  { batch: 3, length: 17, width: 64, inner: 256, axis: -1 },
  { batch: 1, length: 1, width: 32, inner: 32, axis: -1 },
  { batch: 2, length: 19, width: 96, inner: 64, axis: -1 },
  { batch: 1, length: 33, width: 128, inner: 96, axis: -1 },
  { batch: 2, length: 5, width: 31, inner: 7, axis: -1 },
]

for (const { name, available } of mlpBlockFamily.variants) {
  test(`variant ${name}`, async () => {
    engine.variants.force('mlp block', name)
    let ran = 0
    for (const shape of shapes) {
      const { h, injection, gateUp, down } = inputsOf(shape)
      for (const added of [undefined, injection]) {
        if (!available(engine.adapter, { ...shape, epsilon, recorded: false, f16: false })) continue
        const tensors = [h, gateUp, down].map(({ data, shape }) => engine.from(data, shape))
        const y = mlpBlock(tensors[0], tensors[1], tensors[2], {
          injection: added && engine.from(added.data, added.shape),
          axis: shape.axis,
          epsilon,
        })
        const [a, b, c, d] = [h.data, added?.data, gateUp.data, down.data].map(data => data && Float64Array.from(data))
        const over = shape.axis === -1 ? shape.width : shape.length
        // Three sums one after the other; values of the last one are around 1.
        close(`mlp block ${name}`, await engine.read(y), truth(a!, b, c!, d!, shape), {
          scale: 4 * Math.sqrt(shape.inner),
          depth: over,
        })
        ran++
      }
    }
    if (name === 'composed') assert.is(ran, 2 * shapes.length)
    engine.variants.force('mlp block', undefined)
  })
}

for (const { name, available } of mlpBlockFamily.variants) {
  test(`gradients after variant ${name}`, async () => {
    engine.variants.force('mlp block', name)
    for (const shape of [
      { batch: 2, length: 3, width: 4, inner: 2, axis: -1 },
      { batch: 2, length: 3, width: 4, inner: 2, axis: -2 },
      { batch: 1, length: 9, width: 32, inner: 32, axis: -1 },
      { batch: 2, length: 9, width: 64, inner: 16, axis: -2 },
    ] as const) {
      if (!available(engine.adapter, { ...shape, epsilon, recorded: true, f16: false })) continue
      const { h, injection, gateUp, down } = inputsOf(shape)
      await checkGradients(engine, `mlp block ${name}`, {
        inputs: [h, injection, gateUp, down],
        ours: (...[a, b, c, d]: Tensor[]) => mlpBlock(a, c, d, { injection: b, axis: shape.axis, epsilon }),
        truth: (...[a, b, c, d]: Float64Array[]) => truth(a, b, c, d, shape),
        depth: 12 * shape.inner,
      })
      // One weight alone: a kernel that gives both gradients must not need the other one.
      for (const wanted of [gateUp, down]) {
        const fixed = (given: Tensor, other: typeof down) =>
          other === wanted ? given : engine.from(other.data, other.shape)
        const exact = (given: Float64Array, other: typeof down) =>
          other === wanted ? given : Float64Array.from(other.data)
        await checkGradients(engine, `mlp block ${name}`, {
          inputs: [wanted],
          ours: weight =>
            mlpBlock(engine.from(h.data, h.shape), fixed(weight, gateUp), fixed(weight, down), {
              axis: shape.axis,
              epsilon,
            }),
          truth: weight =>
            truth(Float64Array.from(h.data), undefined, exact(weight, gateUp), exact(weight, down), shape),
          depth: 12 * shape.inner,
        })
      }
      // Without an injection h's gradient is the sum over two paths.
      await checkGradients(engine, `mlp block ${name}`, {
        inputs: [h],
        ours: a =>
          add(
            mlpBlock(a, engine.from(gateUp.data, gateUp.shape), engine.from(down.data, down.shape), {
              axis: shape.axis,
              epsilon,
            }),
            a,
          ),
        truth: a =>
          truth(a, undefined, Float64Array.from(gateUp.data), Float64Array.from(down.data), shape).map(
            (v, i) => v + a[i],
          ),
        depth: 12 * shape.inner,
      })
    }
    engine.variants.force('mlp block', undefined)
  })
}

test('weights that do not fit are refused', () => {
  const [h, gateUp, down] = [engine.zeros([2, 3, 4]), engine.zeros([10, 4]), engine.zeros([4, 5])]
  assert.throws(
    () => mlpBlock(h, gateUp, down, { axis: -2, epsilon }),
    /^mlpBlock: h of shape \[2,3,4\] does not fit weights of shapes \[10,4\] and \[4,5\] over axis -2/,
  )
})

test.run()
