// Fields of a configuration: fields of forks, booleans, types and ranges, and fields that do not fit each other.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { pattern } from '../pattern.js'
import { fileOf, refusal, run } from './composed.js'

test('fields of forks: left out with a word where they are off, refused where they are on', async () => {
  for (const off of ['0', '0.0', 'null', 'False', 'none', '[]', '{}', 'off', '""']) {
    const { notes } = await run(
      fileOf(`arch:\n  puzzle_emb_dropout: ${off}\n  loss: {q_weight: ${off}}\nwandb: ${off}\n`),
    )
    assert.match(
      notes.join('\n'),
      pattern(
        /^fields of another program, left out as they are off/,
        /: wandb \(.*\), arch\.puzzle_emb_dropout \(.*\), arch\.loss\.q_weight \(.*\)$/,
      ),
    )
  }
  for (const on of ['0.1', 'True', '[1]', 'gelu', '{a: 1}', '-1', '"0.1"']) {
    assert.match(
      await refusal(fileOf(`arch: {puzzle_emb_dropout: ${on}}\n`)),
      /^1 config: unknown field "puzzle_emb_dropout", expected one of .*hidden_size.* only those that are off/,
      on,
    )
    assert.match(await refusal(fileOf(`wandb: ${on}\n`)), /^1 config: unknown field "wandb", expected one of .*lr/, on)
    assert.match(await refusal(fileOf(`arch: {loss: {q_weight: ${on}}}\n`)), /^1 config: unknown field "q_weight"/, on)
  }
  // Fields whose value "off" would change the training may be left out only at the value of the published code.
  assert.match(await refusal(fileOf('arch: {act_enabled: False}\n')), /act_enabled/)
  assert.match(await refusal(fileOf('gradient_accumulation_steps: 4\n')), /gradient_accumulation_steps/)
  await run(
    fileOf(
      'arch: {act_enabled: True, grad_cycle_prob: 1.0}\ngradient_accumulation_steps: 1\n' +
        'supervision_curriculum: False\ncurriculum_min_depth: 2\n',
    ),
  )
  assert.match(await refusal(fileOf('grad_clip_norm: 1.0\n')), /write gradient_clip=… instead/)
  // On the command line an unknown field is an error, unless it has a plus or the file has it too.
  assert.match(await refusal(undefined, 'arch.mlpt=False'), /unknown field "mlpt"/)
  assert.match((await run(undefined, '+arch.mlpt=False')).notes.join(), /arch\.mlpt \(false\)/)
  assert.match((await run(fileOf('arch: {dropout: 0.1}\n'), 'arch.dropout=0')).notes.join(), /arch\.dropout \(0\)/)
})

test('booleans as YAML 1.1 and pydantic read them: never on by mistake', async () => {
  for (const no of ['no', 'No', 'off', 'False', 'false', '"no"', '"False"', '0', 'n', 'f'])
    assert.is((await run(fileOf(`arch: {mlp_t: ${no}}\n`))).config.tokenMixing, false, no)
  for (const yes of ['yes', 'on', 'True', '"true"', '1', 'y', 't'])
    assert.is((await run(fileOf(`arch: {mlp_t: ${yes}}\n`))).config.tokenMixing, true, yes)
  for (const no of ['no', 'off', '0', 'FALSE', '"no"'])
    assert.is((await run(undefined, `arch.mlp_t=${no}`)).config.tokenMixing, false, no)
  for (const no of ['no', 'off', '0']) assert.is((await run(undefined, `ema=${no}`)).options.emaRate, 0, no)
  for (const other of ['maybe', 'null', '[]', '2', '0.5', '"yes please"', '{}'])
    assert.match(
      await refusal(fileOf(`arch: {mlp_t: ${other}}\n`)),
      /^1 config: arch\.mlp_t is .*, expected true or false$/,
      other,
    )
  assert.equal(
    [
      (await run(undefined, 'lr="1e-3"')).options.learningRate,
      (await run(fileOf('global_batch_size: "08"\n'))).options.batchSize,
    ],
    [1e-3, 8],
  )
})

