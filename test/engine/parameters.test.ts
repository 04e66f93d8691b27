// Named parameters in one flat tensor: alignment, names, copies, reading and writing.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { add, Parameters } from '../../src/engine/index.js'
import { same } from '../close.js'
import { openEngine } from '../engine-under-test.js'
import { values } from '../shapes.js'

const engine = await openEngine()
test.after(() => engine.close())

const make = () => new Parameters(engine, { weight: [7, 11], bias: [2], more: [64] })

test('each begins where WebGPU can bind, and shares one buffer', () => {
  const parameters = make()
  assert.equal(parameters.names, ['weight', 'bias', 'more'])
  assert.is(parameters.count, 77 + 2 + 64)
  for (const tensor of parameters.all()) {
    assert.is(tensor.offset % 256, 0)
    assert.is(tensor.storage, parameters.flat.storage)
  }
  assert.equal(parameters.get('weight').shape, [7, 11])
  assert.is(parameters.get('bias'), parameters.all()[1])
})

test('written values are read and computed with; neighbours rest', async () => {
  const parameters = make()
  for (const values of (await parameters.read()).values()) assert.ok(values.every(v => v === 0))
  parameters.write('bias', new Float32Array([3, 4]))
  parameters.write('weight', values(1, 77))
  const all = await parameters.read()
  same('parameters', all.get('weight')!, values(1, 77))
  same('parameters', all.get('bias')!, [3, 4])
  same('parameters', all.get('more')!, new Float32Array(64))
  same('parameters', await engine.read(add(parameters.get('bias'), parameters.get('bias'))), [6, 8])
})

test('like: zeros, or a copy that goes its own way', async () => {
  const parameters = make()
  parameters.write('bias', new Float32Array([3, 4]))
  const [zeros, copy] = [parameters.like('zeros'), parameters.like('copy', true)]
  parameters.write('bias', new Float32Array([5, 6]))
  same('parameters', (await zeros.read()).get('bias')!, [0, 0])
  same('parameters', (await copy.read()).get('bias')!, [3, 4])
  assert.equal(copy.shapes, parameters.shapes)
})

test('wrong names and sizes', () => {
  const parameters = make()
  assert.throws(() => parameters.get('biass'), /^parameters: no "biass", expected one of weight, bias, more$/)
  assert.throws(() => parameters.write('bias', new Float32Array(3)), /^parameters: bias has shape \[2\], got 3 values$/)
})

test('which parameter an element of the flat tensor belongs to', () => {
  const parameters = new Parameters(engine, { first: [64], second: [65], third: [1] })
  assert.equal(
    [0, 127, 128, 192, 255, 256].map(i => parameters.nameAt(i)),
    ['first', 'first', 'second', 'second', 'second', 'third'],
  )
})

test.run()
