// Fills in the card of a trained model: evaluates it on the puzzles that models/NAME.json names, and writes what came
// out into that file and into models/README.md. An evaluation that has a result already is not done again.
import { spawnSync } from 'node:child_process'
import { readdirSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
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

/** Supervision steps that a table shows: these, and the last one. */
const SHOWN_STEPS = [1, 2, 3, 4, 6, 8, 12, 16, 24, 32]

/**
 * The card of a model, as models/NAME.json has it.
 * @typedef {object} Card
 * @property {string} task what the model solves
 * @property {string[]} trainings folders of results/, in the order in which they went on from each other
 * @property {Evaluation[]} evaluations
 *
 * One table row: puzzles that no training saw.
 * @typedef {object} Evaluation
 * @property {string} title
 * @property {string} data the arguments of trm data generate; words where the puzzles come from elsewhere
 * @property {string} [directory] where those from elsewhere lie
 * @property {string} options further options of trm eval
 * @property {Result} [result]
 *
 * @typedef {object} Result
 * @property {number} examples
 * @property {number[]} steps exact accuracy after 1, 2, … supervision steps
 * @property {string} adapter
 * @property {number} seconds
 * @property {string} commit
 * @property {string} date
 */

/** @param folder where the models and their cards lie */
export function fillModelCard(name, folder = join(root, 'models')) {
  const file = join(folder, `${name}.json`)
  const card = readCard(file)
  // What is missing is told before the long part.
  describeModels(folder)
  for (const evaluation of card.evaluations) {
    if (!evaluation.result) {
      evaluation.result = evaluate(join(folder, `${name}.safetensors`), name, evaluation)
      writeFileSync(file, `${JSON.stringify(card, undefined, 2)}\n`)
    }
    console.log(
      `${name}: ${evaluation.title}: ${percent(evaluation.result.steps.at(-1))} % of ${evaluation.result.examples}`,
    )
  }
  writeBetweenMarks(join(folder, 'README.md'), describeModels(folder))
}

function evaluate(checkpoint, name, evaluation) {
  const directory = evaluation.directory ?? heldOut(name, evaluation)
  if (!evaluation.directory) trm('data', 'generate', ...words(evaluation.data), '--out', directory, '--force')
  const out = trm('eval', '--checkpoint', checkpoint, '--data', directory, ...words(evaluation.options), '--json')
  const { examples, steps, adapter, seconds } = JSON.parse(out)
  return {
    examples,
    steps: steps.map(({ exactAccuracy }) => exactAccuracy),
    adapter,
    seconds: Math.round(seconds),
    commit: hashOf('HEAD'),
    date: new Date().toISOString().slice(0, 10),
  }
}

const words = text => text.split(/\s+/).filter(Boolean)

/** Runs the command line; returns what it printed. */
function trm(...args) {
  const { status, stdout } = spawnSync(process.execPath, ['dist/cli.js', ...args], {
    cwd: root,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  if (status !== 0) throw new ResultError(`node dist/cli.js ${args.join(' ')}: it failed, see above`)
  return stdout
}

const heldOut = (name, { title }) => `data/held-out/${name}/${title.replaceAll(/\W+/g, '-').toLowerCase()}`

function readCard(file) {
  const hint = 'a card: task, trainings, evaluations with title, data and options'
  const card = readJson(file, hint)
  if (![card.trainings, card.evaluations].every(Array.isArray))
    throw new ResultError(`${file}: trainings or evaluations are no list — expected ${hint}`)
  return card
}

function describeModels(folder) {
  const names = readdirSync(folder)
    .filter(name => name.endsWith('.json'))
    .map(name => name.slice(0, -'.json'.length))
  return names.flatMap(name => describeModel(folder, name)).join('\n')
}

function describeModel(folder, name) {
  const { task, trainings, evaluations } = readCard(join(folder, `${name}.json`))
  const file = join(folder, `${name}.safetensors`)
  const { tensors } = readCheckpoint(new Uint8Array(read(file, 'the model of the card')), file)
  const columns = stepsShown(evaluations)
  const parameters = Math.round(parameterCount(tensors) / 1000)
  const kilobytes = Math.round(statSync(file).size / 1000)
  return [
    `## \`${name}\``,
    '',
    `${task}. ${parameters} k parameters in float16, ${kilobytes} kB. Licence: MIT, as the code.`,
    '',
    '| training | steps × batch, seed | time (processor time) | adapter, commit |',
    '| --- | --- | --- | --- |',
    ...trainings.map(training => trainingRow(training)),
    '',
    `| exact accuracy, held out | puzzles | ${columns.map(step => `${step}`).join(' | ')} |`,
    `| --- | --- | ${columns.map(() => '---').join(' | ')} |`,
    ...evaluations.map(evaluation => evaluationRow(evaluation, columns)),
    '',
    'The columns are supervision steps. The puzzles:',
    '',
    '```sh',
    ...new Set(
      evaluations.map(evaluation =>
        evaluation.directory
          ? `# ${evaluation.title}: ${evaluation.data}`
          : `node dist/cli.js data generate ${evaluation.data} --out ${heldOut(name, evaluation)}`,
      ),
    ),
    '```',
    '',
  ]
}

function trainingRow(training) {
  const { title, steps, batch, seed, seconds, processorSeconds, adapter, commit } = readJson(
    join(root, 'results', training, 'result.json'),
    'the training that the card names, kept by npm run results',
  )
  const link = `[${title}](../results/README.md), [config](../results/${training}/config.yaml)`
  const time = `${minutes(seconds)} (${minutes(processorSeconds)})`
  return `| ${link} | ${steps} × ${batch}, ${seed} | ${time} | ${adapter}, ${commit} |`
}

const stepsShown = evaluations => {
  const most = Math.max(...evaluations.map(({ result }) => result?.steps.length ?? 0))
  return [...SHOWN_STEPS.filter(step => step < most), ...(most > 0 ? [most] : [])]
}

function evaluationRow({ title, options, result }, columns) {
  if (!result) return `| ${title} | not evaluated yet |${columns.map(() => ' |').join('')}`
  const shares = columns.map(step => (step > result.steps.length ? '' : percent(result.steps[step - 1])))
  const thinking = options.replace(/--(steps|limit|batch-size) \d+/g, '').trim()
  return `| ${title}${thinking ? `, \`${thinking}\`` : ''} | ${result.examples} | ${shares.join(' | ')} |`
}
