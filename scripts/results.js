// Keeps a finished training in results/: config, thinned metrics, a curve, and a row of the table in its README.md.
//   node scripts/results.js RUN --data "[DIR=]sudoku --size 4 …"
//     [--name NAME] [--title TEXT] [--note TEXT] [--commit HASH] [--out DIR]
// Or evaluates a model of models/ as its card says, and fills the card in:
//   node scripts/results.js model NAME [--out DIR]
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { parseArgs } from 'node:util'
import * as vega from 'vega'
import YAML from 'yaml'
import { readCheckpoint } from '../dist/index.js'
import { root } from './build.js'
import {
  hashOf,
  minutes,
  parameterCount,
  percent,
  read,
  readJson,
  ResultError,
  writeBetweenMarks,
} from './kept-results.js'
import { fillModelCard } from './model-card.js'

const USAGE =
  'npm run results -- RUN --data "[DIR=]ARGUMENTS OF trm data generate" [--data …] ' +
  '[--name NAME] [--title TEXT] [--note TEXT] [--commit HASH] [--out DIR], or npm run results -- model NAME'

/** Training rows that a result keeps; evaluations are all kept. */
const MOST_ROWS = 200

const FINISHED = 'the directory of a finished "trm train"'

/** The result of a run, and its rows. @throws where the run did not reach its last step, or was not evaluated there */
function summarize(run, { name, title, note, data, commit }) {
  const rows = read(join(run, 'metrics.jsonl'), FINISHED, 'utf8')
    .trim()
    .split('\n')
    .map(line => JSON.parse(line))
  const settings = YAML.parse(read(join(run, 'config.yaml'), FINISHED, 'utf8'))
  const checkpoint = join(run, 'model.safetensors')
  const { config, metadata, tensors } = readCheckpoint(new Uint8Array(read(checkpoint, FINISHED)), checkpoint)
  const last = rows.at(-1)
  if (!last.evaluation || String(last.step) !== metadata.step) {
    const problem = `the last row of metrics.jsonl is no evaluation of the checkpoint (step ${metadata.step})`
    throw new ResultError(`${run}: ${problem} — let the training end, or resume it`)
  }
  if (last.evaluation.exactAccuracy === null)
    throw new ResultError(`${run}: none of its held-out puzzles has labels, so there is no accuracy to keep`)
  return {
    rows,
    settings,
    result: {
      title,
      network: network(config),
      parameters: parameterCount(tensors),
      steps: last.step,
      batch: settings.global_batch_size,
      seed: settings.seed,
      seconds: last.seconds,
      processorSeconds: last.processorSeconds,
      adapter: metadata.adapter,
      examples: last.evaluation.examples,
      exactAccuracy: last.evaluation.exactAccuracy,
      cellAccuracy: last.evaluation.cellAccuracy,
      commit: hashOf(commit),
      date: new Date().toISOString().slice(0, 10),
      ...(note ? { note } : {}),
      commands: commandsOf({ name, title, data, settings, evalLimit: last.evaluation.examples }),
    },
  }
}

/** The commands that make the result again. */
function commandsOf({ name, title, data, settings, evalLimit }) {
  const run = `runs/${name}`
  const datasets = data
    .map(given => /^(?:(\S+?)=)?(.*)$/s.exec(given))
    .map(([, directory = `data/${name}`, args]) => ({ directory, args }))
  const options = [...data.map(given => `--data "${given}"`), ...(title === name ? [] : [`--title "${title}"`])]
  const training = [
    ...(settings.data_paths ? [] : [`--data ${datasets[0].directory}`]),
    `--out ${run} --config results/${name}/config.yaml --eval-limit ${evalLimit}`,
  ]
  return [
    ...datasets.map(({ directory, args }) => `node dist/cli.js data generate ${args} --out ${directory}`),
    `node dist/cli.js train ${training.join(' ')}`,
    `npm run results -- ${run} ${options.join(' ')}`,
  ]
}

function network({ architecture, tokenMixing, positions, hidden, layers, cycles, latentSteps, supervisionSteps }) {
  const mixing = tokenMixing ? 'token-mixing MLP' : `attention (${positions})`
  const depth = `T = ${cycles}, n = ${latentSteps}, N_sup = ${supervisionSteps}`
  return `${architecture} ${mixing}, width ${hidden}, ${layers} layers, ${depth}`
}

/** Every k-th training row, so that at most `MOST_ROWS` are left, and all evaluations. */
function thin(rows) {
  const training = rows.filter(row => !row.evaluation)
  const every = Math.ceil(training.length / MOST_ROWS)
  const kept = new Set(training.filter((_, i) => (training.length - 1 - i) % every === 0))
  return rows.filter(row => row.evaluation || kept.has(row))
}

/**
 * One plot of series over the steps, for Vega.
 * @param values [{ step, value, series }]
 * @param marks further kinds of marks beside the line
 */