test('every field is checked for type and range, by the name that was written, whether it counts or not', async () => {
  const wrong: Record<string, string[]> = {
    whole: ['16.5', 'abc', '[1]', '{}', 'null', '-1', 'true', '""', '1e400', '.nan'],
    number: ['abc', '[1]', 'null', '-1', 'true', '.nan', '.inf'],
    flag: ['maybe', 'null', '[]', '2'],
  }
  const fields: Record<string, string[]> = {
    whole: [
      'arch.hidden_size',
      'arch.num_heads',
      'arch.L_layers',
      'arch.H_cycles',
      'arch.L_cycles',
      'arch.halt_max_steps',
      'arch.puzzle_emb_ndim',
      'arch.puzzle_emb_len',
      'global_batch_size',
      'epochs',
      'lr_warmup_steps',
      'seed',
      'log_interval',
    ],
    number: [
      'arch.expansion',
      'arch.halt_exploration_prob',
      'arch.rms_norm_eps',
      'arch.rope_theta',
      'lr',
      'lr_min_ratio',
      'beta1',
      'beta2',
      'weight_decay',
      'puzzle_emb_lr',
      'puzzle_emb_weight_decay',
      'ema_rate',
      'gradient_clip',
    ],
    flag: ['arch.mlp_t', 'ema', 'freeze_weights', 'recompute'],
  }
  for (const [kind, names] of Object.entries(fields)) {
    for (const name of names)
      for (const value of wrong[kind]) {
        const text = name.split('.').reduceRight((inner, part) => `{${part}: ${inner}}`, value)
        assert.match(
          await refusal(fileOf(`${text}\n`)),
          new RegExp(`^1 config: ${name.replace('.', '\\.')} is .+, expected `),
          `${name}: ${value}`,
        )
      }
  }
  for (const name of ['steps', 'micro_batch', 'eval_interval', 'checkpoint_interval'])
    for (const value of ['0', '1.5', 'abc', '[]'])
      assert.match(
        await refusal(fileOf(`${name}: ${value}\n`)),
        new RegExp(`^1 config: ${name} is .*, expected a whole number`),
      )
  for (const pair of [
    'optimizer=sgd',
    'arch.forward_dtype=int8',
    'arch.pos_encodings=sine',
    'arch.loss.loss_type=mse',
    'load_checkpoint=3',
    'memory_limit=big',
    'depth_curriculum=fast',
    'arch.loss=3',
  ]) {
    const field = pair.startsWith('arch.loss=') ? 'arch.loss.loss_type' : pair.split('=')[0]
    assert.match(await refusal(undefined, pair), new RegExp(`^1 config: ${field.replaceAll('.', '\\.')} is `), pair)
  }
})

test('fields that do not fit each other, or the data', async () => {
  assert.match(
    await refusal(undefined, 'arch.puzzle_emb_ndim=999'),
    pattern(
      /^1 config: a puzzle embedding of width 999 does not fit a prefix of 1 × 64 values/,
      / — raise arch\.puzzle_emb_len or set it to 0$/,
    ),
  )
  assert.match(
    await refusal(undefined, 'arch.mlp_t=no', 'arch.pos_encodings=rope', 'arch.num_heads=12'),
    /^1 config: arch\.num_heads is 12, 64 hidden values do not divide into heads of an even width$/,
  )
  assert.match(await refusal(undefined, 'arch.name=hrm'), /^1 config: arch\.H_layers is 0, hrm needs at least 1$/)
  assert.match(
    await refusal(undefined, 'arch.name=trm_hier6', 'arch.L_cycles=7'),
    /^1 config: arch\.L_cycles is 7, hier6 has 6 latents/,
  )
  assert.match(
    await refusal(undefined, 'arch.seq_len=81'),
    /^1 config: arch\.seq_len is 81, expected what the data says, 16 — leave it out$/,
  )
  assert.match(
    await refusal(undefined, 'freeze_weights=True', 'arch.puzzle_emb_ndim=0', 'arch.puzzle_emb_len=0'),
    /^1 config: freeze_weights leaves nothing to train/,
  )
  assert.match(
    await refusal(undefined, 'depth_curriculum=[[0.6,1,1],[0.3,1,2]]'),
    /end at 0\.6, 0\.3 of the steps, expected rising shares/,
  )
  assert.match(
    await refusal(undefined, 'depth_curriculum=[[0.6,1,5000]]'),
    /^1 config: depth_curriculum: L_cycles is 5000/,
  )
  assert.match(
    await refusal(undefined, 'depth_curriculum=[[0.6,2,2]]', 'arch=transformers_baseline'),
    /this architecture has one depth, 1 × 1/,
  )
  assert.match(
    await refusal(undefined, 'arch.no_ACT_continue=False'),
    /^1 config: arch\.no_ACT_continue is false, expected true$/,
  )
  assert.match(
    (await run(undefined, 'arch=hrm', 'arch.puzzle_emb_len=16')).notes.join('\n'),
    /fields without effect in this architecture: arch\.puzzle_emb_len \(16\)/,
  )
})

test.run()
