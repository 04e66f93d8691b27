// trm data: builds dataset directories from puzzle tables, ARC tasks, grids, or by generators.
import { join } from 'node:path'
import { arcFiles, planArc, type ArcSubset } from '../data/arc.js'
import { ARC_AUGMENT_LIMIT } from '../data/arc-augment.js'
import { writeDataset, writeIdentifiers, type Dataset } from '../data/dataset.js'
import { gridDataset, gridTaskOf, GRID_TASK_PATH, parseGrids } from '../data/grids.js'
import { generateMaze } from '../data/maze.js'
import { generateSudoku, type SudokuSize } from '../data/sudoku.js'
import { LeftOut, readArcSubset } from './arc-tasks.js'
import { helpText, parseArguments, UsageError, type OptionTable, type Usage } from './arguments.js'
import { openSplit } from './datasets.js'
import { checkPlace, type Files, writeDirectory } from './dataset-output.js'
import { readBytes } from './files.js'
import { Progress } from './progress.js'
import { mazeUsage, sudokuUsage, tableFiles, type TableValues } from './tables.js'

const out = { type: 'string', required: true, placeholder: 'DIR', description: 'directory to write' } as const
const seed = { type: 'number', default: 0, min: 0, description: 'seed of everything random' } as const
const force = { type: 'boolean', description: 'replace DIR if it is a dataset directory' } as const
const examples = (split: string) =>
  ({
    type: 'string',
    required: true,
    placeholder: 'F',
    description: `${split} examples as JSON Lines or CSV, see below`,
  }) as const
const count = (split: string) =>
  ({ type: 'number', required: true, min: 1, description: `${split} puzzles to make` }) as const
const avoid = (verb: string) =>
  ({
    type: 'string',
    placeholder: 'DIR[,DIR…]',
    description: `let no puzzle ${verb} the training split of these dataset directories`,
  }) as const

const arcUsage = {
  command: 'trm data arc',
  summary: 'Build a dataset directory from ARC tasks, with one puzzle identifier for each augmentation of a task.',
  positionals: ['[PREFIX…]'],
  options: {
    train: { type: 'string', required: true, placeholder: 'PREFIX', description: 'where the subsets are, see below' },
    out,
    subsets: {
      type: 'string',
      default: 'training,evaluation,concept',
      placeholder: 'A,B',
      description: 'subsets to read',
    },
    'test-set': {
      type: 'string',
      placeholder: 'A,B',
      description: 'subsets to test on: their demonstrations are training data, their test pairs the test split',
      otherwise: 'those of evaluation, evaluation2 that are read',
    },
    without: { type: 'string', placeholder: 'A,B', description: 'tasks to leave out: NAME, or SUBSET/NAME' },
    augment: {
      type: 'number',
      default: ARC_AUGMENT_LIMIT,
      min: 0,
      max: ARC_AUGMENT_LIMIT,
      description: 'distinct augmentations of each task: rotations and reflections with permuted colours',
    },
    seed,
    force,
  },
  notes: `A subset S is read from PREFIX_S_challenges.json and PREFIX_S_solutions.json (PREFIX may be their folder),
or from the folder PREFIX/S with one JSON file per task. Of several prefixes, the first that has S counts.
Hidden files are ignored.

ARC-AGI-1 as published: the defaults.
ARC-AGI-2: --subsets training2,evaluation2,concept
Kaggle's test file: --subsets training,evaluation,test --test-set test
Without solutions its test inputs are answered but not scored. "trm eval --out" or "trm score arc" writes
submission.json.`,
} as const satisfies Usage<OptionTable>

const gridsUsage = {
  command: 'trm data grids',
  summary: 'Build a dataset directory from your own pairs of an input grid and an output grid.',
  options: {
    train: examples('training'),
    test: examples('test'),
    out,
    alphabet: {
      type: 'string',
      placeholder: 'CHARACTERS',
      description: 'all characters that may occur, in the order of their tokens',
      otherwise: 'those that occur',
    },
    force,
  },
  notes: `JSON Lines: {"input": GRID, "output": GRID} in each line.
CSV: the header input,output, then a grid in each cell.
A grid is one character per cell, with "/" or line breaks between rows: "#.S/#.#". In JSON it may also be a list of
rows, ["#.S", "#.#"] or [[1,0,2],[1,0,1]] (10 … 35 count as a … z).
Input and output of an example have the same size. Examples may differ in size; cells outside a grid are not scored.`,
} as const satisfies Usage<OptionTable>

