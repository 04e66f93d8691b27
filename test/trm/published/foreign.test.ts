// Checkpoints of other codes: training states, several models in one file, nano-trm's names, and refused files.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { parseSafetensors, type StoredTensor, toFloat32, writeSafetensors } from '../../../src/formats/safetensors.js'
import { writeTorch } from '../../../src/formats/torch-write.js'
import { type CheckpointOptions, readCheckpoint } from '../../../src/trm/published/checkpoint.js'
import { readTorch } from '../../../src/trm/published/foreign.js'
import { configFromOfficial, officialTensor } from '../../../src/trm/published/names.js'
import { parameterShapes } from '../../../src/trm/model.js'
import { golden } from '../../files.js'
import { mutations } from '../../mutations.js'
import { type Content, Raw, string, torchFile } from '../../torch-files.js'

type Tensors = Map<string, StoredTensor>

/** A model of the published code by official names, its configuration, and another model of the same shapes. */
async function models(name = 'trm-mlp') {
  const { tensors, metadata } = parseSafetensors(await golden(name))
  const of = (part: string): Tensors =>
    new Map(
      [...tensors].filter(([key]) => key.startsWith(part)).map(([key, stored]) => [key.slice(part.length), stored]),
    )
  const fields = JSON.parse(metadata.config) as Record<string, unknown>
  return { model: of('init.'), other: of('final.'), average: of('ema.'), fields, config: configFromOfficial(fields) }
}
const { model, other, average, config, fields } = await models()
const under = (prefix: string, tensors: Tensors): Tensors =>
  new Map([...tensors].map(([name, stored]) => [prefix + name, stored]))
const counter: StoredTensor = { dtype: 'I64', shape: [], data: BigInt64Array.of(7n) }
const generator: StoredTensor = { dtype: 'U8', shape: [16], data: new Uint8Array(16) }
/** What torch.optim keeps: moments under numbers. */
const optimizer: Content = {
  state: new Map([[0, { step: counter, exp_avg: model.get('inner.lm_head.weight')! }]]),
  param_groups: [{ lr: 1, params: [0] }],
}

const read = (bytes: Uint8Array, options: CheckpointOptions = {}) =>
  readCheckpoint(bytes, 'f', { config, readTorch, ...options }).tensors
const same = (actual: ReadonlyMap<string, StoredTensor>, expected: Tensors) => {
  assert.equal([...actual.keys()].sort(), [...expected.keys()].sort())
  for (const [name, stored] of expected) assert.equal(toFloat32(actual.get(name)!), toFloat32(stored), name)
}
const refuses = (bytes: Uint8Array, pattern: RegExp, options: CheckpointOptions = {}) =>
  assert.throws(
    () => read(bytes, options),
    (error: Error) => {
      assert.match(error.message, pattern)
      return error.message.startsWith('f: ') && !/\n/.test(error.message)
    },
  )

/** Objects as training states hold them. */
const global = (module: string, name: string, args = ')') => new Raw(`c${module}\n${name}\n${args}R`)
const OBJECTS: Record<string, Content> = {
  namespace: new Raw(`cargparse\nNamespace\n)\x81}(${string('lr')}K\x01ub`),
  numpy_rng: [
    'MT19937',
    new Raw(
      `cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\nK\0\x85${string('b')}tR` +
        `(K\x01K\x02\x85cnumpy\ndtype\n(${string('u4')}K\0K\x01tR\x89${string('xx')}tb`,
    ),
    624,
  ],
  // Its state has 17 bytes.
  generator: new Raw(
    `cnumpy.random._pickle\n__generator_ctor\n(${string('PCG64')}tR}` +
      `(${string('state')}\x8a\x11${'\xff'.repeat(16)}\0ub`,
  ),
  partial: new Raw(`cfunctools\npartial\nc__builtin__\nmax\n\x85R(c__builtin__\nmax\n(K\x03t}Ntb`),
  omegaconf: new Raw(`comegaconf.dictconfig\nDictConfig\n)\x81}(${string('_content')}}(${string('lr')}K\x01uub`),
  date: global('datetime', 'datetime', `(${string('2025')}t`),
  path: global('pathlib', 'PosixPath', `(${string('runs')}t`),
  device: global('torch', 'device', `(${string('cpu')}t`),
  dtype: new Raw('ctorch\nbfloat16\n'),
  size: global('torch', 'Size', '(K\x02K\x03t\x85'),
  defaults: new Raw(`ccollections\ndefaultdict\nc__builtin__\nlist\n\x85R(${string('a')}]u`),
  set: global('__builtin__', 'set', '](K\x01e\x85'),
  own: new Raw(`c__main__\nPretrainConfig\n)\x81}(${string('lr')}K\x01ub`),
  half: new Raw(
    'ctorch._utils\n_rebuild_tensor_v2\n((' +
      string('storage') +
      'ctorch\nComplexFloatStorage\n' +
      string('99') +
      string('cpu') +
      'K\x01tQK\0(K\x01t(K\x01t\x89}tR',
  ),
}

