// Checkpoints are saved and loaded bit for bit; damaged and foreign files, and files of another model.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { parseSafetensors, type StoredTensor, toFloat32, writeSafetensors } from '../../../src/formats/safetensors.js'
import {
  loadCheckpoint,
  loadTensors,
  readCheckpointConfig,
  saveCheckpoint,
} from '../../../src/trm/published/checkpoint.js'
import { Trm } from '../../../src/trm/model.js'
import { same } from '../../close.js'
import { openEngine } from '../../engine-under-test.js'
import { golden } from '../../files.js'
import { values } from '../../shapes.js'
import { ATTENTION, BARE, LEARNED, TOKEN_MIXING } from '../samples.js'

const engine = await openEngine()
test.after(() => engine.close())

/** A model whose every value is random, the puzzle embedding too. */
function scrambled(config = ATTENTION, seed = 1): Trm {
  const model = Trm.create(engine, config, { seed })
  for (const [i, name] of model.parameters.names.entries())
    model.parameters.write(name, values(seed + i, model.parameters.get(name).size))
  if (model.puzzleTable) engine.write(model.puzzleTable, values(seed + 99, model.puzzleTable.size))
  return model
}

for (const [name, config] of Object.entries({ ATTENTION, TOKEN_MIXING, LEARNED, BARE })) {
  test(`${name}: saved and loaded bit for bit`, async () => {
    const model = scrambled(config)
    const bytes = await saveCheckpoint(model, { step: '12' })
    const loaded = loadCheckpoint(engine, bytes)
    assert.equal(loaded.config, config)
    same(name, await engine.read(loaded.parameters.flat), await engine.read(model.parameters.flat))
    assert.equal(await saveCheckpoint(loaded, { step: '12' }), bytes)
    assert.is(readCheckpointConfig(bytes).metadata.step, '12')
  })
}

test('names are those of the published code', async () => {
  const names = async (config = ATTENTION) => [
    ...parseSafetensors(await saveCheckpoint(Trm.create(engine, config))).tensors.keys(),
  ]
  const attention = await names()
  for (const name of [
    'inner.H_init',
    'inner.L_init',
    'inner.embed_tokens.embedding_weight',
    'inner.lm_head.weight',
    'inner.q_head.weight',
    'inner.q_head.bias',
    'inner.puzzle_emb.weights',
    'inner.L_level.layers.1.self_attn.qkv_proj.weight',
    'inner.L_level.layers.0.self_attn.o_proj.weight',
    'inner.L_level.layers.0.mlp.gate_up_proj.weight',
  ]) {
    assert.ok(attention.includes(name), name)
  }
  assert.ok((await names(TOKEN_MIXING)).includes('inner.L_level.layers.0.mlp_t.down_proj.weight'))
  assert.ok((await names(LEARNED)).includes('inner.embed_pos.embedding_weight'))
  assert.not.ok((await names(BARE)).includes('inner.puzzle_emb.weights'))
})

/** A checkpoint after a change. */
async function edited(
  change: (tensors: Map<string, StoredTensor>, metadata: Record<string, string>) => void,
): Promise<Uint8Array> {
  const { tensors, metadata } = parseSafetensors(await saveCheckpoint(scrambled()))
  change(tensors, metadata)
  return writeSafetensors(tensors, metadata)
}

test('a tensor that is missing or has another shape is named', async () => {
  const name = 'inner.L_level.layers.0.mlp.down_proj.weight'
  const missing = await edited(tensors => tensors.delete(name))
  assert.throws(
    () => loadCheckpoint(engine, missing, 'a.safetensors'),
    ({ message }: Error) =>
      message === `a.safetensors: tensor "${name}" is missing, the configuration asks for it with shape [16,256]`,
  )
  const misshaped = await edited(tensors =>
    tensors.set(name, { ...tensors.get(name)!, shape: [256, 16] } as StoredTensor),
  )
  assert.throws(
    () => loadCheckpoint(engine, misshaped, 'a.safetensors'),
    ({ message }: Error) =>
      message === `a.safetensors: tensor "${name}" has shape [256,16], the configuration asks for [16,256]`,
  )
})

test('nothing is overwritten by a file that does not fit', async () => {
  const model = scrambled(ATTENTION, 3)
  const before = await saveCheckpoint(model)
  const bytes = await edited(tensors => tensors.delete('inner.puzzle_emb.weights'))
  assert.throws(
    () => loadTensors(model, parseSafetensors(bytes).tensors, 'x'),
    /^x: tensor "inner.puzzle_emb.weights" is missing/,
  )
  assert.equal(await saveCheckpoint(model), before)
})

test('float16 and bfloat16 are widened', async () => {
  const bytes = await edited(tensors => {
    const { shape, data } = tensors.get('inner.H_init')!
    tensors.set('inner.H_init', {
      dtype: 'BF16',
      shape,
      data: Uint16Array.from(data as Float32Array, (_, i) => 0x3f80 + i),
    })
  })
  const start = await engine.read(loadCheckpoint(engine, bytes).starts.y)
  assert.equal([...start.subarray(0, 3)], [1, 1 + 2 ** -7, 1 + 2 ** -6])
})

test('files from elsewhere', async () => {
  const foreign = writeSafetensors([['weight', { dtype: 'F32', shape: [1], data: new Float32Array(1) }]])
  assert.throws(() => loadCheckpoint(engine, foreign, 'b'), /^b: no "config" in its metadata, expected a checkpoint/)
  assert.throws(
    () => loadCheckpoint(engine, new TextEncoder().encode('PK\u0003\u0004 a zip file of other things'), 'b'),
    /^b: /,
  )
  const cut = (await saveCheckpoint(scrambled())).subarray(0, 20_000)
  assert.throws(() => loadCheckpoint(engine, cut, 'b'), /^b: .*truncated/)
})

test('damaged configurations', async () => {
  const withConfig = (config: string) => edited((_, metadata) => (metadata.config = config))
  const cases: [string, RegExp][] = [
    ['{"hidden_size": 16', /^c: its metadata entry "config" is not JSON/],
    ['{"hidden_size": 16, "colour": 3}', /unknown field "colour", expected one of vocab_size/],
    ['{"hidden_size": 16}', /vocab_size is undefined/],
    ['{"vocab_size": "5", "seq_len": 9, "num_puzzle_identifiers": 4}', /vocab_size is "5", expected a whole number/],
  ]
  for (const [config, message] of cases) {
    const bytes = await withConfig(config)
    assert.throws(() => loadCheckpoint(engine, bytes, 'c'), message)
  }
  for (const config of ['null', '[]', '3', '"text"']) {
    const bytes = await withConfig(config)
    assert.throws(() => loadCheckpoint(engine, bytes, 'c'), /config/, config)
  }
})

for (const name of ['trm-mlp', 'hrm']) {
  test(`the golden ${name} is read as the model after its last training step`, async () => {
    const bytes = await golden(name)
    const loaded = loadCheckpoint(engine, bytes, name)
    const { tensors } = parseSafetensors(bytes)
    const saved = parseSafetensors(await saveCheckpoint(loaded)).tensors
    assert.ok(saved.size > 10)
    for (const [tensor, { data }] of saved) assert.equal(data, toFloat32(tensors.get(`final.${tensor}`)!), tensor)
  })
}

test.run()
