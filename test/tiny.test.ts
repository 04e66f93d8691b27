// The first test to read: what the engine does, in numbers that one can check in the head.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Adam, add, defineKernel, grid, linear, Parameters, squaredError, type Tensor } from '../src/engine/index.js'
import { openEngine } from './engine-under-test.js'

const engine = await openEngine()
test.after(() => engine.close())

const tensor = (numbers: number[], shape?: number[]) => engine.from(Float32Array.from(numbers), shape)
const numbers = async (tensor: Tensor) => [...(await engine.read(tensor))]

test('add, row by row', async () => {
  assert.equal(await numbers(add(tensor([1, 2, 3, 4], [2, 2]), tensor([10, 20]))), [11, 22, 13, 24])
})

test('a linear layer: each row of the weights gives one output', async () => {
  const x = tensor([1, 2], [1, 2])
  const w = tensor([1, 0, 0, 1, 3, 4], [3, 2])
  assert.equal(await numbers(linear(x, w)), [1, 2, 11])
})

test('a gradient: the mean of (x · w − 7)² at x = 3, w = 2', async () => {
  const [x, w] = [tensor([3], [1, 1]), tensor([2], [1, 1])]
  const { value, gradients } = engine.valueAndGradients([w], () => squaredError(linear(x, w), tensor([7], [1, 1])))
  assert.equal(await numbers(value), [1]) // (6 − 7)²
  assert.equal(await numbers(gradients[0]), [-6]) // 2 · (6 − 7) · 3
})

test('a scope gives the memory of its tensors back; a read may leave it', async () => {
  const x = tensor([1, 1])
  const step = () => engine.scope(() => engine.read(add(add(x, x), x)))
  assert.equal([...(await step())], [3, 3])
  const { buffers } = engine.stats
  assert.equal([...(await step())], [3, 3])
  assert.is(engine.stats.buffers, buffers)
})

const square = defineKernel<{ count: number }>({
  name: 'square',
  source: `override COUNT: u32;
    @group(0) @binding(0) var<storage, read> x: array<f32>;
    @group(0) @binding(1) var<storage, read_write> y: array<f32>;
    @compute @workgroup_size(64) fn main(@builtin(global_invocation_id) id: vec3u) {
      if (id.x < COUNT) { y[id.x] = x[id.x] * x[id.x]; }
    }`,
  bindings: { x: 'read', y: 'write' },
  constants: ({ count }) => ({ COUNT: count }),
  workgroups: ({ count }) => grid(Math.ceil(count / 64)),
})

test('a kernel of your own', async () => {
  const y = engine.tensor([3])
  engine.dispatch(square, { x: tensor([1, 2, 3]), y }, { count: 3 })
  assert.equal(await numbers(y), [1, 4, 9])
})

test('a step of Adam: the first one is as long as the learning rate', async () => {
  const weights = new Parameters(engine, { w: [2] })
  weights.write('w', Float32Array.of(1, 1))
  const optimizer = new Adam(engine, weights, { algorithm: 'adamw', weightDecay: 0 })
  optimizer.gradients.write('w', Float32Array.of(5, -5))
  optimizer.step({ step: 1, learningRate: 0.25 })
  const [down, up] = await numbers(weights.get('w'))
  assert.ok(Math.abs(down - 0.75) < 1e-6 && Math.abs(up - 1.25) < 1e-6, `${down}, ${up}`)
})

test('an error says where, what was expected and what came', () => {
  assert.throws(
    () => linear(tensor([1, 2, 3], [1, 3]), tensor([1, 2], [1, 2])),
    ({ message }: Error) =>
      message ===
      'linear: x of shape [1,3] does not fit a weight of shape [1,2] over axis -1, expected (…, in) and (out, in)',
  )
})

test.run()