const generateSudokuUsage = {
  command: 'trm data generate sudoku',
  summary: 'Make Sudoku puzzles with one solution each; no solution of the test split occurs in the training split.',
  options: {
    size: { type: 'number', required: true, description: '4, 6 or 9' },
    train: count('training'),
    test: count('test'),
    out,
    clues: { type: 'number', min: 4, description: 'exact number of givens', otherwise: 'as few as removal reaches' },
    'max-clues': { type: 'number', min: 4, description: 'draw each number of givens evenly from --clues to this one' },
    'min-rating': { type: 'number', min: 0, description: 'fewest guesses that a puzzle may take, see below' },
    'max-rating': { type: 'number', min: 0, description: 'most guesses that a puzzle may take' },
    apart: { type: 'boolean', description: 'let the splits share no solution up to symmetry, see below' },
    avoid: avoid('have a solution of'),
    seed,
    force,
  },
  notes: `The rating is the number of guesses of a search that applies singles and locked candidates before each guess.
tdoku searches in this way, and its backtracks are the rating of Sudoku-Extreme. The published puzzles have 22 on
average; 0 means no guess.
A local search finds few clues and high ratings. On one core, a 9×9 puzzle with 20 clues or with a rating of 10 takes
about a second, and one with a rating of 20 several seconds. 19 clues or fewer are hardly ever found.
Symmetries (--apart) relabel digits, permute rows, columns, bands and stacks, and transpose where boxes are square.
With --apart, the test split has few classes of solutions for small sizes: 1 of 2 for 4×4, at most 8 of 49 for 6×6.
With --apart, --avoid also leaves out solutions that symmetries turn into one of those.`,
} as const satisfies Usage<OptionTable>

const generateMazeUsage = {
  command: 'trm data generate maze',
  summary: 'Make mazes with exactly one path, or hard ones; no maze is in both splits, not even turned or mirrored.',
  options: {
    size: { type: 'number', required: true, min: 5, max: 100, description: 'side of the maze' },
    rooms: {
      type: 'boolean',
      description: 'build an outer wall, rooms at odd rows and columns, and corridors between them (odd sizes only)',
    },
    hard: { type: 'boolean', description: 'scatter walls and put S and G far apart as in Maze-Hard, see below' },
    'min-path': { type: 'number', min: 1, description: 'fewest steps from S to G' },
    train: count('training'),
    test: count('test'),
    out,
    avoid: avoid('be one of'),
    seed,
    force,
  },
  notes: `Hard mazes are like the published Maze-Hard data: walls at random cells (32 to 42 %), loops, long paths.
Without --min-path, the shortest path has at least 109 steps at size 30, 45 at size 15 and 24 at size 9.
Of several shortest paths, the answer is the one that the published data has: from S on, it prefers a step down, then
left, right, up.`,
} as const satisfies Usage<OptionTable>

/** The command, for the table of commands: `run` takes the arguments after `trm data`. */
export const dataCommand = {
  name: 'data',
  summary: 'dataset directories from puzzle tables, ARC tasks, your own grids, or generators',
  help: `Build dataset directories from puzzle tables, ARC tasks, your own grids, or generators.

Usage:
  trm data sudoku|maze --train F.csv --test F.csv --out DIR [--augment N] [--subsample N] [--seed N] [--force]
  trm data arc --train PREFIX --out DIR [--subsets A,B] [--test-set A,B] [--without A,B] [--augment N] [--seed N]
               [--force] [PREFIX…]
  trm data grids --train F.jsonl|F.csv --test F --out DIR [--alphabet CHARACTERS] [--force]
  trm data generate sudoku --size 4|6|9 --train N --test N --out DIR [--clues N [--max-clues N]]
               [--min-rating N] [--max-rating N] [--apart] [--avoid DIR] [--seed N] [--force]
  trm data generate maze --size N --train N --test N --out DIR [--rooms | --hard] [--min-path N]
               [--avoid DIR] [--seed N] [--force]

Each has its own --help.`,
  run: runData,
}

/**
 * Runs one sub-command.
 * @throws a UsageError for a wrong command line, an Error where reading, building or writing fails
 */
