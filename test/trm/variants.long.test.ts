// Goldens pass with every variant of an operation forced in turn: minutes of compiling, by `npm run test:variants`.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { attentionFamily } from '../../src/engine/ops/attention.js'
import { gatedFamily } from '../../src/engine/ops/gated.js'
import { matmulFamily } from '../../src/engine/ops/matmul.js'
import { normFamily } from '../../src/engine/ops/rmsnorm.js'
import { verify } from '../../src/verify/verify.js'
import { openEngine, tried } from '../engine-under-test.js'
import { golden } from '../files.js'

const engine = await openEngine()
test.after(() => engine.close())

const size = { m: 64, n: 64, k: 64 }
const matmuls = tried(engine, matmulFamily, size).map(({ name }) => name)

async function passes(file: string): Promise<void> {
  const { rows } = await verify(engine, await golden(file), { file })
  assert.equal(
    rows.filter(({ error, allowed }) => !(error <= allowed)),
    [],
  )
  assert.ok(rows.length > 100)
}

for (const name of matmuls) {
  test(`matmul: ${name}`, async () => {
    engine.variants.force('matmul', name)
    await passes('trm-mlp')
    const used = Object.entries(engine.variants.used).filter(([key]) => key.startsWith('matmul '))
    assert.ok(
      used.every(([, variant]) => variant === name),
      JSON.stringify(used),
    )
    engine.variants.force('matmul', undefined)
  })
}

for (const { name } of tried(engine, gatedFamily, { ...size, gated: 'columns' })) {
  test(`gated: ${name}`, async () => {
    engine.variants.force('mlp block', 'composed')
    engine.variants.force('gated', name)
    await passes('trm-mlp')
    assert.ok(
      Object.entries(engine.variants.used)
        .filter(([key]) => key.startsWith('gated '))
        .map(([, used]) => used)
        .includes(name),
    )
    for (const family of ['mlp block', 'gated']) engine.variants.force(family, undefined)
  })
}

const heads = { batch: 1, length: 18, heads: 2, headDim: 16, rope: true, f16: false, recorded: true }
for (const { name } of tried(engine, attentionFamily, heads)) {
  test(`attention: ${name}`, async () => {
    engine.variants.force('attention', name)
    for (const file of ['trm-att-rope', 'hrm', 'transformer']) await passes(file)
    assert.is(engine.variants.used['attention 18×16 rope recorded'], name)
    engine.variants.force('attention', undefined)
  })
}

for (const { name } of tried(engine, normFamily, {
  rows: 8,
  width: 32,
  stride: 1,
  epsilon: 1e-5,
  f16: false,
  recorded: true,
})) {
  test(`rmsnorm: ${name}`, async () => {
    engine.variants.force('mlp block', 'composed')
    engine.variants.force('rmsnorm', name)
    for (const file of ['trm-mlp', 'trm-att-rope']) await passes(file)
    assert.ok(Object.entries(engine.variants.used).some(([key, used]) => key.startsWith('rmsnorm ') && used === name))
    for (const family of ['mlp block', 'rmsnorm']) engine.variants.force(family, undefined)
  })
}

test.run()
