// trm score: judges stored predictions the way a benchmark does.
import { join } from 'node:path'
import { arcSeqLen, parseArcTasks } from '../data/arc.js'
import { ArcScorer, type ArcScore } from '../data/arc-score.js'
import { readIdentifiers } from '../data/dataset.js'
import { parseSafetensors, toFloat32, type SafetensorsFile, type StoredTensor } from '../formats/safetensors.js'
import { parseArguments, UsageError, type OptionTable, type Usage } from './arguments.js'
import { datasetFiles, makeDirectory, readBytes, writeWhole } from './files.js'
import { percent } from './progress.js'

const arcUsage = {
  command: 'trm score arc',
  summary: 'ARC pass@K and the submission, from predictions for the test split: all augmentations of a test input vote.',
  options: {
    data: { type: 'string', required: true, placeholder: 'DIR', description: 'dataset directory of "trm data arc"' },
    predictions: { type: 'string', required: true, placeholder: 'F.safetensors', description: 'what a model predicts (see below)' },
    out: { type: 'string', required: true, placeholder: 'DIR', description: 'directory for metrics.json and submission.json' },
  },
  notes: 'The predictions are the tensors inputs (N, 900), preds (N, 900), puzzle_identifiers (N) and q_halt_logits (N); rows of\n' +
    'identifier <blank> are padding.',
} as const satisfies Usage<OptionTable>

const summary = 'pass@K and the submission from stored predictions (ARC)'

export const scoreCommand = {
  name: 'score',
  summary,
  async run([name, ...args]: string[]): Promise<void> {
    if (name === 'arc') return scoreArc(args)
    if (name === '--help' || name === '-h') return console.log(`${summary}\n\nUsage: trm score arc --data DIR --predictions F.safetensors --out DIR\n\n"trm score arc --help" tells more.`)
    throw new UsageError(`trm score: expected arc, got ${name === undefined ? 'nothing' : JSON.stringify(name)} — see "trm score --help"`)
  },
}

async function scoreArc(args: string[]): Promise<void> {
  const values = parseArguments(args, arcUsage)?.values
  if (!values) return
  const { data, predictions, out } = values
  const scorer = await openArcScorer(data)
  const file = parseSafetensors(await readBytes(predictions, 'predictions'), predictions)
  const count = tensorOf(file, 'puzzle_identifiers', undefined, predictions).data.length
  const batch = {
    inputs: integers(file, 'inputs', [count, arcSeqLen], predictions),
    predictions: integers(file, 'preds', [count, arcSeqLen], predictions),
    puzzleIdentifiers: integers(file, 'puzzle_identifiers', [count], predictions),
    qHaltLogits: floats(file, 'q_halt_logits', [count], predictions),
  }
  scorer.add(batch)
  const score = scorer.finish()
  await writeArcScore(score, out)
  showArcScore(score, data)
}

/** A scorer without votes for the test split of a directory of "trm data arc". */
export async function openArcScorer(data: string): Promise<ArcScorer> {
  const readFile = datasetFiles(data)
  return new ArcScorer({
    names: await readIdentifiers(readFile, data),
    tasks: parseArcTasks({ bytes: await readFile(arcTasksPath), name: join(data, arcTasksPath) }),
  })
}

/** The file of a dataset directory that holds the tasks of its test split; what makes it one of ARC. */
export const arcTasksPath = 'test_puzzles.json'

export async function writeArcScore({ metrics, submission }: ArcScore, out: string): Promise<void> {
  await makeDirectory(out)
  await writeWhole(join(out, 'metrics.json'), JSON.stringify(metrics))
  await writeWhole(join(out, 'submission.json'), JSON.stringify(submission))
}

export function showArcScore({ metrics, submission, testInputs, unanswered, strangers }: ArcScore, data: string): void {
  for (const [metric, share] of Object.entries(metrics)) console.log(`${`${metric}:`.padEnd(15)} ${percent(share)}`)
  console.log(`${Object.keys(submission).length} tasks, ${testInputs} test inputs${unanswered ? `, ${unanswered} of them without a prediction` : ''}`)
  if (strangers) console.log(`${strangers} predictions belong to no test input of ${data}`)
}

/** The tensor of that name. Throws when it is absent or has another shape. */
function tensorOf({ tensors }: SafetensorsFile, name: string, shape: number[] | undefined, where: string): StoredTensor {
  const tensor = tensors.get(name)
  if (!tensor) throw new Error(`${where}: expected the tensors inputs, preds, puzzle_identifiers and q_halt_logits, got no ${name}`)
  if (shape && String(tensor.shape) !== String(shape)) throw new Error(`${where}: ${name}: expected shape (${shape.join(', ')}), got (${tensor.shape.join(', ')})`)
  return tensor
}

/** The elements of an integer tensor, as they are stored where possible. */
function integers(file: SafetensorsFile, name: string, shape: number[], where: string): ArrayLike<number> {
  const { dtype, data } = tensorOf(file, name, shape, where)
  if (!/^[IU]\d/.test(dtype)) throw new Error(`${where}: ${name}: expected integers, got ${dtype}`)
  return data instanceof BigInt64Array ? Float64Array.from(data, Number) : data
}

/** The elements of a float tensor, in float64 where they are stored so. */
function floats(file: SafetensorsFile, name: string, shape: number[], where: string): ArrayLike<number> {
  const tensor = tensorOf(file, name, shape, where)
  if (!/^B?F\d/.test(tensor.dtype)) throw new Error(`${where}: ${name}: expected floats, got ${tensor.dtype}`)
  return tensor.data instanceof Float64Array ? tensor.data : toFloat32(tensor)
}
