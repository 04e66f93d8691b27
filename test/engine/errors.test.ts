// Every error says where, what was expected and what came. None passes in silence.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { add, defineKernel, Engine } from '../../src/engine/index.js'
import { add as addKernel, type AddSize } from '../../src/kernels/add.js'
import { openEngine } from '../engine-under-test.js'

const engine = await openEngine()
test.after(() => engine.close())

const size = { count: 4, countB: 4, accumulate: false }

/** The message of what a promise rejects with. */
async function reason(promise: Promise<unknown>): Promise<string> {
  try {
    await promise
  } catch (error) {
    return (error as Error).message
  }
  throw new Error('expected an error, there was none')
}

test('a tensor that the adapter cannot bind', () => {
  const elements = engine.adapter.maxTensorBytes / 4 + 64
  assert.throws(
    () => engine.tensor([elements], 'f32', 'scores'),
    /^scores: [\d.]+ [MG]B needed, this adapter binds [\d.]+ [MG]B at most — lower the batch \(or micro-batch\) size$/,
  )
})

test('a shape without elements', () => {
  for (const shape of [[0], [3, 0], [1.5], [NaN], [-1]])
    assert.throws(
      () => engine.tensor(shape, 'f32', 'odd'),
      /^odd: shape \[.*\] has no elements, expected positive integers$/,
    )
})

test('a binding that is not given', () => {
  const a = engine.zeros([4])
  assert.throws(() => engine.dispatch(addKernel, { a, y: a }, size), /^add: it binds a, b, y, got a, y$/)
})

test('a binding under a wrong name, alone and beside the right one', () => {
  const a = engine.zeros([4])
  assert.throws(() => engine.dispatch(addKernel, { a, B: a, y: a }, size), /^add: it binds a, b, y, got a, B, y$/)
  engine.dispatch(addKernel, { a, b: engine.zeros([4]), y: engine.zeros([4]) }, size)
  assert.throws(
    () => engine.dispatch(addKernel, { a, b: engine.zeros([4]), Y: a, y: engine.zeros([4]) }, size),
    /^add: it binds a, b, y, got a, b, Y, y$/,
  )
})

test('a constant that is no number', () => {
  const broken = defineKernel<object>({
    name: 'broken',
    source: '',
    bindings: {},
    constants: () => ({ COUNT: NaN }),
    workgroups: () => [1, 1, 1],
  })
  assert.throws(() => engine.dispatch(broken, {}, {}), /^broken: constant COUNT is NaN, expected a number$/)
})

test('an error that nobody caught is kept, thrown by the next read, and then forgotten', async () => {
  const tensor = engine.zeros([4])
  engine.device.createBuffer({ size: 16, usage: 0xffff })
  assert.match(await reason(engine.read(tensor)), /^GPU error on .+: /)
  assert.equal([...(await engine.read(tensor))], [0, 0, 0, 0])
})

test('a shader that does not fit its blueprint is such an error', async () => {
  const tensor = engine.zeros([4])
  const wrong = {
    ...addKernel,
    name: 'wrong',
    source: (size: AddSize) =>
      (addKernel.source as (size: AddSize) => string)(size)
        .replace('read_write> y', 'read> y')
        .replace(/y\[i\] = [^;]+;/, ''),
  }
  engine.dispatch(wrong, { a: tensor, b: tensor, y: tensor }, size)
  assert.match(await reason(engine.finish()), /^GPU error on .+: /)
  await engine.finish()
})

test('two kernels of one name do not mix', async () => {
  const times = (factor: number) =>
    defineKernel<object>({
      name: 'times',
      source: `@group(0) @binding(0) var<storage, read_write> y: array<f32>;
        @compute @workgroup_size(1) fn main() { y[0] *= ${factor}; }`,
      bindings: { y: 'write' },
      constants: () => ({}),
      workgroups: () => [1, 1, 1],
    })
  const y = engine.from(new Float32Array([1]))
  for (const factor of [2, 3]) engine.dispatch(times(factor), { y }, {})
  assert.equal([...(await engine.read(y))], [6])
})

test('a forgotten override constant is named', async () => {
  const tensor = engine.zeros([4])
  const forgetful = defineKernel<object>({
    name: 'forgetful',
    source: `override COUNT: u32;
      @group(0) @binding(0) var<storage, read_write> y: array<f32>;
      @compute @workgroup_size(1) fn main() { if (COUNT > 0u) { y[0] = 1.0; } }`,
    bindings: { y: 'write' },
    constants: () => ({}),
    workgroups: () => [1, 1, 1],
  })
  engine.dispatch(forgetful, { y: tensor }, {})
  assert.match(await reason(engine.finish()), /COUNT/)
})

test('a closed engine', async () => {
  const closed = await openEngine()
  const tensor = closed.zeros([4])
  closed.close()
  closed.close()
  assert.is(closed.isLost, false)
  const message = /^engine: it was closed/
  for (const use of [
    () => closed.tensor([4]),
    () => closed.lasting([4]),
    () => closed.zeros([4]),
    () => closed.from(new Float32Array(4)),
    () => closed.write(tensor, new Float32Array(4)),
    () => closed.copy(tensor, tensor),
    () => closed.clear(tensor),
    () => closed.dispatch(addKernel, { a: tensor, b: tensor, y: tensor }, size),
    () => add(tensor, tensor),
  ])
    assert.throws(use, message, String(use))
  assert.match(await reason(closed.read(tensor)), message)
  assert.match(await reason(closed.finish()), message)
})

test('a lost device is reported by every later wait', async () => {
  const lost = await openEngine()
  const tensor = lost.zeros([4])
  lost.device.destroy()
  await lost.device.lost
  for (let i = 0; i < 2; i++) {
    assert.match(
      await reason(lost.read(tensor)),
      /^device lost \(destroyed\) on .+ — reopen the engine and load the last checkpoint/,
    )
    assert.match(await reason(lost.finish()), /^device lost/)
  }
  assert.ok(lost.isLost)
  lost.close()
})

test('no WebGPU, no adapter', async () => {
  if (!globalThis.navigator?.gpu)
    assert.match(await reason(Engine.open()), /^engine: no WebGPU here, expected a GPU object \(navigator.gpu\)/)
  assert.match(
    await reason(Engine.open({ gpu: { requestAdapter: async () => null } as unknown as GPU })),
    /^engine: WebGPU found no adapter/,
  )
})

test('values that do not fill a tensor are refused', () => {
  assert.throws(() => engine.from(new Float32Array(2), [2, 3]), /^from: 2 values do not fill shape \[2,3\]$/)
  assert.throws(() => engine.from(new Int32Array(4), [3]), /^from: 4 values do not fill shape \[3\]$/)
})

test.run()
