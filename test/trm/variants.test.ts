// Goldens pass with every variant of an operation forced in turn.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { gateUpFamily } from '../../src/engine/ops/gate-up.js'
import { matmulFamily } from '../../src/engine/ops/matmul.js'
import { offerFusedNetwork } from '../../src/trm/fused-network.js'
import { networkFamily } from '../../src/trm/network.js'
import { verify } from '../../src/trm/verify.js'
import { openEngine } from '../engine-under-test.js'
import { golden, inPage } from '../files.js'

offerFusedNetwork()
const engine = await openEngine()
test.after(() => engine.close())

const size = { m: 64, n: 64, k: 64 }
const available = matmulFamily.variants.filter(variant => [size, { ...size, m: 2 }].some(shape => variant.available(engine.adapter, shape)))
// The first one is the default everywhere: test/trm/goldens.test.ts runs it.
const networks = networkFamily.variants.slice(1)
// SwiftShader takes up to half a minute for each kernel that is written for GPUs; lavapipe, in Node, runs them all.
const isLeft = ({ onlyHardware }: { onlyHardware?: true }) => Boolean(onlyHardware && inPage && engine.adapter.isSoftware)
const left = Object.entries({ matmul: available, network: networks, 'gate up': gateUpFamily.variants }).flatMap(([family, variants]) => variants.filter(isLeft).map(({ name }) => `${family} ${name}`))
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
    assert.ok(name === 'few rows' ? used.filter(([, variant]) => variant === name).length > 2 : used.every(([, variant]) => variant === name), JSON.stringify(used))
    engine.variants.force('matmul', undefined)
  })
}

for (const { name } of gateUpFamily.variants.filter(variant => !isLeft(variant))) {
  test(`gate up: ${name}`, async () => {
    engine.variants.force('mlp block', 'composed')
    engine.variants.force('gate up', name)
    await passes('trm-mlp')
    assert.ok(Object.entries(engine.variants.used).filter(([key]) => key.startsWith('gate up ')).map(([, used]) => used).includes(name))
    for (const family of ['mlp block', 'gate up']) engine.variants.force(family, undefined)
  })
}

const ATTENTION = ['attention', 'attention backward']
for (const name of ['tiled', 'texels', 'thread']) {
  // Where the adapter cannot run one, another stands in.
  if (left.length && name === 'tiled') console.log('skipped: in a page on a software adapter, a kernel written for GPUs: attention tiled')
  else test(`attention: ${name}`, async () => {
    for (const family of ATTENTION) engine.variants.force(family, name)
    for (const file of ['trm-att-rope', 'hrm', 'transformer']) await passes(file)
    if (name !== 'texels') assert.is(engine.variants.used['attention 18×16 rope'], name)
    for (const family of ATTENTION) engine.variants.force(family, undefined)
  })
}

// One of each kind of layer, two networks, several latents, one state, a single application.
const GOLDENS = ['trm-mlp', 'trm-att-rope', 'hrm', 'trm-hier6', 'trm-singlez', 'transformer']
for (const { name } of networks.filter(variant => !isLeft(variant))) {
  for (const file of GOLDENS) {
    test(`network: ${name}, ${file}`, async () => {
      engine.variants.force('network', name)
      await passes(file)
      const used = Object.entries(engine.variants.used).filter(([key]) => key.startsWith('network '))
      assert.ok(used.some(([, variant]) => variant === name), JSON.stringify(used))
      engine.variants.force('network', undefined)
    })
  }
}

test('a name that is no variant is refused', () => {
  engine.variants.force('matmul', 'magic')
  assert.throws(() => engine.variants.pick(matmulFamily, size), /^matmul: no variant "magic", expected few rows, matrices/)
  engine.variants.force('matmul', undefined)
})

test.run()