test('the only model of a training state is found beside anything else', () => {
  for (const prefix of ['', 'model.', '_orig_mod.model.', 'module._orig_mod.model.']) {
    for (const key of ['model', 'model_state_dict', 'state_dict', 'train_state']) {
      same(
        read(
          torchFile({
            step: 5,
            [key]: under(prefix, model),
            optimizer_states: [optimizer],
            rng_state: generator,
            loss: counter,
            ...OBJECTS,
          }),
        ),
        model,
      )
    }
  }
  same(read(torchFile([under('model.', model), optimizer, 3])), model)
  const compiled = new Map(
    [...model].map(([name, stored]) => [name.replace(/^inner\.|layers\.\d+\./g, '$&_orig_mod.'), stored]),
  )
  same(read(writeTorch(under('_orig_mod.model.', compiled))), model)
  // It is hardly a model, but the message tells what was found.
  const scrap = torchFile({
    model_state_dict: under('_orig_mod.model.', new Map([...model].slice(0, 2))),
    rng_state: generator,
  })
  refuses(scrap, /^f: tensor "inner\.\w+\.?\w*" is missing/)
  assert.is(readTorch(scrap, 'f').note, 'f: the model "model_state_dict"')
  same(read(torchFile({ outer: { deep: [{ net: model }] }, step: counter })), model)
})

test('several models need a key; the message lists all, without optimisers', () => {
  const state = torchFile({
    model: under('_orig_mod.model.', model),
    ema_shadow: under('_orig_mod.model.', average),
    best: { net: under('module.', other) },
    optimizer,
    exp_avg: model,
    rng_state: generator,
  })
  const size = (tensors: Tensors) => `${tensors.size} tensors, [\\d,]+ values`
  refuses(
    state,
    new RegExp(
      `^f: it holds 3 models: "model" \\(${size(model)}\\), "ema_shadow" \\(${size(average)}\\), ` +
        `"best/net" \\(${size(other)}\\) — choose one: on the command line --key model, in code the option key$`,
    ),
  )
  same(read(state, { key: 'model' }), model)
  same(read(state, { key: 'best/net' }), other)
  same(read(state, { key: 'net' }), other)
  refuses(state, /it holds 3 models, none of them is "\\u001b\[31m": "model"/, { key: '\x1b[31m' })
  // The models differ in what the moving average leaves out.
  refuses(
    state,
    new RegExp(
      '^f: the model has no "inner.puzzle_emb.weights", as moving averages have none, ' +
        'and the other models have different ones',
    ),
    { key: 'ema_shadow' },
  )
})

test('a moving average takes what is not trained from the other model, and the note says so', () => {
  const state = torchFile({ model: under('model.', model), ema_shadow: average })
  const buffers = [...model].filter(([name]) => /_init$|puzzle_emb/.test(name))
  same(read(state, { key: 'ema_shadow' }), new Map([...average, ...buffers]))
  assert.match(
    readTorch(state, 'f', 'ema_shadow').note,
    new RegExp(
      '^f: the model "ema_shadow" of "model", "ema_shadow", ' +
        'with inner.H_init, inner.L_init, inner.puzzle_emb.weights of another, as it has none$',
    ),
  )
})

test('prefixes in one dict: Lightning, safetensors with and without a configuration', () => {
  const both = new Map([
    ...under('model.', model),
    ...under('ema_model.module.', other),
    ['ema_model.decay', counter],
  ] as [string, StoredTensor][])
  const files = [
    torchFile({ state_dict: both, epoch: 3 }),
    writeSafetensors(new Map([...both].reverse())),
    writeSafetensors(both, { config: JSON.stringify(fields) }),
  ]
  for (const file of files) {
    refuses(file, /^f: it holds 2 models: .*"ema_model"/)
    assert.throws(
      () => readCheckpoint(file, 'f', { config }),
      new RegExp(
        '^f: a file of (several models|torch.save|a model without a configuration), ' +
          'expected a checkpoint .* the option readTorch',
      ),
    )
    same(read(file, { key: 'model' }), model)
    same(read(file, { key: 'ema_model' }), other)
  }
  // The moments of an optimiser are no second model.
  same(read(writeSafetensors([...under('model.', model), ...under('optimizer.exp_avg.', other)])), model)
  refuses(writeTorch(model), /it holds one model, none of them is "ema"/, { key: 'ema' })
  // Other weights in the dict of the model may belong to it.
  refuses(
    torchFile({
      net: new Map([...under('model.', model), ['halting.weight', model.get('inner.lm_head.weight')!]]),
      step: counter,
    }),
    /"halting.weight" is none of a Tiny Recursive Model's/,
  )
})