async function runData(args: string[]): Promise<void> {
  const [name, ...rest] = args
  if (name === 'sudoku') return buildFromTables(name, parseArguments(rest, sudokuUsage)?.values)
  if (name === 'maze') return buildFromTables(name, parseArguments(rest, mazeUsage)?.values)
  if (name === 'arc') return buildArc(rest)
  if (name === 'grids') return buildGrids(rest)
  if (name === 'generate') return generate(rest)
  if (name === '--help' || name === '-h') return console.log(dataCommand.help)
  const hint = 'or arc for ARC tasks, grids for your own, see "trm data --help"'
  throw new UsageError(`trm data: expected sudoku, maze or generate, got ${quoted(name)} — ${hint}`)
}

async function generate([name, ...rest]: string[]): Promise<void> {
  if (name === 'sudoku') {
    const values = parseArguments(rest, generateSudokuUsage)?.values
    if (!values) return
    const { size, 'max-clues': maxClues, 'min-rating': minRating, 'max-rating': maxRating, ...others } = values
    if (![4, 6, 9].includes(size))
      throw new UsageError(`${generateSudokuUsage.command}: --size: expected 4, 6 or 9, got ${size}`)
    return save(values, async () => {
      const avoid = await readTrainingSplits(listOf('avoid', values.avoid, generateSudokuUsage))
      return generateSudoku({ ...others, size: size as SudokuSize, maxClues, minRating, maxRating, avoid })
    })
  }
  if (name === 'maze') {
    const values = parseArguments(rest, generateMazeUsage)?.values
    if (!values) return
    return save(values, async () => {
      const avoid = await readTrainingSplits(listOf('avoid', values.avoid, generateMazeUsage))
      return generateMaze({ ...values, minPath: values['min-path'], avoid })
    })
  }
  if (name === '--help' || name === '-h')
    return console.log([helpText(generateSudokuUsage), helpText(generateMazeUsage)].join('\n\n\n'))
  throw new UsageError(
    `trm data generate: expected sudoku or maze, got ${quoted(name)} — see "trm data generate --help"`,
  )
}

/** The training splits of dataset directories, in memory. @throws where one cannot be read, or is too large for that */
async function readTrainingSplits(directories: readonly string[]): Promise<Dataset[]> {
  const splits: Dataset[] = []
  for (const directory of directories) {
    const examples = await openSplit([directory], 'train')
    if (!('labels' in examples)) {
      await examples.close()
      throw new Error(
        `data: ${directory}: expected tables of up to 256 MB to avoid, got larger ones — give a smaller part`,
      )
    }
    splits.push(examples)
  }
  return splits
}

const quoted = (name: string | undefined) => (name === undefined ? 'nothing' : JSON.stringify(name))

async function buildFromTables(
  name: 'sudoku' | 'maze',
  values: (TableValues & { out: string; force: boolean }) | undefined,
): Promise<void> {
  if (values) await saveFiles(values, () => tableFiles(name, values))
}

async function buildArc(args: string[]): Promise<void> {
  const parsed = parseArguments(args, arcUsage)
  if (!parsed) return
  const { train, subsets, 'test-set': testSet, without, augment, seed } = parsed.values
  const names = listOf('subsets', subsets, arcUsage)
  const tested =
    testSet === undefined
      ? ['evaluation', 'evaluation2'].filter(name => names.includes(name))
      : listOf('test-set', testSet, arcUsage)
  const unread = tested.find(name => !names.includes(name))
  if (unread !== undefined || tested.length === 0) {
    const expected = `expected some of the subsets ${names.join(', ')}`
    throw new UsageError(`${arcUsage.command}: --test-set: ${expected}, got ${quoted(unread)}`)
  }
  const leftOut = new LeftOut(listOf('without', without, arcUsage))
  await saveFiles(parsed.values, async () => {
    const read: ArcSubset[] = []
    for (const name of names) {
      const heldOut = tested.includes(name)
      // Only a subset that --test-set names may lack solutions: elsewhere a missing file would go unnoticed.
      const placeholders = heldOut && testSet !== undefined
      const tasks = await readArcSubset([train, ...parsed.positionals], name, { leftOut, placeholders })
      read.push({ name, tasks, heldOut })
    }
    const [stranger] = leftOut.unmatched
    if (stranger !== undefined) {
      const expected = `expected names of tasks in ${names.join(', ')}`
      throw new UsageError(`${arcUsage.command}: --without: ${expected}, got ${JSON.stringify(stranger)}`)
    }
    for (const { name, tasks } of read) tellUnsolved(name, tasks)
    const progress = new Progress()
    progress.glimpse(0, 1, 'drawing augmentations')
    const plan = planArc(read, { augment, seed })
    progress.end()
    const short = plan.groups.filter(({ identifiers }) => identifiers.length <= augment)
    if (short.length > 0)
      console.log(`${short.length} of ${plan.groups.length} tasks have fewer than ${augment} distinct augmentations`)
    return arcFiles(plan)
  })
}

