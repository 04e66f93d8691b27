// trm score: scores stored predictions by the rules of a benchmark.
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { parseArcName } from '../data/arc-augment.js'
import { ArcScorer, arcSubmissionJson, type ArcScore } from '../data/arc-score.js'
import { ARC_CELLS, cropArcGrid } from '../data/arc-square.js'
import { parseArcTestPuzzles, type ArcTask } from '../data/arc-tasks.js'
import { readIdentifiers } from '../data/directory.js'
import { parseArguments, UsageError, type OptionTable, type Usage } from './arguments.js'
import { datasetFiles, makeDirectory, writeWhole } from './files.js'
import { findPredictions, openPredictions, pieces } from './predictions.js'
import { percent, Progress } from './progress.js'

const arcUsage = {
  command: 'trm score arc',
  summary:
    'ARC pass@K and the submission, from predictions for the test split: all augmentations of a test input vote.',
  positionals: ['[F…]'],
  options: {
    data: {
      type: 'string',
      required: true,
      placeholder: 'DIR',
      description: 'dataset directory, of "trm data arc" or of the published builders',
    },
    predictions: {
      type: 'string',
      required: true,
      placeholder: 'F',
      description: 'predictions of a model, see below',
    },
    out: {
      type: 'string',
      required: true,
      placeholder: 'DIR',
      description: 'directory for metrics.json and submission.json',
    },
  },
  notes: `The predictions are the tensors inputs (N, 900), preds (N, 900) or logits (N, 900, V), puzzle_identifiers (N)
and q_halt_logits (N), in safetensors or as torch.save wrote them. Rows of the identifier <blank> are padding.

The published code (eval_save_outputs, evaluate.py) stores one file per rank. F… names all of them, or their folder,
or the part of their names before _all_preds.RANK: --predictions checkpoints/RUN/step_1000.
Files may be larger than memory.

Where DIR has no test_puzzles.json (as for HRM), the stored labels of unaugmented tasks are the answers.`,
} as const satisfies Usage<OptionTable>

const summary = 'pass@K and the submission from stored predictions (ARC)'

export const scoreCommand = {
  name: 'score',
  summary,
  async run([name, ...args]: string[]): Promise<void> {
    if (name === 'arc') return scoreArc(args)
    if (name === '--help' || name === '-h') {
      const usage = 'Usage: trm score arc --data DIR --predictions F --out DIR [F…]'
      return console.log(`${summary}\n\n${usage}\n\n"trm score arc --help" tells more.`)
    }
    const got = name === undefined ? 'nothing' : JSON.stringify(name)
    throw new UsageError(`trm score: expected arc, got ${got} — see "trm score --help"`)
  },
}

async function scoreArc(args: string[]): Promise<void> {
  const parsed = parseArguments(args, arcUsage)
  if (!parsed) return
  const { data, predictions, out } = parsed.values
  const files = await findPredictions([predictions, ...parsed.positionals])
  const names = await readIdentifiers(datasetFiles(data), data)
  const isTold = existsSync(join(data, arcTasksPath))
  const tasks = isTold ? await readArcTasks(data) : await tasksOfLabels(files, names, data)
  const scorer = new ArcScorer({ names, tasks })
  await addVotes(scorer, files)
  const score = scorer.finish()
  await writeArcScore(score, out)
  if (files.length > 1) console.log(`${files.length} files of predictions: ${files.join(', ')}`)
  showArcScore(score, data, out)
  const { missing, rows } = score
  if (!missing) return
  const hint = 'is there another file, of another rank?'
  console.log(`votes are missing for ${missing} of the ${rows} rows of the test split — ${hint}`)
}

/** Adds the votes of all files, some rows at a time. */
async function addVotes(scorer: ArcScorer, files: readonly string[]): Promise<void> {
  const progress = new Progress()
  for (const path of files) {
    const file = await openPredictions(path)
    try {
      for (const [from, to] of pieces(file)) {
        progress.glimpse(from, file.count, `${path}: ${from}/${file.count}`)
        scorer.add(await file.read(from, to))
      }
    } catch (error) {
      const { message } = error as Error
      throw message.startsWith('arc: ') ? new Error(`${path}: ${message.slice('arc: '.length)}`) : error
    } finally {
      progress.end()
      await file.close()
    }
  }
}

