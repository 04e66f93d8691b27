// The verification must not pass damaged goldens, nor files that are no goldens.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { parseSafetensors, type StoredTensor, toFloat32, writeSafetensors } from '../../src/formats/safetensors.js'
import { type Verification, verify } from '../../src/verify/verify.js'
import { golden } from '../files.js'
import { openEngine } from '../engine-under-test.js'

const engine = await openEngine()
test.after(() => engine.close())

/** The golden with something changed. */
async function edited(
  name: string,
  change: (tensors: Map<string, StoredTensor>, metadata: Record<string, string>) => void,
): Promise<Uint8Array> {
  const { tensors, metadata } = parseSafetensors(await golden(name), name)
  const copies = new Map(
    [...tensors].map(([key, tensor]) => [key, { ...tensor, data: tensor.data.slice() } as StoredTensor]),
  )
  change(copies, metadata)
  return writeSafetensors(copies, metadata)
}

/** Adds a hundredth of a tensor's norm to one of its elements. */
function nudge(tensors: Map<string, StoredTensor>, name: string): void {
  const values = toFloat32(tensors.get(name)!)
  values[Math.floor(values.length / 3)] += 0.01 * Math.hypot(...values)
}

const over = ({ rows }: Verification) =>
  rows.filter(({ error, allowed }) => !(error <= allowed)).map(({ name }) => name)

test('one changed weight is noticed everywhere', async () => {
  const result = await verify(
    engine,
    await edited('trm-att-rope', tensors => nudge(tensors, 'init.inner.L_level.layers.1.mlp.down_proj.weight')),
  )
  assert.is(result.ok, false)
  for (const name of ['eval.1.logits', 'train.0.logits', 'grad.inner.lm_head.weight'])
    assert.ok(over(result).includes(name), name)
})

test('one changed value of any kind is noticed, in its own row', async () => {
  const values = [
    'grad.inner.L_level.layers.0.self_attn.qkv_proj.weight',
    'eval.2.logits',
    'train.0.q_halt_logits',
    'final.inner.lm_head.weight',
    'ema.inner.q_head.weight',
  ]
  const result = await verify(
    engine,
    await edited('trm-no-puzzle-emb', (tensors, metadata) => {
      for (const name of values) nudge(tensors, name)
      const { data: predictions } = tensors.get('eval.1.preds')!
      predictions[0] = (Number(predictions[0]) + 1) % 6
      for (const name of ['train.1.halted', 'train.2.steps']) {
        const { data } = tensors.get(name)!
        data[0] = typeof data[0] === 'bigint' ? 1n - data[0] : 1 - Number(data[0])
      }
      tensors.set('grad.inner.unheard_of', { dtype: 'F32', shape: [1], data: new Float32Array(1) })
      const log = JSON.parse(metadata.train_log)
      log[1].lm_loss *= 1.01
      metadata.train_log = JSON.stringify(log)
    }),
  )
  assert.is(result.ok, false)
  const expected = [
    ...values,
    'eval.1.preds',
    'train.1.halted',
    'train.2.steps',
    'train.1.lm_loss',
    'grad.inner.unheard_of (not recomputed)',
  ]
  assert.equal(over(result).sort(), expected.sort())
})

test('rows are only of what the file holds; a file with nothing to compare fails', async () => {
  const without = await verify(
    engine,
    await edited('trm-no-puzzle-emb', tensors => {
      for (const name of tensors.keys()) if (name.startsWith('grad.')) tensors.delete(name)
    }),
  )
  assert.not.ok(without.rows.some(({ name }) => name.startsWith('grad.')))
  const nothing = await verify(
    engine,
    await edited('trm-no-puzzle-emb', (tensors, metadata) => {
      for (const name of tensors.keys()) if (!/^(init|batch)\./.test(name)) tensors.delete(name)
      delete metadata.train_log
      delete metadata.eval_metrics
    }),
  )
  assert.equal([nothing.ok, nothing.rows], [false, []])
})

test('a missing weight is named', async () => {
  const bytes = await edited('trm-mlp', tensors => tensors.delete('init.inner.L_level.layers.0.mlp_t.down_proj.weight'))
  assert.match(
    await reason(bytes),
    new RegExp(
      '^x: tensor "init.inner.L_level.layers.0.mlp_t.down_proj.weight" is missing, ' +
        'the configuration asks for it with shape \\[18,256\\]',
    ),
  )
})

test('files that are no goldens are refused', async () => {
  assert.match(await reason(new Uint8Array(3)), /^x: expected at least 8 bytes/)
  assert.match(await reason(writeSafetensors([])), /^x: .*golden|^x: architecture undefined, expected trm/)
  assert.match(
    await reason(await edited('trm-mlp', (_, metadata) => void delete metadata.config)),
    /^x: no "config" in its metadata, expected a golden file of the published code/,
  )
  assert.match(
    await reason(await edited('trm-mlp', (_, metadata) => (metadata.train = '{'))),
    /^x: its metadata entry "train" is not JSON/,
  )
  assert.match(
    await reason(await edited('trm-mlp', (_, metadata) => (metadata.arch = 'gpt'))),
    /^x: architecture "gpt", expected trm, trm_singlez/,
  )
  assert.match(
    await reason(
      await edited('trm-mlp', tensors => {
        for (const name of tensors.keys()) if (name.startsWith('batch.')) tensors.delete(name)
      }),
    ),
    /^x: expected a batch in it, found none/,
  )
})

async function reason(bytes: Uint8Array): Promise<string> {
  return verify(engine, bytes, { file: 'x' }).then(
    () => 'no error',
    error => (error as Error).message,
  )
}

test.run()
