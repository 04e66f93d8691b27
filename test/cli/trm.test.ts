// The commands of trm from data to answer, and the message and exit code for every mistake.
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { parseSafetensors, writeSafetensors } from '../../src/formats/safetensors.js'
import { start, trm } from './trm.js'
import { pattern } from '../pattern.js'
import { words } from './words.js'

const folder = mkdtempSync(join(tmpdir(), 'trm-cli-'))
test.after(() => rmSync(folder, { recursive: true, force: true }))
const path = (...parts: string[]) => join(folder, ...parts)
const data = path('data')
const checkpoint = path('run', 'model.safetensors')
const tiny = ['--config', 'tiny', '--eval-limit', '8', 'global_batch_size=8', 'log_interval=2']

/** Runs trm, expects it to fail with one line, and returns that line. */
async function refusal(code: number, ...args: string[]): Promise<string> {
  const result = await trm(...args)
  assert.is(result.code, code, `trm ${args.join(' ')}: ${result.stdout}${result.stderr}`)
  const lines = result.stderr.trim().split('\n')
  assert.is(lines.length, 1, result.stderr)
  assert.match(lines[0], /^trm: /)
  return lines[0]
}

test('help for the program and for every command', async () => {
  const { code, stdout } = await trm('--help')
  assert.is(code, 0)
  const commands = [...stdout.matchAll(/^  (\w+) {2,}/gm)].map(([, name]) => name)
  assert.ok(commands.length >= 7)
  for (const name of commands) {
    const help = await trm(name, '--help')
    assert.is(help.code, 0, name)
    assert.match(help.stdout, new RegExp(`trm ${name}`))
  }
})

test('data, train, eval and solve', async () => {
  assert.is((await trm(...words('data generate sudoku --size 4 --train 200 --test 20 --clues 6 --out'), data)).code, 0)
  const trained = await trm('train', '--data', data, '--out', path('run'), ...tiny, '--steps', '4')
  assert.is(trained.code, 0, trained.stderr)
  assert.match(trained.stdout, /step 4\/4 .* steps\/s/)
  assert.match(trained.stdout, /held-out exact accuracy/)
  const [, used, predicted] = /GPU memory: (.* MB) used, (.* MB) predicted/.exec(trained.stdout)!
  assert.is(used, predicted)
  assert.equal(readdirSync(path('run')).sort(), [
    'best.safetensors',
    'config.yaml',
    'metrics.jsonl',
    'model.safetensors',
    'training.safetensors',
  ])
  const rows = readFileSync(path('run', 'metrics.jsonl'), 'utf8')
    .trim()
    .split('\n')
    .map(line => JSON.parse(line))
  assert.equal(
    rows.map(({ step }) => step),
    [2, 4, 4],
  )
  assert.ok(rows[0].loss > 0 && rows[2].evaluation.examples === 8)

  const evaluated = JSON.parse((await trm('eval', '--checkpoint', checkpoint, '--data', data, '--json')).stdout)
  assert.is(evaluated.examples, 20)
  assert.is(evaluated.steps.length, 4)
  assert.ok(evaluated.cellAccuracy > 0 && evaluated.cellAccuracy <= 1)

  const solved = await trm('solve', '--checkpoint', checkpoint, '--json', '12......3.1...4.')
  const lines = solved.stdout
    .trim()
    .split('\n')
    .map(line => JSON.parse(line))
  assert.is(lines.length, 5)
  assert.is(lines[3].answer.length, 16)
  assert.is(solved.code, lines[4].solved ? 0 : 1)
  const { child, finished } = start('solve', '--checkpoint', checkpoint, '-')
  child.stdin!.end('12..\n....\n3.1.\n..4.\n')
  assert.match((await finished).stdout, /step 4: /)

  // Several puzzles, pasted, one of them with more than one solution.
  writeFileSync(
    path('puzzles.txt'),
    '+-----+-----+\n| 1 2 | . . |\n| . . | . . |\n+-----+-----+\n| 3 . | 1 . |\n| . . | 4 . |\n' +
      '+-----+-----+\n\n12..............\n',
  )
  const several = await trm('solve', '--checkpoint', checkpoint, '--json', path('puzzles.txt'))
  assert.equal(
    several.stdout
      .trim()
      .split('\n')
      .map(line => JSON.parse(line).puzzle),
    [1, 1, 1, 1, 1, 2, 2, 2, 2, 2],
  )
  assert.is(several.stderr.trim(), 'trm: puzzle 2 has several solutions, each of which counts as right')
  const contradiction = await trm('solve', '--checkpoint', checkpoint, '12..............\n1...1...........')
  assert.equal([contradiction.code, contradiction.stdout], [1, ''])
  assert.is(
    contradiction.stderr.trim(),
    'trm: solve: puzzle 2 (line 2) contradicts itself' +
      ': 2 times 1 in column 1, at row 1 column 1 and row 2 column 1 — nothing was solved',
  )
})

