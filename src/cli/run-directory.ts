// The directory of a training run: configuration, metrics and checkpoints, written whole, and what a resumed run finds.
import { readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { readCheckpointConfig } from '../trm/published/checkpoint.js'
import type { RunSettings } from '../trm/published/settings.js'
import { appendWhole, removePartials, writeTogether, writeWhole } from './files.js'
import { writeYaml } from './yaml.js'

/** Time that a training took, in seconds to one decimal. `processorSeconds` sums over all threads. */
export interface Spent {
  seconds: number
  processorSeconds: number
}

export interface RunDirectoryOptions {
  /** Checkpoints to keep in addition to the newest and the best. */
  keep: number
  /** Step at which the run in this directory was left; undefined for a new run. */
  resumedAt?: number
}

/** Where the state of a training lies: everything that `--resume` needs. */
export const stateFile = (out: string) => join(out, 'training.safetensors')

/** Where the configuration of a run lies. */
export const configFile = (out: string) => join(out, 'config.yaml')

export class RunDirectory {
  /** The newest checkpoint. */
  readonly checkpoint: string
  /** The checkpoint with the highest accuracy on the test split. */
  readonly best: string
  readonly #out: string
  readonly #metrics: string
  readonly #options: RunDirectoryOptions
  /** Lines of metrics.jsonl up to the step at which the run was left. */
  #oldRows = ''
  /** Steps of the checkpoints that are kept, oldest first. */
  #kept: number[] = []
  #spent: Spent = { seconds: 0, processorSeconds: 0 }
  #bestAccuracy = -1
  #savedAt: number | undefined

  private constructor(out: string, options: RunDirectoryOptions) {
    this.checkpoint = join(out, 'model.safetensors')
    this.best = join(out, 'best.safetensors')
    this.#out = out
    this.#metrics = join(out, 'metrics.jsonl')
    this.#options = options
    this.#savedAt = options.resumedAt
  }

  /** Reads what an earlier run left. Changes nothing: that begins with `begin`. */
  static async open(out: string, options: RunDirectoryOptions): Promise<RunDirectory> {
    const directory = new RunDirectory(out, options)
    const { resumedAt } = options
    if (resumedAt === undefined) return directory
    directory.#kept = await keptSteps(out, resumedAt)
    directory.#bestAccuracy = await accuracyOf(directory.best)
    directory.#oldRows = await rowsUpTo(directory.#metrics, resumedAt)
    directory.#spent = spentUpTo(directory.#oldRows)
    return directory
  }

  /** Step of the checkpoint in the directory; undefined before the first. */
  get savedAt(): number | undefined {
    return this.#savedAt
  }

  /** Time that the run took up to the step at which it was left; zero for a new run. */
  get spent(): Spent {
    return this.#spent
  }

  /** Takes the directory over: writes the configuration, and removes what does not belong to this run. */
  async begin(settings: RunSettings): Promise<void> {
    const isResumed = this.#options.resumedAt !== undefined
    await removePartials(this.#out)
    if (isResumed) await writeWhole(this.#metrics, this.#oldRows)
    await writeWhole(configFile(this.#out), writeYaml(settings))
    if (isResumed) return
    for (const file of [this.#metrics, this.best, stateFile(this.#out)]) await rm(file, { force: true })
  }

  /** Adds a line to metrics.jsonl. */
  async log(line: string): Promise<void> {
    await appendWhole(this.#metrics, `${line}\n`)
  }

  /** Replaces checkpoint and training state together; keeps a copy of the checkpoint where `keep` asks for it. */
  async save(step: number, checkpoint: Uint8Array, state: Uint8Array): Promise<void> {
    const { keep } = this.#options
    const copy = keep > 0 ? [[this.#keptFile(step), checkpoint] as const] : []
    await writeTogether([...copy, [this.checkpoint, checkpoint], [stateFile(this.#out), state]])
    this.#savedAt = step
    if (!copy.length) return
    this.#kept.push(step)
    const old = this.#kept.splice(0, Math.max(0, this.#kept.length - keep))
    for (const step of old) await rm(this.#keptFile(step), { force: true })
  }

  /** Whether a model of this held-out accuracy is better than the best one so far. */
  isBest(accuracy: number): boolean {
    return accuracy > this.#bestAccuracy
  }

  async saveBest(accuracy: number, checkpoint: Uint8Array): Promise<void> {
    this.#bestAccuracy = accuracy
    await writeWhole(this.best, checkpoint)
  }

  #keptFile(step: number): string {
    return join(this.#out, `model-${step}.safetensors`)
  }
}

/** Steps of the checkpoints that an earlier run kept, oldest first. */
async function keptSteps(out: string, last: number): Promise<number[]> {
  const steps = (await readdir(out)).map(file => Number(/^model-(\d+)\.safetensors$/.exec(file)?.[1] ?? NaN))
  return steps.filter(step => step <= last).sort((a, b) => a - b)
}

/** The held-out accuracy that best.safetensors names; −1 without such a file. */
async function accuracyOf(best: string): Promise<number> {
  const bytes = await readFile(best).catch(() => undefined)
  return bytes ? Number(readCheckpointConfig(new Uint8Array(bytes), best).metadata.exactAccuracy ?? -1) : -1
}

/** The lines of metrics.jsonl up to a step. Later lines and torn ones are left out. */
async function rowsUpTo(file: string, step: number): Promise<string> {
  const text = await readFile(file, 'utf8').catch(() => '')
  const isWanted = (line: string) => {
    try {
      return (JSON.parse(line) as { step: number }).step <= step
    } catch {
      return false
    }
  }
  const lines = text.split('\n').filter(isWanted)
  return lines.map(line => `${line}\n`).join('')
}

/** Time that a training took up to the last of these rows of metrics.jsonl. */
function spentUpTo(rows: string): Spent {
  const last = rows.trim().split('\n').at(-1)
  const { seconds = 0, processorSeconds = 0 } = JSON.parse(last || '{}') as Partial<Spent>
  return { seconds, processorSeconds }
}
