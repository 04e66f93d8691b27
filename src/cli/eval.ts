// trm eval: exact and cell accuracy of a checkpoint on a dataset directory, after each supervision step.
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { ArcScore, ArcScorer } from '../data/arc-score.js'
import type { Examples, Split } from '../data/dataset.js'
import { loadCheckpoint } from '../trm/published/checkpoint.js'
import type { Precision, Trm } from '../trm/model.js'
import { evaluate, type Evaluation } from '../trm/answers/evaluate.js'
import { adapterOptions, dtypeOption, openEngine } from './adapter.js'
import { type OptionValues, parseArguments, UsageError } from './arguments.js'
import { checkpointOption, keyOption, openCheckpoint, otherFiles } from './checkpoint.js'
import { closeSplit, openSplit, readGridTasks, withoutTest } from './datasets.js'
import { gridTaskOfCheckpoint } from './grids.js'
import { duration, percent, Progress } from './progress.js'
import { arcTasksPath, openArcScorer, showArcScore, writeArcScore } from './score.js'
import { inferenceNotes, inferenceOf, inferenceOptions } from './inference-options.js'

const usage = {
  command: 'trm eval',
  summary: 'Exact accuracy and cell accuracy of a checkpoint, after each supervision step.',
  options: {
    checkpoint: checkpointOption,
    key: keyOption,
    data: { type: 'strings', required: true, placeholder: 'DIR', description: 'dataset directory' },
    split: { type: 'string', choices: ['test', 'train'], default: 'test', description: 'which examples' },
    limit: { type: 'number', min: 1, description: 'only the first N examples' },
    'batch-size': {
      type: 'number',
      min: 1,
      default: 64,
      description: 'puzzles, or rollouts of puzzles, computed at a time',
    },
    ...inferenceOptions,
    out: { type: 'string', placeholder: 'DIR', description: 'ARC: directory for metrics.json and submission.json' },
    json: { type: 'boolean', description: 'print the result as JSON' },
    dtype: dtypeOption,
    ...adapterOptions,
  },
  notes: `On the test split of a directory of "trm data arc" all augmentations of a test input vote; pass@K is printed.
With --halt a slot of the batch takes the next puzzle when its own puzzle halts.\n${inferenceNotes}`,
} as const

type Values = OptionValues<typeof usage.options>

export const evalCommand = {
  name: 'eval',
  summary: 'exact and cell accuracy of a checkpoint, per supervision step',
  async run(args: string[]): Promise<void> {
    const parsed = parseArguments(args, usage)
    if (!parsed) return
    const { values } = parsed
    const { checkpoint, key, data, split, out } = values
    const arc = split === 'test' ? data.filter(directory => existsSync(join(directory, arcTasksPath))) : []
    // Votes belong to the tasks of one directory.
    const scorer = data.length === 1 && arc.length ? await openArcScorer(data[0]) : undefined
    if (out !== undefined && !scorer) {
      const expected = 'expected the test split of a directory of "trm data arc" to score'
      throw new UsageError(`${usage.command}: --out: ${expected}, got the ${split} split of ${data.join(', ')}`)
    }
    const opened = await openCheckpoint(checkpoint, key)
    const dataset = await openExamples(data, split as Split)
    await checkAlphabets(opened.metadata, values)
    const engine = await openEngine(values)
    try {
      const model = loadCheckpoint(engine, opened.bytes, checkpoint, {
        dtype: values.dtype as Precision,
        ...otherFiles(key),
      })
      const measured = await measure(model, dataset, values, scorer)
      if (measured.score && out !== undefined) await writeArcScore(measured.score, out)
      if (values.json) printJson(measured, values, engine.adapter.description)
      else {
        console.log(`adapter: ${engine.adapter.description}`)
        printResult(measured, values)
        if (measured.score) showArcScore(measured.score, data[0], out)
        else if (arc.length) console.log('ARC votes are counted for one directory at a time: none here')
      }
    } finally {
      engine.close()
      await closeSplit(dataset)
    }
  },
}