function panel(values, name, domain, label, marks) {
  const series = [...new Set(values.map(value => value.series))]
  const encode = {
    x: { scale: 'x', field: 'step' },
    y: { scale: `${name}-y`, field: 'value' },
    stroke: { scale: `${name}-color`, field: 'series' },
  }
  return {
    type: 'group',
    encode: { enter: { width: { signal: 'width' }, height: { value: 150 } } },
    data: [{ name, values }],
    scales: [
      { name: `${name}-y`, type: 'linear', range: [150, 0], domain, nice: true },
      { name: `${name}-color`, type: 'ordinal', domain: series, range: ['#4c78a8', '#e45756'] },
    ],
    axes: [
      { orient: 'bottom', scale: 'x', title: 'optimiser step', grid: true },
      { orient: 'left', scale: `${name}-y`, title: label, grid: true, tickCount: 6 },
    ],
    legends: [
      {
        stroke: `${name}-color`,
        symbolType: 'stroke',
        labelLimit: 300,
        orient: 'none',
        legendX: { signal: 'width + 12' },
        legendY: 0,
      },
    ],
    marks: [
      {
        type: 'group',
        from: { facet: { name: `${name}-series`, data: name, groupby: 'series' } },
        marks: [
          {
            type: 'line',
            from: { data: `${name}-series` },
            encode: { enter: { ...encode, strokeWidth: { value: 1.5 } } },
          },
        ],
      },
      ...marks.map(type => ({
        type,
        from: { data: name },
        encode: { enter: { ...encode, size: { signal: "datum.series === 'held-out puzzles' ? 25 : 0" } } },
      })),
    ],
  }
}

/** Accuracy above, loss below, over the optimiser steps. */
async function curve(rows, title) {
  const training = rows.filter(row => !row.evaluation)
  const evaluations = rows.filter(row => row.evaluation)
  const shares = [
    ...training
      .filter(({ count }) => count > 0)
      .map(({ step, exactAccuracy }) => ({
        step,
        value: 100 * exactAccuracy,
        series: 'training puzzles, when they halt',
      })),
    ...evaluations.map(({ step, evaluation }) => ({
      step,
      value: 100 * evaluation.exactAccuracy,
      series: 'held-out puzzles',
    })),
  ]
  const losses = training.flatMap(({ step, lmLoss, qHaltLoss }) => [
    { step, value: lmLoss, series: 'lm_loss' },
    { step, value: qHaltLoss, series: 'q_halt_loss' },
  ])
  const view = new vega.View(
    vega.parse({
      title: { text: title, anchor: 'start' },
      width: 480,
      padding: 8,
      background: 'white',
      layout: { columns: 1, padding: 20 },
      scales: [{ name: 'x', type: 'linear', range: 'width', domain: [0, Math.max(...rows.map(row => row.step))] }],
      marks: [
        panel(shares, 'shares', [0, 100], 'exact accuracy, %', ['symbol']),
        panel(losses, 'losses', { data: 'losses', field: 'value' }, 'loss', []),
      ],
    }),
    { renderer: 'none' },
  )
  return view.toSVG()
}

function tableRow(name, result) {
  const { title, network, parameters, steps, batch, seconds, processorSeconds, adapter, examples, commit, date } =
    result
  const columns = [
    `[${title}](${name}/curve.svg)`,
    `${network}; ${Math.round(parameters / 1000)} k parameters`,
    `${steps} × ${batch}`,
    `${minutes(seconds)} (${minutes(processorSeconds)})`,
    adapter,
    `**${percent(result.exactAccuracy)} %** of ${examples}`,
    `${commit}, ${date}`,
  ]
  return `| ${columns.join(' | ')} |`
}

/** The table of all results of a folder, and how each is made again. */
function describe(out) {
  const names = readdirSync(out)
    .filter(name => existsSync(join(out, name, 'result.json')))
    .sort()
  const results = names.map(name => [name, readJson(join(out, name, 'result.json'), 'a result')])
  return [
    '| task | network | steps × batch | time (processor time) | adapter | held-out exact accuracy | commit, date |',
    '| --- | --- | --- | --- | --- | --- | --- |',
    ...results.map(([name, result]) => tableRow(name, result)),
    '',
    ...results.flatMap(([name, r]) => [
      `### ${r.title}`,
      '',
      ...(r.note ? [r.note, ''] : []),
      `![curve](${name}/curve.svg)`,
      '',
      '```sh',
      ...r.commands,
      '```',
      '',
    ]),
  ].join('\n')
}

async function main() {
  let given
  try {
    given = parseArgs({
      allowPositionals: true,
      options: Object.fromEntries(
        ['data', 'name', 'title', 'note', 'commit', 'out'].map(name => [
          name,
          { type: 'string', multiple: name === 'data' },
        ]),
      ),
    })
  } catch (error) {
    throw new ResultError(`${error.message} — ${USAGE}`)
  }
  const {
    values,
    positionals: [run, ...more],
  } = given
  if (run === 'model' && more.length === 1 && !values.data) return fillModelCard(more[0], values.out)
  if (!run || more.length || !values.data) throw new ResultError(`expected one RUN and --data — ${USAGE}`)
  const { name = basename(run), title = name, note, data, commit = 'HEAD', out = join(root, 'results') } = values
  const { rows, settings, result } = summarize(run, { name, title, note, data, commit })
  const svg = await curve(rows, title)
  const folder = join(out, name)
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'config.yaml'), YAML.stringify(settings))
  writeFileSync(
    join(folder, 'metrics.jsonl'),
    thin(rows)
      .map(row => `${JSON.stringify(row)}\n`)
      .join(''),
  )
  writeFileSync(join(folder, 'curve.svg'), svg)
  writeFileSync(join(folder, 'result.json'), `${JSON.stringify(result, undefined, 2)}\n`)
  writeBetweenMarks(join(out, 'README.md'), describe(out))
  const accuracy = `${percent(result.exactAccuracy)} % of ${result.examples} puzzles`
  console.log(`${folder}: ${title}, held-out exact accuracy ${accuracy}`)
}

try {
  await main()
} catch (error) {
  if (!(error instanceof ResultError)) throw error
  console.error(`results: ${error.message}`)
  process.exitCode = 1
}