test('a config file that trm wrote, and official fields, give the same run', async () => {
  const again = await trm(
    'train',
    '--data',
    data,
    '--out',
    path('again'),
    '--config',
    path('run', 'config.yaml'),
    '--eval-limit',
    '8',
  )
  assert.is(again.code, 0, again.stderr)
  assert.equal(readFileSync(path('again', 'model.safetensors')), readFileSync(checkpoint))
})

test('measured kernels are kept for the adapter, and serve the next run', async () => {
  process.env.XDG_CACHE_HOME = path('cache')
  const train = (out: string) =>
    trm('train', '--data', data, '--out', path(out), ...tiny, '--steps', '1', '--variants', 'measured')
  const first = await train('measured')
  assert.is(first.code, 0, first.stderr)
  assert.match(first.stdout, /measured kernels for \d+ operations, kept in .*variants\.json/)
  const choices: Record<string, Record<string, string>> = JSON.parse(
    readFileSync(path('cache', 'webgpu-trm', 'variants.json'), 'utf8'),
  )
  assert.ok(Object.keys(Object.values(choices)[0]).some(key => key.startsWith('matmul ')))
  assert.not.match((await train('measured')).stdout, /measured kernels/)
  delete process.env.XDG_CACHE_HOME
})

test('wrong usage: exit code 2', async () => {
  assert.match(await refusal(2, 'fly'), /unknown command "fly", expected one of .*train/)
  assert.match(await refusal(2, 'train', '--data', data, '--out', path('x'), '--speed', '3'), /unknown option --speed/)
  assert.match(
    await refusal(2, 'train', '--data', data, '--out', path('x'), '--config', 'enormous'),
    /no preset "enormous", expected .*sudoku-mlp/,
  )
  assert.match(await refusal(2, 'train', '--data', data, '--out', path('x'), 'lr'), /expected KEY=VALUE, got "lr"/)
  assert.match(await refusal(2, 'train', '--out', path('x')), /--data/)
  assert.match(
    await refusal(2, 'eval', '--checkpoint', checkpoint, '--data', data, '--split', 'validation'),
    /--split: expected one of test, train/,
  )
  assert.match(await refusal(2, 'verify'), /FILE/)
  assert.not.ok(existsSync(path('x')))
})

