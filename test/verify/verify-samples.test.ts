// Goldens of full-size models hold norms and samples instead of whole tensors; here one is made from a small golden.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { parseSafetensors, type StoredTensor, writeSafetensors } from '../../src/formats/safetensors.js'
import { verify } from '../../src/verify/verify.js'
import { openEngine } from '../engine-under-test.js'
import { golden } from '../files.js'

const engine = await openEngine()
test.after(() => engine.close())

const tensor = (dtype: StoredTensor['dtype'], data: Float32Array | Int32Array) =>
  ({ dtype, shape: [data.length], data }) as StoredTensor

/** Replaces grad and final by gradnorm, gradsample and finalsample, and keeps only the first step of the evaluation. */
async function sampled(change: (tensors: Map<string, StoredTensor>) => void = () => {}): Promise<Uint8Array> {
  const { tensors, metadata } = parseSafetensors(await golden('trm-mlp'))
  const result = new Map<string, StoredTensor>()
  for (const [name, stored] of tensors) {
    const [, group, rest] = /^(grad|final)\.(.+)$/.exec(name) ?? []
    if (/^(ema|adam_.)\.|^eval\.[2-9]/.test(name)) continue
    if (!group) {
      result.set(name, stored)
      continue
    }
    const data = stored.data as Float32Array
    const index = Int32Array.from({ length: Math.min(10, data.length) }, (_, i) => (i * 7919) % data.length)
    result.set(`sample_index.${rest}`, tensor('I32', index))
    result.set(
      `${group}sample.${rest}`,
      tensor(
        'F32',
        Float32Array.from(index, i => data[i]),
      ),
    )
    if (group === 'grad') result.set(`gradnorm.${rest}`, tensor('F32', Float32Array.of(Math.hypot(...data))))
  }
  change(result)
  const { noise, eval_metrics, ...more } = metadata
  return writeSafetensors(result, {
    ...more,
    noise,
    eval_metrics: JSON.stringify(JSON.parse(eval_metrics).slice(0, 1)),
  })
}

test('norms and samples are recomputed', async () => {
  const { ok, rows } = await verify(engine, await sampled(), { file: 'sampled' })
  assert.ok(ok, JSON.stringify(rows.filter(({ error, allowed }) => !(error <= allowed))))
  for (const group of ['gradnorm', 'gradsample', 'finalsample'])
    assert.ok(
      rows.some(({ name }) => name === `${group}.inner.lm_head.weight`),
      group,
    )
  assert.not.ok(rows.some(({ name }) => name.startsWith('eval.2')))
})

test('changed samples, a changed norm and an unknown quantity fail, each in its own row and no other', async () => {
  const changed = [
    'finalsample.inner.embed_tokens.embedding_weight',
    'gradnorm.inner.lm_head.weight',
    'gradsample.inner.q_head.weight',
  ]
  const { ok, rows } = await verify(
    engine,
    await sampled(tensors => {
      for (const name of changed) (tensors.get(name)!.data as Float32Array)[0] += 1
      tensors.set('moment.of.truth', tensor('F32', Float32Array.of(1)))
    }),
  )
  assert.not.ok(ok)
  const over = rows.filter(({ error, allowed }) => !(error <= allowed)).map(row => row.name)
  assert.equal(over.sort(), [...changed, 'moment.of.truth (not recomputed)'])
})

test.run()