test('the moving average of a training state of this project', () => {
  const own = Object.keys(parameterShapes(config)).map(
    name => [`training.average.${name}`, average.get(officialTensor(name))!] as [string, StoredTensor],
  )
  const file = writeSafetensors([...model, ...own], { config: JSON.stringify(fields), training: '{}' })
  same(read(file), model)
  same(read(file, { key: 'average' }), new Map([...model, ...average]))
  assert.not.ok('training' in readTorch(file, 'f', 'average').metadata)
})

/** The names of nano-trm. */
const NANO: [RegExp, string][] = [
  [/^inner\.embed_tokens\.embedding_weight$/, 'input_embedding.embedding_weight'],
  [/^inner\.L_level\./, 'lenet.'],
  [/^inner\.(H|L)_init$/, 'z_$1_init'],
  [/^inner\./, ''],
]
const nano = (tensors: Tensors): Tensors =>
  new Map(
    [...tensors].map(([name, stored]) => [
      NANO.reduce((left, [from, to]) => (left === name ? left.replace(from, to) : left), name),
      stored,
    ]),
  )

test('nano-trm: its names and settings become the published ones', async () => {
  for (const golden of ['trm-mlp', 'trm-att-rope']) {
    const { model, config, fields } = await models(golden)
    const renamed = nano(model)
    // One output for halting; rows of the batch, which only training needs.
    const [weight, bias] = ['q_head.weight', 'q_head.bias'].map(name => renamed.get(name)!)
    renamed.set('q_head.weight', {
      dtype: 'F32',
      shape: [1, config.hidden],
      data: toFloat32(weight).slice(0, config.hidden),
    })
    renamed.set('q_head.bias', { dtype: 'F32', shape: [1], data: toFloat32(bias).slice(0, 1) })
    renamed.set('puzzle_emb.local_weights', weight)
    renamed.set('puzzle_emb.local_ids', generator)
    const settings = {
      hidden_size: config.hidden,
      num_heads: config.heads,
      ffn_expansion: config.expansion,
      H_cycles: config.cycles,
      L_cycles: config.latentSteps,
      N_supervision: config.supervisionSteps,
      seq_len: config.cells,
      puzzle_emb_len: fields.puzzle_emb_len as number,
      rope_theta: config.ropeTheta,
      pos_emb_type: config.positions === 'rope' ? '1d' : null,
      use_conv_swiglu: false,
    }
    const file = (more: Content = {}, tensors = renamed) =>
      torchFile({
        'pytorch-lightning_version': '2.5',
        state_dict: tensors,
        optimizer_states: [optimizer],
        hyper_parameters: { ...settings, ...(more as object) },
      })
    const checkpoint = readCheckpoint(file(), 'f', { readTorch })
    assert.equal(checkpoint.config, { ...config, exploration: checkpoint.config.exploration })
    for (const [name, stored] of model) {
      const values = toFloat32(checkpoint.tensors.get(name)!)
      if (name.startsWith('inner.q_head'))
        assert.equal(
          [...values],
          [...toFloat32(stored).slice(0, values.length / 2), ...new Array(values.length / 2).fill(0)],
          name,
        )
      else assert.equal(values, toFloat32(stored), name)
    }
    const refused = (bytes: Uint8Array, pattern: RegExp) =>
      assert.throws(() => readCheckpoint(bytes, 'f', { readTorch }), pattern)
    refused(
      file({ pos_emb_type: '2d' }),
      /^f: nano-trm's pos_emb_type is "2d", a network with it cannot be computed here/,
    )
    refused(
      file({}, new Map([...renamed, ['lenet.layers.0.mlp.dwconv.weight', weight]])),
      /nano-trm's use_conv_swiglu is /,
    )
    refused(
      file({}, new Map([...renamed, ['value_head.weight', weight]])),
      /tensor "value_head.weight" is none of a Tiny Recursive Model's/,
    )
  }
})

test('300 mutations of a training state with two models: a clear error, or one of the models', async () => {
  const tiny = (scale: number): Tensors =>
    new Map(
      ['inner.H_init', 'inner.lm_head.weight'].map(name => [
        name,
        { dtype: 'F32', shape: [2], data: Float32Array.of(scale, 1) },
      ]),
    )
  const state = torchFile({
    model: tiny(1),
    ema: under('module.', tiny(2)),
    optimizer,
    rng_state: generator,
    ...OBJECTS,
  })
  const read = (bytes: Uint8Array) => {
    for (const { shape, data } of readTorch(bytes, 'f', 'ema').tensors.values())
      assert.is(
        data.length,
        shape.reduce((a, b) => a * b, 1),
      )
  }
  await mutations(state, read, /^f: /, { count: 150, seed: 7 })
  // Without checksums, so that damage reaches the pickle.
  const unchecked = state.slice()
  const view = new DataView(unchecked.buffer)
  for (let at = 0; at + 20 < unchecked.length; at++)
    if (view.getUint32(at, true) === 0x02014b50) view.setUint32(at + 16, 0, true)
  await mutations(unchecked, read, /^f: /, { count: 150, seed: 8, within: unchecked.length - 700 })
})

test.run()