test('wrong settings', async () => {
  const train = (...more: string[]) => refusal(1, 'train', '--data', data, '--out', path('x'), ...tiny, ...more)
  assert.match(await train('velocity=3'), /unknown field "velocity", expected one of .*lr/)
  assert.match(await train('arch.velocity=3'), /unknown field "velocity", expected one of .*hidden_size/)
  assert.match(await train('lr=fast'), /lr is "fast", expected a number/)
  assert.match(
    await train('arch.puzzle_emb_ndim=99'),
    /a puzzle embedding of width 99 does not fit a prefix of 1 × 32 values — raise arch\.puzzle_emb_len /,
  )
  assert.match(
    await train('arch.mlp_t=False', 'arch.num_heads=33'),
    /arch\.num_heads is 33, 32 hidden values do not divide into heads/,
  )
  assert.match(await train('arch.pos_encodings=sine'), /arch\.pos_encodings is "sine", expected rope, learned or none/)
  writeFileSync(path('broken.yaml'), 'lr: [1, 2')
  assert.match(
    await refusal(1, 'train', '--data', data, '--out', path('x'), '--config', path('broken.yaml')),
    /config .*broken\.yaml: .* expected YAML/,
  )
  assert.match(
    await refusal(1, 'train', '--data', data, '--out', path('x'), '--config', path('absent.yaml')),
    /absent\.yaml: no such file/,
  )
  assert.not.ok(existsSync(path('x')))
})

test('missing, torn and foreign files', async () => {
  assert.match(
    await refusal(1, 'eval', '--checkpoint', path('none.safetensors'), '--data', data),
    /none\.safetensors: no such file or directory/,
  )
  const bytes = readFileSync(checkpoint)
  writeFileSync(path('torn.safetensors'), bytes.subarray(0, bytes.length - 100))
  assert.match(await refusal(1, 'eval', '--checkpoint', path('torn.safetensors'), '--data', data), /torn\.safetensors/)
  writeFileSync(
    path('foreign.safetensors'),
    writeSafetensors(new Map([['weight', { dtype: 'F32', shape: [1], data: new Float32Array(1) }]])),
  )
  assert.match(
    await refusal(1, 'eval', '--checkpoint', path('foreign.safetensors'), '--data', data),
    /foreign\.safetensors: no "config" in its metadata/,
  )
  assert.match(await refusal(1, 'verify', checkpoint), /expected a golden file/)
  assert.match(
    await refusal(1, 'train', '--data', path('nowhere'), '--out', path('x'), ...tiny),
    /nowhere.*no such file/,
  )
  mkdirSync(path('halved'))
  for (const file of readdirSync(data, { recursive: true }).map(String)) {
    if (!file.includes('.')) mkdirSync(path('halved', file))
    else
      writeFileSync(
        path('halved', file),
        readFileSync(join(data, file)).subarray(0, file.endsWith('inputs.npy') ? 500 : undefined),
      )
  }
  assert.match(await refusal(1, 'train', '--data', path('halved'), '--out', path('x'), ...tiny), /all__inputs\.npy/)
})

test('data and checkpoint that do not fit, token ids out of range, a puzzle of another size', async () => {
  const other = path('six')
  await trm('data', 'generate', 'sudoku', '--size', '6', '--train', '20', '--test', '5', '--out', other)
  assert.match(
    await refusal(1, 'eval', '--checkpoint', checkpoint, '--data', other),
    /data and model do not fit: the data has 36 cells per puzzle, the model 16/,
  )
  assert.match(await refusal(1, 'solve', '--checkpoint', checkpoint, '1'.repeat(36)), /36 cells, the model takes 16/)
  assert.match(await refusal(1, 'solve', '--checkpoint', checkpoint, 'abcdefghijklmnop'), /expected|digit/)
  mkdirSync(path('range'))
  for (const file of readdirSync(data, { recursive: true }).map(String)) {
    if (!file.includes('.')) mkdirSync(path('range', file))
    else {
      const copy = Uint8Array.from(readFileSync(join(data, file)))
      if (file.endsWith('inputs.npy') || file.endsWith('labels.npy')) copy[copy.length - 1] = 77
      writeFileSync(path('range', file), copy)
    }
  }
  assert.match(await refusal(1, 'train', '--data', path('range'), '--out', path('x'), ...tiny), /77/)
})

