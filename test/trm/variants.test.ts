// Goldens pass with every variant of an operation forced in turn.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { attentionFamily } from '../../src/engine/ops/attention.js'
import { gatedFamily } from '../../src/engine/ops/gated.js'
import { matmulFamily } from '../../src/engine/ops/matmul.js'
import { verify } from '../../src/trm/verify.js'
import { openEngine } from '../engine-under-test.js'
import { golden, inPage } from '../files.js'

const engine = await openEngine()
test.after(() => engine.close())

const size = { m: 64, n: 64, k: 64 }
const available = matmulFamily.variants.filter(variant => [size, { ...size, m: 2 }].some(shape => variant.available(engine.adapter, shape)))
// SwiftShader takes up to half a minute for each kernel that is written for GPUs; lavapipe, in Node, runs them all.
const isLeft = ({ onlyHardware }: { onlyHardware?: true }) => Boolean(onlyHardware && inPage && engine.adapter.isSoftware)
const left = Object.entries({ matmul: available, gated: gatedFamily.variants, attention: attentionFamily.variants }).flatMap(([family, variants]) => variants.filter(isLeft).map(({ name }) => `${family} ${name}`))
if (left.length) console.log(`skipped: in a page on a software adapter, kernels written for GPUs: ${left.join(', ')}`)
const matmuls = available.filter(variant => !isLeft(variant)).map(({ name }) => name)

async function passes(file: string): Promise<void> {
  const { rows } = await verify(engine, await golden(file), { file })
  assert.equal(rows.filter(({ error, allowed }) => !(error <= allowed)), [])
  assert.ok(rows.length > 100)
}

for (const name of matmuls) {
  test(`matmul: ${name}`, async () => {
    engine.variants.force('matmul', name)
    await passes('trm-mlp')
    const used = Object.entries(engine.variants.used).filter(([key]) => key.startsWith('matmul '))
    assert.ok(used.every(([, variant]) => variant === name), JSON.stringify(used))
    engine.variants.force('matmul', undefined)
  })
}

for (const { name } of gatedFamily.variants.filter(variant => !isLeft(variant))) {
  test(`gated: ${name}`, async () => {
    engine.variants.force('mlp block', 'composed')
    engine.variants.force('gated', name)
    await passes('trm-mlp')
    assert.ok(Object.entries(engine.variants.used).filter(([key]) => key.startsWith('gated ')).map(([, used]) => used).includes(name))
    for (const family of ['mlp block', 'gated']) engine.variants.force(family, undefined)
  })
}

const heads = { batch: 1, length: 18, heads: 2, headDim: 16, rope: true, half: false, recorded: true }
for (const { name } of attentionFamily.variants.filter(variant => variant.available(engine.adapter, heads) && !isLeft(variant))) {
  test(`attention: ${name}`, async () => {
    engine.variants.force('attention', name)
    for (const file of ['trm-att-rope', 'hrm', 'transformer']) await passes(file)
    assert.is(engine.variants.used['attention 18×16 rope recorded'], name)
    engine.variants.force('attention', undefined)
  })
}

test('a name that is no variant is refused', () => {
  engine.variants.force('matmul', 'magic')
  assert.throws(() => engine.variants.pick(matmulFamily, size), /^matmul: no variant "magic", expected .*tiled 64×64, /)
  engine.variants.force('matmul', undefined)
})

test.run()