/** Tasks whose unaugmented test inputs are among the predictions, with the stored labels as outputs. */
async function tasksOfLabels(files: readonly string[], names: readonly string[], data: string): Promise<ArcTask[]> {
  const untold = `nor does ${join(data, arcTasksPath)} tell the answers`
  const tasks = new Map<string, ArcTask>()
  for (const path of files) {
    const file = await openPredictions(path)
    try {
      if (!file.labels)
        throw new Error(`${path}: expected labels, got none, ${untold} — is ${data} the right directory?`)
      for (const [from, to] of pieces(file)) {
        const { inputs, puzzleIds } = await file.read(from, to)
        const labels = await file.labels(from, to)
        for (let row = 0; row < to - from; row++) {
          const name = names[puzzleIds[row]]
          if (name === undefined || name === '<blank>' || parseArcName(name).task !== name) continue
          const task = tasks.get(name) ?? { name, pairs: [] }
          tasks.set(name, task)
          const [input, output] = [inputs, labels].map(tokens => cropArcGrid(tokens, row * ARC_CELLS))
          task.pairs.push({ part: 'test', input, output })
        }
      }
    } finally {
      await file.close()
    }
  }
  if (tasks.size === 0)
    throw new Error(`predictions: expected rows of unaugmented tasks among ${files.join(', ')}, found none, ${untold}`)
  return [...tasks.values()]
}

/** A scorer without votes for the test split of a directory of "trm data arc". */
export async function openArcScorer(data: string): Promise<ArcScorer> {
  return new ArcScorer({ names: await readIdentifiers(datasetFiles(data), data), tasks: await readArcTasks(data) })
}

async function readArcTasks(data: string): Promise<ArcTask[]> {
  return parseArcTestPuzzles({ bytes: await datasetFiles(data)(arcTasksPath), name: join(data, arcTasksPath) })
}

/** File with the tasks of the test split: a dataset directory that has it is one of ARC. */
export const arcTasksPath = 'test_puzzles.json'

/** Writes metrics.json, with null where there is no number, and submission.json. */
export async function writeArcScore(score: ArcScore, out: string): Promise<void> {
  await makeDirectory(out)
  await writeWhole(join(out, 'metrics.json'), JSON.stringify(score.metrics))
  await writeWhole(join(out, 'submission.json'), arcSubmissionJson(score).text)
}

/** Prints a score. @param out directory of the submission, where it was written */
export function showArcScore(score: ArcScore, data: string, out?: string): void {
  const { metrics, names, testInputs, unanswered, unsolved, strangers, repeated } = score
  const lines = Object.entries(metrics).map(([metric, share]) => `${`${metric}:`.padEnd(15)} ${percent(share)}`)
  const isKnown = unsolved < testInputs
  console.log(isKnown ? lines.join('\n') : 'ARC/pass@K: no number, since no output of a test input is known')
  const without = unanswered ? `, ${unanswered} of them without a prediction` : ''
  console.log(`${names.length} tasks, ${testInputs} test inputs${without}`)
  if (strangers) console.log(`${strangers} predictions belong to no test input of ${data}`)
  if (repeated) console.log(`${repeated} predictions came for a row that had one: each counted as a vote`)
  if (unsolved) {
    const treated = 'they are answered, and count as neither right nor wrong'
    console.log(`${unsolved} of ${testInputs} test inputs have no known output: ${treated}`)
  }
  if (out === undefined) return
  const { empty } = arcSubmissionJson(score)
  const stands = 'submission.json: [[0]] stands for'
  if (unanswered) console.log(`${stands} the answers to ${unanswered} test inputs that are missing`)
  if (empty) console.log(`${stands} ${empty} of ${2 * testInputs} attempts, which are empty grids`)
}