test('a batch too large for the adapter, an output that cannot be written, an adapter that is not there', async () => {
  assert.match(
    await refusal(
      1,
      'train',
      '--data',
      data,
      '--out',
      path('huge'),
      ...words(
        '--config tiny global_batch_size=100000 micro_batch=100000 arch.hidden_size=512 ' +
          'arch.puzzle_emb_ndim=0 arch.puzzle_emb_len=0 arch.expansion=16',
      ),
    ),
    /^trm: train: .* needed with micro_batch 100000, this adapter binds .* at most — use micro_batch \d+/,
  )
  assert.match(
    await refusal(1, 'train', '--data', data, '--out', path('huge'), ...tiny, '--memory-limit', '1MB'),
    /^trm: train: .* MB needed with micro_batch 1, the limit is 1.0 MB — use a smaller model$/,
  )
  assert.match(
    await refusal(1, 'train', '--data', data, '--out', path('huge'), ...tiny, 'memory_limit=much'),
    /memory_limit is "much", expected bytes as in 2000000000, 500MB or 2GB/,
  )
  writeFileSync(path('file'), '')
  assert.match(await refusal(1, 'train', '--data', data, '--out', path('file'), ...tiny), /cannot write to .*file/)
  assert.match(
    await refusal(1, 'eval', '--checkpoint', checkpoint, '--data', data, '--adapter', 'hardware'),
    /adapter 'hardware' was asked for/,
  )
})

test('verify: JSON for a golden, exit code 1 for a changed one', async () => {
  const golden = join('test', 'goldens', 'trm-mlp.safetensors')
  const right = await trm('verify', '--json', golden)
  const result = JSON.parse(right.stdout)
  assert.is(right.code, 0)
  const shown = await trm('verify', join('test', 'goldens', 'trm-singlez.safetensors'))
  assert.match(
    shown.stdout,
    pattern(
      /\n  compared: eval \d+, grad 13, train \d+, final \d+, ema 12/,
      /; the file holds no adam_m, adam_v\n  \d+ quantities, 0 over what is allowed: ok\n/,
    ),
  )
  assert.ok(
    result.ok &&
      result.adapter &&
      result.rows.length > 100 &&
      result.rows.every((row: { error: number; allowed: number }) => row.error <= row.allowed),
  )
  const { tensors, metadata } = parseSafetensors(new Uint8Array(readFileSync(golden)))
  ;(tensors.get('grad.inner.lm_head.weight')!.data as Float32Array)[0] += 1
  writeFileSync(path('changed.safetensors'), writeSafetensors(tensors, metadata))
  const wrong = await trm('verify', '--json', path('changed.safetensors'))
  assert.is(wrong.code, 1)
  assert.equal(
    JSON.parse(wrong.stdout)
      .rows.filter((row: { error: number; allowed: number }) => !(row.error <= row.allowed))
      .map((row: { name: string }) => row.name),
    ['grad.inner.lm_head.weight'],
  )
})

test('Ctrl-C ends the training with a whole checkpoint', async () => {
  const { child, finished } = start(
    'train',
    '--data',
    data,
    '--out',
    path('interrupted'),
    ...words('--config tiny --steps 100000 global_batch_size=8 log_interval=1'),
  )
  await new Promise<void>(resolve => child.stdout!.on('data', (text: string) => /step \d+\//.test(text) && resolve()))
  child.kill('SIGINT')
  const { code, stdout } = await finished
  assert.is(code, 130, stdout)
  assert.match(stdout, /stopped at step \d+; checkpoint/)
  assert.is((await trm('eval', '--checkpoint', path('interrupted', 'model.safetensors'), '--data', data)).code, 0)
  assert.equal(readdirSync(path('interrupted')).sort(), [
    'config.yaml',
    'metrics.jsonl',
    'model.safetensors',
    'training.safetensors',
  ])
})

test('doctor tells the adapter', async () => {
  const { code, stdout } = await trm('doctor')
  assert.is(code, 0)
  assert.match(stdout, /adapter/i)
})

test.run()
