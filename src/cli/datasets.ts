// Dataset directories on the command line: which ones a command means, and whether they can be used together.
import { existsSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { exampleCount, type Examples, type Split } from '../data/dataset.js'
import { openDataset } from '../data/directory.js'
import type { GridTask } from '../data/grids.js'
import type { RunSettings } from '../trm/published/settings.js'
import { UsageError } from './arguments.js'
import { datasetDirectory, readBytes } from './files.js'
import { readGridTask } from './grids.js'

/** Opens one split of these directories. The caller closes it. */
export function openSplit(directories: readonly string[], split: Split): Promise<Examples> {
  return openDataset(directories.map(datasetDirectory), split)
}

export async function closeSplit(dataset: Examples | undefined): Promise<void> {
  if (dataset && 'close' in dataset) await dataset.close()
}

export interface TrainingPaths {
  train: string[]
  /** Directories to evaluate on, where they are not those of `train`. */
  test: string[] | undefined
}

/**
 * The directories of a training: those of --data, else those that the settings name by their official fields.
 * @throws a UsageError that begins with `command` where there are none
 */
export function trainingPaths(data: readonly string[], settings: Partial<RunSettings>, command: string): TrainingPaths {
  const list = (field: string) => {
    const value = settings[field] ?? []
    const paths = Array.isArray(value) ? value : [value]
    const wrong = paths.find(path => typeof path !== 'string' || path === '')
    if (wrong === undefined) return paths as string[]
    throw new Error(`config: ${field} is ${JSON.stringify(value)}, expected a list of directories, e.g. [data/a]`)
  }
  if (data.length) return { train: [...data], test: undefined }
  // HRM has one directory, under a name of its own.
  const train = [...list('data_paths'), ...list('data_path')]
  if (!train.length) {
    const wanted = '--data DIR (dataset directory), or data_paths=[DIR,…]'
    throw new UsageError(`${command}: expected ${wanted}, got nothing — see "${command} --help"`)
  }
  const test = list('data_paths_test')
  return { train, test: test.length ? test : undefined }
}

/** Opens the test split to evaluate a training on; undefined where there is none. `notes` gets remarks for the user. */
export async function openTestSplit({ train, test }: TrainingPaths, notes: string[]): Promise<Examples | undefined> {
  const nothing = 'nothing is evaluated, and no best.safetensors is kept'
  const lacking = test ? [] : await withoutTest(train)
  const those = test ?? train.filter(directory => !lacking.includes(directory))
  if (those.length === 0) {
    notes.push(`${lacking.join(', ')}: no test split: ${nothing}`)
    return undefined
  }
  if (lacking.length) notes.push(`${lacking.join(', ')}: no test split: evaluated on that of ${those.join(', ')}`)
  const dataset = await openSplit(those, 'test').catch((error: Error) => {
    const hint = "data_paths_test of the configuration names it; data_paths_test=[] means the training's own data"
    throw test ? new Error(`${error.message} — ${hint}`) : error
  })
  if (exampleCount(dataset) > 0) return dataset
  await closeSplit(dataset)
  notes.push(`${those.join(', ')}: the test split has no examples: ${nothing}`)
  return undefined
}

/** Directories whose folder of the test split is missing or empty; hidden files do not count. */
export async function withoutTest(directories: readonly string[]): Promise<string[]> {
  const isEmpty = await Promise.all(
    directories.map(async directory => {
      // Other errors than absence are reported when the files are read.
      const entries = readdir(join(directory, 'test'))
      const names = await entries.catch((error: NodeJS.ErrnoException) => (error.code === 'ENOENT' ? [] : ['?']))
      return names.every(name => name.startsWith('.'))
    }),
  )
  return directories.filter((_, i) => isEmpty[i])
}

/** What the tokens mean in directories of "trm data grids". @throws where the directories disagree */
export async function readGridTasks(directories: readonly string[]): Promise<GridTask | undefined> {
  const tasks = await Promise.all(directories.map(readGridTask))
  const alphabet = (task: GridTask | undefined) => (task ? `the alphabet "${task.alphabet.join('')}"` : 'no grids.json')
  for (const [i, task] of tasks.entries()) {
    if (alphabet(task) === alphabet(tasks[0])) continue
    const expected = `${alphabet(tasks[0])} as in ${directories[0]}`
    const hint = 'directories that are used together have to agree'
    throw new Error(`dataset ${directories[i]}: expected ${expected}, got ${alphabet(task)} — ${hint}`)
  }
  return tasks[0]
}

/** A line where equal puzzle identifiers name different puzzles: these share rows of the embedding table. */
export async function sharedIdentifiers(directories: readonly string[]): Promise<string[]> {
  const names = await Promise.all(
    directories.map(async directory => {
      const path = join(directory, 'identifiers.json')
      return existsSync(path) ? Buffer.from(await readBytes(path, 'dataset')).toString('latin1') : undefined
    }),
  )
  const other = names.findIndex(text => text !== names[0])
  if (other < 0) return []
  const which = `${directories[0]} and ${directories[other]} have other names for their puzzle identifiers`
  return [`${which}: equal identifiers share a row of puzzle_emb, as in the published code`]
}
