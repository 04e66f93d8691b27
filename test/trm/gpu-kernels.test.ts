// Goldens pass with all kernels that are written for GPUs. `npm run test:variants` forces every kernel in turn.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type MlpBlockSize, mlpBlockFamily } from '../../src/engine/ops/mlp-block.js'
import { offer } from '../../src/engine/variants.js'
import { verify } from '../../src/verify/verify.js'
import { openEngine } from '../engine-under-test.js'
import { golden, inPage } from '../files.js'
import { playedBlock } from '../played-block.js'

const engine = await openEngine()
test.after(() => engine.close())

const GPU = {
  matmul: 'tiled 64×64',
  gated: 'tiled 64×64',
  rmsnorm: 'registers',
  attention: 'tiled',
}
const hasF16 = engine.adapter.features.includes('shader-f16')
// SwiftShader takes up to half a minute for each of these kernels.
const tooSlow = inPage && engine.adapter.isSoftware

if (hasF16 && !tooSlow) offer(mlpBlockFamily, playedBlock)

for (const [file, dtype, block] of [
  ['trm-mlp', 'f32', 'composed'],
  ['trm-mlp', 'f16', 'composed'],
  ['trm-mlp', 'f16', 'played'],
  ['trm-att-rope', 'f32', 'composed'],
] as const) {
  const isLeftOut = tooSlow || (dtype === 'f16' && !hasF16)
  if (isLeftOut)
    console.log(
      `skipped: ${file} in ${dtype} by kernels of GPUs, ` +
        (tooSlow ? 'in a page on a software adapter' : 'no shader-f16'),
    )
  ;(isLeftOut ? test.skip : test)(`${file} in ${dtype}, blocks ${block}`, async () => {
    for (const [family, variant] of Object.entries(GPU)) engine.variants.force(family, variant)
    engine.variants.force('mlp block', block)
    const { rows } = await verify(engine, await golden(file), { file, dtype })
    assert.equal(
      rows.filter(({ error, allowed }) => !(error <= allowed)),
      [],
    )
    assert.ok(rows.length > 100)
    for (const family of [...Object.keys(GPU), 'mlp block']) engine.variants.force(family, undefined)
    // Where a kernel cannot run for some size, another one would have replaced it.
    const { used } = engine.variants
    const family = file === 'trm-mlp' ? 'gated' : 'attention'
    assert.ok(
      Object.entries(used).some(([key, variant]) => key.startsWith(`${family} `) && variant === GPU[family]),
      JSON.stringify(used),
    )
    const axes = engine.variants.asked.flatMap(({ family, size, variant }) =>
      family.name === 'mlp block' && variant === block ? [(size as MlpBlockSize).axis] : [],
    )
    // Blocks work on values and, without attention, on positions.
    for (const axis of file === 'trm-mlp' ? [-1, -2] : [-1]) assert.ok(axes.includes(axis as -1), `axis ${axis}`)
  })
}

test.run()