async function buildGrids(args: string[]): Promise<void> {
  const values = parseArguments(args, gridsUsage)?.values
  if (!values) return
  await saveFiles(values, async () => {
    const [train, test] = await Promise.all(
      [values.train, values.test].map(async path => parseGrids(await readBytes(path, 'data: cannot read'), path)),
    )
    for (const [path, pairs] of [
      [values.train, train],
      [values.test, test],
    ] as const)
      if (pairs.length === 0) throw new Error(`${path}: expected at least one example, got none`)
    const task = gridTaskOf([...train, ...test], values.alphabet === undefined ? undefined : [...values.alphabet])
    const learnt = new Set(train.map(({ input }) => JSON.stringify(input)))
    const known = test.filter(({ input }) => learnt.has(JSON.stringify(input))).length
    const shared = known ? `; ${known} of ${test.length} test inputs occur in training too` : ''
    console.log(`alphabet: "${task.alphabet.join('')}"${shared}`)
    const files = [
      ...writeIdentifiers(),
      ...writeDataset(gridDataset(train, task), 'train'),
      ...writeDataset(gridDataset(test, task), 'test'),
    ]
    return new Map([...files, [GRID_TASK_PATH, new TextEncoder().encode(JSON.stringify(task))]])
  })
}

/** The names of an option, [] without it. @throws a UsageError where one is empty or stands there twice */
function listOf(option: string, text: string | undefined, { command }: { command: string }): string[] {
  if (text === undefined) return []
  const names = text.split(',').map(name => name.trim())
  if (names.includes('') || new Set(names).size < names.length)
    throw new UsageError(
      `${command}: --${option}: expected different names with commas between, got ${JSON.stringify(text)}`,
    )
  return names
}

/** Says how many test inputs of a subset have no known output. */
function tellUnsolved(subset: string, tasks: ArcSubset['tasks']): void {
  const asked = tasks.flatMap(({ pairs }) => pairs).filter(({ part }) => part === 'test')
  const unsolved = asked.filter(({ placeholder }) => placeholder).length
  if (unsolved === 0) return
  console.log(
    `${subset}: ${unsolved} of ${asked.length} test inputs have no known output: they are answered, not scored`,
  )
}

async function save(
  options: { out: string; force: boolean },
  build: () => { train: Dataset; test: Dataset } | Promise<{ train: Dataset; test: Dataset }>,
): Promise<void> {
  await saveFiles(options, async () => {
    const { train, test } = await build()
    return new Map([...writeIdentifiers(), ...writeDataset(train, 'train'), ...writeDataset(test, 'test')])
  })
}

/** Checks the place first, so that a long build is not lost; then builds, writes, and prints what was written. */
async function saveFiles({ out, force }: { out: string; force: boolean }, build: () => Promise<Files>): Promise<void> {
  await checkPlace(out, force)
  const files = await build()
  await writeDirectory(out, files, force)
  for (const split of ['train', 'test']) {
    const { seq_len, vocab_size, total_groups, total_puzzles, mean_puzzle_examples } = JSON.parse(
      new TextDecoder().decode(files.get(`${split}/dataset.json`) as Uint8Array),
    )
    const side = Math.sqrt(seq_len)
    const shape = Number.isInteger(side) ? `${side}×${side}` : `${seq_len} cells`
    const examples = Math.round(total_puzzles * mean_puzzle_examples)
    const counts = `${examples} examples in ${total_groups} groups`
    console.log(`${join(out, split)}: ${counts}, ${shape}, vocabulary ${vocab_size}`)
  }
}
