// npm run results: from a run directory to a result's folder and its line in the table.
import { spawnSync } from 'node:child_process'
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { trm } from './cli/trm.js'
import { words } from './cli/words.js'

const folder = mkdtempSync(join(tmpdir(), 'trm-results-'))
test.after(() => rmSync(folder, { recursive: true, force: true }))
const [data, run, out] = ['data', 'four', 'results'].map(name => join(folder, name))
const read = (...parts: string[]) => readFileSync(join(out, ...parts), 'utf8')
const results = (...args: string[]) =>
  spawnSync(process.execPath, [join('scripts', 'results.js'), ...args, '--out', out], { encoding: 'utf8' })

test('a result: config, thinned metrics, curve, and a table that keeps what is written around it', async () => {
  const made = 'sudoku --size 4 --train 60 --test 8 --clues 6'
  await trm('data', 'generate', ...made.split(' '), '--out', data)
  const trained = await trm(
    'train',
    '--data',
    data,
    '--out',
    run,
    ...words('--config tiny --steps 6 global_batch_size=8 log_interval=2 eval_interval=4'),
  )
  assert.is(trained.code, 0, trained.stderr)
  // Many rows before; every fifth of them is kept.
  const metrics = join(run, 'metrics.jsonl')
  const rows = readFileSync(metrics, 'utf8')
  const row = JSON.parse(rows.split('\n')[0]) as object
  writeFileSync(
    metrics,
    Array.from({ length: 900 }, (_, i) => `${JSON.stringify({ ...row, step: i / 1000 })}\n`).join('') + rows,
  )

  const { status, stderr } = results(run, '--data', made, '--title', 'Sudoku 4×4')
  assert.is(status, 0, stderr)
  const kept = read('four', 'metrics.jsonl')
    .trim()
    .split('\n')
    .map(line => JSON.parse(line) as { step: number; evaluation?: { exactAccuracy: number; examples: number } })
  assert.ok(kept.length <= 202 && kept.length > 150)
  assert.equal(
    kept.filter(row => row.evaluation).map(row => row.step),
    [4, 6],
  )
  assert.is(kept.at(-2)!.step, 6)
  const { exactAccuracy } = kept.at(-1)!.evaluation!
  const result = JSON.parse(read('four', 'result.json')) as Record<string, unknown>
  assert.equal(
    [result.steps, result.batch, result.seed, result.examples, result.exactAccuracy],
    [6, 8, 0, 8, exactAccuracy],
  )
  assert.ok((result.seconds as number) > 0 && (result.processorSeconds as number) > 0)
  assert.is(read('four', 'config.yaml'), readFileSync(join(run, 'config.yaml'), 'utf8'))
  const svg = read('four', 'curve.svg')
  assert.match(svg, /^<svg.*<\/svg>$/s)
  for (const text of ['Sudoku 4×4', 'held-out puzzles', 'exact accuracy, %', 'lm_loss', 'optimiser step'])
    assert.ok(svg.includes(text), text)
  assert.ok(!/NaN|undefined/.test(svg))
  assert.match(
    read('README.md'),
    new RegExp(
      '\\| \\[Sudoku 4×4\\]\\(four/curve\\.svg\\) \\|.* 6 × 8 \\|.*' +
        `\\*\\*${(100 * exactAccuracy).toFixed(1)} %\\*\\* of 8`,
    ),
  )
  assert.ok(read('README.md').includes(`data generate ${made} --out data/four`))

  writeFileSync(join(out, 'README.md'), read('README.md').replace('# Results', '# Results\n\nBy hand.'))
  assert.match(
    results(run, '--data', made, '--name', 'lost', '--commit', 'nothing').stderr,
    /^results: git knows no commit nothing here — name the one that trained the run: --commit HASH\n$/,
  )
  assert.is(results(run, '--data', made, '--name', 'again').status, 0)
  assert.match(read('README.md'), /By hand\.[^]*\[again\][^]*\[Sudoku 4×4\]/)
})

test('a card: the model is asked about the puzzles that its card names, once, and the table tells the answers', () => {
  const models = join(folder, 'models')
  mkdirSync(models)
  copyFileSync(join(run, 'model.safetensors'), join(models, 'four.safetensors'))
  const file = join(models, 'four.json')
  const evaluation = { title: '6 clues', data: 'some puzzles', directory: data, options: '--steps 3' }
  const card = { task: 'Sudokus of 4×4', trainings: ['sudoku-4x4'], evaluations: [evaluation] }
  writeFileSync(file, JSON.stringify(card))
  const fill = () =>
    spawnSync(process.execPath, ['scripts/results.js', 'model', 'four', '--out', models], { encoding: 'utf8' })
  const { status, stderr } = fill()
  assert.is(status, 0, stderr)
  type Filled = { evaluations: [{ title: string; result: { examples: number; steps: number[]; seconds: number } }] }
  const filled = JSON.parse(readFileSync(file, 'utf8')) as Filled
  const { examples, steps } = filled.evaluations[0].result
  assert.equal([examples, steps.length], [8, 3])
  assert.ok(steps.every(share => share >= 0 && share <= 1 && Number.isInteger(share * 8)))
  const readme = readFileSync(join(models, 'README.md'), 'utf8')
  assert.match(readme, /## `four`\n\nSudokus of 4×4\. \d+ k parameters in float16, \d+ kB\./)
  assert.ok(readme.includes(`| 6 clues | 8 | ${steps.map(share => (100 * share).toFixed(1)).join(' | ')} |`), readme)
  assert.match(readme, /# 6 clues: some puzzles/)
  // What stands there is not asked again.
  filled.evaluations[0].result.seconds = 12345
  writeFileSync(file, JSON.stringify(filled))
  assert.is(fill().status, 0)
  assert.is((JSON.parse(readFileSync(file, 'utf8')) as Filled).evaluations[0].result.seconds, 12345)
  assert.match(
    spawnSync(process.execPath, ['scripts/results.js', 'model', 'five', '--out', models], { encoding: 'utf8' }).stderr,
    /^results: .*five\.json: no such file — expected a card/,
  )
  writeFileSync(file, JSON.stringify({ ...card, trainings: ['nothing'] }))
  assert.match(fill().stderr, /^results: .*nothing.result\.json: no such file — expected the training that the card/)
  writeFileSync(file, '{')
  assert.match(fill().stderr, /^results: .*four\.json: .* — expected a card/)
})

test('a run that did not end is refused, and nothing is written', () => {
  writeFileSync(join(run, 'metrics.jsonl'), '{"step":2}\n')
  const { status, stderr } = results(run, '--data', 'sudoku', '--name', 'torn')
  assert.is(status, 1)
  assert.match(
    stderr,
    new RegExp(
      '^results: .*the last row of metrics\\.jsonl is no evaluation of the checkpoint \\(step 6\\) — ' +
        'let the training end, or resume it\\n$',
    ),
  )
  assert.throws(() => read('torn', 'result.json'))
  assert.match(
    results(join(folder, 'nowhere'), '--data', 'x').stderr,
    /metrics\.jsonl: no such file — expected the directory of a finished "trm train"/,
  )
  assert.match(results('--data', 'x').stderr, /expected one RUN and --data/)
})

test.run()
