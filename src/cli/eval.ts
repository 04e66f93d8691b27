// trm eval: exact and cell accuracy of a checkpoint on a dataset directory, after each supervision step.
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { Split } from '../data/dataset.js'
import { loadCheckpoint } from '../trm/published/checkpoint.js'
import type { Precision } from '../trm/model.js'
import { evaluate, type Evaluation } from '../trm/answers/evaluate.js'
import { adapterOptions, dtypeOption, openEngine } from './adapter.js'
import { parseArguments, UsageError } from './arguments.js'
import { keyOption, openCheckpoint, otherFiles } from './checkpoint.js'
import { closeSplit, openSplit, readGridTasks, withoutTest } from './datasets.js'
import { gridTaskOfCheckpoint } from './grids.js'
import { duration, percent, Progress } from './progress.js'
import { arcTasksPath, openArcScorer, showArcScore, writeArcScore } from './score.js'
import { thinkingNotes, thinkingOf, thinkingOptions } from './inference-options.js'

const usage = {
  command: 'trm eval',
  summary: 'Exact accuracy and cell accuracy of a checkpoint, after each supervision step.',
  options: {
    checkpoint: { type: 'string', required: true, placeholder: 'F', description: 'checkpoint (safetensors)' },
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
    ...thinkingOptions,
    out: { type: 'string', placeholder: 'DIR', description: 'ARC: directory for metrics.json and submission.json' },
    json: { type: 'boolean', description: 'print the result as JSON' },
    dtype: dtypeOption,
    ...adapterOptions,
  },
  notes: `On the test split of a directory of "trm data arc" all augmentations of a test input vote, and pass@K is told.
With --halt a slot of the batch takes the next puzzle when its own ends.\n${thinkingNotes}`,
} as const

export const evalCommand = {
  name: 'eval',
  summary: 'exact and cell accuracy of a checkpoint, per supervision step',
  async run(args: string[]): Promise<void> {
    const parsed = parseArguments(args, usage)
    if (!parsed) return
    const { checkpoint, key, data, split, limit, 'batch-size': batchSize, out, json, dtype } = parsed.values
    const arc = split === 'test' ? data.filter(directory => existsSync(join(directory, arcTasksPath))) : []
    // Votes and tasks are those of one directory.
    const scorer = data.length === 1 && arc.length ? await openArcScorer(data[0]) : undefined
    if (out !== undefined && !scorer)
      throw new UsageError(
        `${usage.command}: --out: expected the test split of a directory of "trm data arc" to score, got the ${split} split of ${data.join(', ')}`,
      )
    const { bytes, metadata } = await openCheckpoint(checkpoint, key)
    const dataset = await openSplit(data, split as Split).catch(async (error: Error) => {
      const [lacking] =
        split === 'test' ? (await withoutTest(data)).filter(directory => existsSync(join(directory, 'train'))) : []
      throw lacking === undefined
        ? error
        : new Error(`dataset ${lacking}: it has no test split — evaluate on --split train, or give another --data`)
    })
    const [learnt, given] = [gridTaskOfCheckpoint(metadata, checkpoint), await readGridTasks(data)].map(task =>
      task?.alphabet.join(''),
    )
    if (learnt !== given && learnt !== undefined && given !== undefined)
      throw new Error(
        `data and model do not fit: the data has the alphabet "${given}", the model "${learnt}" — build the data with --alphabet "${learnt}"`,
      )
    const engine = await openEngine(parsed.values)
    try {
      const model = loadCheckpoint(engine, bytes, checkpoint, { dtype: dtype as Precision, ...otherFiles(key) })
      const progress = new Progress(json ? false : undefined)
      const started = performance.now()
      const thinking = thinkingOf(parsed.values)
      const { halt, confidence, rollouts, noise, seed, vote } = parsed.values
      const result = await evaluate(model, dataset, {
        ...thinking,
        batchSize,
        limit,
        onAnswers: scorer && (answers => scorer.add(answers)),
        onProgress: (done, total) => json || progress.glimpse(done, total, `${done}/${total}`),
      })
      progress.end()
      const score = scorer?.finish()
      if (score && out !== undefined) await writeArcScore(score, out)
      const seconds = (performance.now() - started) / 1000
      if (json) {
        console.log(
          JSON.stringify({
            checkpoint,
            data: data.length === 1 ? data[0] : data,
            split,
            adapter: engine.adapter.description,
            seconds,
            ...(halt ? { confidence } : {}),
            ...(noise ? { rollouts, noise, seed, vote } : {}),
            ...result,
            ...score?.metrics,
          }),
        )
        return
      }
      console.log(`adapter: ${engine.adapter.description}`)
      console.log('step   exact     cells     halting right')
      for (const { step, exactAccuracy, cellAccuracy, qHaltAccuracy } of result.steps) {
        console.log(
          `${String(step).padStart(4)}  ${[exactAccuracy, cellAccuracy, qHaltAccuracy].map(share => percent(share).padStart(8)).join('  ')}`,
        )
      }
      console.log(`${split} split, ${result.examples} examples in ${duration(seconds)}${labelledOf(result)}`)
      if (noise)
        console.log(
          `${rollouts} rollout${rollouts === 1 ? '' : 's'} with noise ${noise} (seed ${seed}), ${vote ? 'the most frequent answer' : 'the answer with the highest q_halt'}`,
        )
      if (halt && result.meanSteps !== null)
        console.log(
          `halting at confidence ${confidence}: mean supervision steps${rollouts > 1 ? ' of a rollout' : ''}: ${result.meanSteps.toFixed(2)} of ${result.steps.length} (${percent(result.savedSteps)} saved)`,
        )
      console.log(`exact accuracy: ${percent(result.exactAccuracy)}`)
      console.log(`cell accuracy: ${percent(result.cellAccuracy)}`)
      if (score) showArcScore(score, data[0], out)
      else if (arc.length) console.log('ARC votes are counted for one directory at a time: none here')
    } finally {
      engine.close()
      await closeSplit(dataset)
    }
  },
}

/** Over which examples the means are, where that is not all. */
function labelledOf({ examples, labelled }: Evaluation): string {
  if (labelled === examples) return ''
  return labelled
    ? `; the means are over the ${labelled} that have labels`
    : '; none has labels, so there is nothing to be right about'
}