async function openExamples(data: readonly string[], split: Split): Promise<Examples> {
  return openSplit(data, split).catch(async (error: Error) => {
    const withoutSplit = split === 'test' ? await withoutTest(data) : []
    const lacking = withoutSplit.find(directory => existsSync(join(directory, 'train')))
    throw lacking === undefined
      ? error
      : new Error(`dataset ${lacking}: it has no test split — evaluate on --split train, or give another --data`)
  })
}

/** @throws where model and data are of "trm data grids" and give the tokens different meanings */
async function checkAlphabets(metadata: Readonly<Record<string, string>>, { checkpoint, data }: Values): Promise<void> {
  const tasks = [gridTaskOfCheckpoint(metadata, checkpoint), await readGridTasks(data)]
  const [learnt, given] = tasks.map(task => task?.alphabet.join(''))
  if (learnt === given || learnt === undefined || given === undefined) return
  const differ = `the data has the alphabet "${given}", the model "${learnt}"`
  throw new Error(`data and model do not fit: ${differ} — build the data with --alphabet "${learnt}"`)
}

interface Measured {
  result: Evaluation
  /** Votes and pass@K of ARC. */
  score: ArcScore | undefined
  seconds: number
}

async function measure(
  model: Trm,
  dataset: Examples,
  values: Values,
  scorer: ArcScorer | undefined,
): Promise<Measured> {
  const progress = new Progress(values.json ? false : undefined)
  const started = performance.now()
  const result = await evaluate(model, dataset, {
    ...inferenceOf(values),
    batchSize: values['batch-size'],
    limit: values.limit,
    onAnswers: scorer && (answers => scorer.add(answers)),
    onProgress: (done, total) => values.json || progress.glimpse(done, total, `${done}/${total}`),
  })
  progress.end()
  return { result, score: scorer?.finish(), seconds: (performance.now() - started) / 1000 }
}

function printJson({ result, score, seconds }: Measured, values: Values, adapter: string): void {
  const { checkpoint, data, split, halt, confidence, rollouts, noise, seed, vote } = values
  const object = {
    checkpoint,
    data: data.length === 1 ? data[0] : data,
    split,
    adapter,
    seconds,
    ...(halt ? { confidence } : {}),
    ...(noise ? { rollouts, noise, seed, vote } : {}),
    ...result,
    ...score?.metrics,
  }
  console.log(JSON.stringify(object))
}

function printResult({ result, seconds }: Measured, values: Values): void {
  const { split, halt, confidence, rollouts, noise, seed, vote } = values
  console.log('step   exact     cells     halting right')
  for (const { step, exactAccuracy, cellAccuracy, qHaltAccuracy } of result.steps) {
    const shares = [exactAccuracy, cellAccuracy, qHaltAccuracy].map(share => percent(share).padStart(8))
    console.log(`${String(step).padStart(4)}  ${shares.join('  ')}`)
  }
  console.log(`${split} split, ${result.examples} examples in ${duration(seconds)}${labelledOf(result)}`)
  if (noise) {
    const chosen = vote ? 'the most frequent answer' : 'the answer with the highest q_halt'
    console.log(`${rollouts} rollout${rollouts === 1 ? '' : 's'} with noise ${noise} (seed ${seed}), ${chosen}`)
  }
  if (halt && result.meanSteps !== null) {
    const mean = `mean supervision steps${rollouts > 1 ? ' of a rollout' : ''}: ${result.meanSteps.toFixed(2)}`
    const saved = `${percent(result.savedSteps)} saved`
    console.log(`halting at confidence ${confidence}: ${mean} of ${result.steps.length} (${saved})`)
  }
  console.log(`exact accuracy: ${percent(result.exactAccuracy)}`)
  console.log(`cell accuracy: ${percent(result.cellAccuracy)}`)
}

/** Over which examples the means are, where these are not all. */
function labelledOf({ examples, labelled }: Evaluation): string {
  if (labelled === examples) return ''
  return labelled
    ? `; the means are over the ${labelled} that have labels`
    : '; none has labels, so there is nothing to be right about'
}
