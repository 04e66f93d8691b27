// Puzzle tables of "trm data sudoku" and "trm data maze": their options, reading them, and remarks about them.
import { writeIdentifiers } from '../data/dataset.js'
import { checkLayout, type PuzzleTable, type PuzzleTableOptions, readPuzzles } from '../data/gather.js'
import { mazeKind } from '../data/maze.js'
import { type PuzzleKind, puzzleFiles } from '../data/pairs.js'
import { sudokuKind } from '../data/sudoku.js'
import { type ColumnNames, type ColumnRole, type TableLayout, tableRows } from '../data/table.js'
import type { Pieces } from '../formats/pieces.js'
import type { OptionTable, Usage } from './arguments.js'
import { UsageError } from './arguments.js'
import { filePieces } from './files.js'
import { Progress } from './progress.js'

const csv = (split: string) =>
  ({
    type: 'string',
    required: true,
    placeholder: 'F.csv',
    description: `${split} puzzles: source,question,answer,rating`,
  }) as const
const column = (what: string, example: string) =>
  ({
    type: 'string',
    placeholder: 'NAME',
    description: `column of ${what}, by name or number`,
    otherwise: `the one named ${example}`,
  }) as const

const shared = {
  out: { type: 'string', required: true, placeholder: 'DIR', description: 'directory to write' },
  subsample: { type: 'number', min: 1, description: 'keep only N training puzzles, drawn at random' },
  seed: { type: 'number', default: 0, min: 0, description: 'seed of everything random' },
  force: { type: 'boolean', description: 'replace DIR if it is a dataset directory' },
  'question-column': column('puzzles', 'question, puzzle, quizzes, …'),
  'answer-column': column('answers', 'answer, solution, solutions, …'),
} as const

const notes = `Tables are CSV, with commas, semicolons or tabs, and may be packed with gzip. They may have any length:
with --subsample, little memory is needed.
Columns: question (puzzle, quizzes, …), answer (solution, solutions, …), rating (difficulty, backtracks). Other
columns are ignored.`

export const sudokuUsage = {
  command: 'trm data sudoku',
  summary: 'Build a dataset directory from Sudoku tables (4×4, 6×6 or 9×9).',
  options: {
    train: csv('training'),
    test: csv('test'),
    out: shared.out,
    augment: { type: 'number', default: 0, min: 0, description: 'shuffled copies added to each training puzzle' },
    subsample: shared.subsample,
    seed: shared.seed,
    force: shared.force,
    'min-difficulty': {
      type: 'number',
      fraction: true,
      description: 'leave out puzzles of both tables with a rating below N',
    },
    'skip-unsolved': {
      type: 'boolean',
      description: 'leave out puzzles without an answer that do not have exactly one solution',
    },
    'question-column': shared['question-column'],
    'answer-column': shared['answer-column'],
    'rating-column': column('ratings', 'rating, difficulty, backtracks'),
  },
  notes: `${notes}
A table without header may be lines of puzzles, 81 characters each with "." or "0" for blanks; an answer may follow
each puzzle. A "#" begins a comment.
Puzzles without an answer are solved here: each must have exactly one solution.`,
} as const satisfies Usage<OptionTable>

export const mazeUsage = {
  command: 'trm data maze',
  summary: 'Build a dataset directory from maze tables (characters "# SGo").',
  options: {
    train: csv('training'),
    test: csv('test'),
    out: shared.out,
    augment: {
      type: 'number',
      default: 0,
      min: 0,
      max: 7,
      description: 'turned and mirrored copies added to each training maze',
    },
    subsample: shared.subsample,
    seed: shared.seed,
    force: shared.force,
    'question-column': shared['question-column'],
    'answer-column': shared['answer-column'],
  },
  notes,
} as const satisfies Usage<OptionTable>

/** The values of both commands' options; options that a command does not have are undefined. */
export interface TableValues {
  train: string
  test: string
  augment: number
  subsample?: number
  seed: number
  'min-difficulty'?: number
  'skip-unsolved'?: boolean
  'question-column'?: string
  'answer-column'?: string
  'rating-column'?: string
}

const ROLES = ['question', 'answer', 'rating'] as const

/** Reads both tables, prints remarks about unusual ones, and returns the files of the dataset directory. */
export async function tableFiles(
  name: 'sudoku' | 'maze',
  values: TableValues,
): Promise<Map<string, Uint8Array | Iterable<Uint8Array>>> {
  const kind = name === 'sudoku' ? sudokuKind : mazeKind
  const { augment, subsample, seed } = values
  const given = ROLES.map(role => [role, values[`${role}-column`]] as const).filter(
    ([, column]) => column !== undefined,
  )
  const columns: ColumnNames = Object.fromEntries(given)
  const hints = {
    ...Object.fromEntries(ROLES.map(role => [role, ` — --${role}-column NAME says which it is`])),
    unsolved: ' — --skip-unsolved leaves such puzzles out',
  }
  const common = { columns, minRating: values['min-difficulty'], skipUnsolved: values['skip-unsolved'], hints }
  const train = openTable(values.train, { ...common, augment, subsample, seed })
  const test = openTable(values.test, common)
  await checkColumns([train, test], kind, columns)
  const tables: PuzzleTable[] = []
  for (const { pieces, options } of [train, test]) tables.push(await readTable(pieces, kind, options))
  const [cells, others] = tables.map(({ pairs }) => pairs.cells)
  if (cells !== others) {
    const got = `${cells} cells in ${values.train} and ${others} in ${values.test}`
    throw new Error(`data: expected puzzles of one size, got ${got}`)
  }
  return new Map([...writeIdentifiers(), ...puzzleFiles(tables[0], 'train'), ...puzzleFiles(tables[1], 'test')])
}

interface OpenTable {
  pieces: Pieces
  options: PuzzleTableOptions & { name: string }
}

function openTable(path: string, options: PuzzleTableOptions): OpenTable {
  const progress = new Progress()
  let shown = 0
  const pieces = filePieces(path, 'data: cannot read', share => {
    if (performance.now() - shown < 200 && share < 1) return
    shown = performance.now()
    progress.glimpse(share, 1, `reading ${path}`)
    if (share === 1) progress.end()
  })
  return { pieces, options: { ...options, name: path } }
}

/**
 * Checks the first lines, so that a long table is not read in vain.
 * @throws where a column is missing, or a column that an option names is in no table
 */
async function checkColumns(tables: readonly OpenTable[], kind: PuzzleKind, columns: ColumnNames): Promise<void> {
  const layouts: TableLayout[] = []
  for (const { pieces, options } of tables) {
    const layout = await peek(pieces, options)
    checkLayout(layout, kind, options)
    layouts.push(layout)
  }
  const names = tables.map(({ options }) => options.name).join(' or ')
  const missing = ROLES.find(role => columns[role] !== undefined && !layouts.some(({ asked }) => asked.includes(role)))
  if (missing) {
    const got = JSON.stringify(columns[missing])
    throw new UsageError(`trm data ${kind.name}: --${missing}-column: expected a column of ${names}, got ${got}`)
  }
}

async function peek(pieces: Pieces, { name, columns, hints }: OpenTable['options']): Promise<TableLayout> {
  for await (const { layout } of tableRows(pieces(), name, columns, hints?.question)) return layout
  throw new Error(`${name}: expected a table, got nothing`)
}

async function readTable(pieces: Pieces, kind: PuzzleKind, options: OpenTable['options']): Promise<PuzzleTable> {
  const table = await readPuzzles(pieces, kind, options)
  const said = remarks(table, options)
  if (said.length > 0) console.log(`${options.name}: ${said.join('; ')}`)
  return table
}

/** Remarks about what a table has that an official one has not. */
function remarks(
  { pairs, counts: { usable, below, solved, unsolved }, layout }: PuzzleTable & { layout: TableLayout },
  { minRating }: PuzzleTableOptions,
): string[] {
  const { first, hasHeader } = layout
  const isUsed = (role: ColumnRole) => layout[role] >= 0 && (role !== 'rating' || minRating !== undefined)
  const used = ROLES.filter(role => isUsed(role) && first[layout[role]] !== role)
  const few = solved === pairs.length ? `${solved}` : `${solved} of ${pairs.length}`
  const lines = unsolved.length > 5 ? `${unsolved.slice(0, 5).join(', ')}, …` : unsolved.join(', ')
  return [
    ...(hasHeader ? used.map(role => `${role}s from column ${JSON.stringify(first[layout[role]])}`) : ['no header']),
    ...(below
      ? [`${usable + unsolved.length} of ${usable + unsolved.length + below} puzzles have a rating from ${minRating}`]
      : []),
    ...(solved ? [`${few} puzzles without an answer, solved: each has exactly one solution`] : []),
    ...(unsolved.length
      ? [`${unsolved.length} left out without exactly one solution (line${unsolved.length > 1 ? 's' : ''} ${lines})`]
      : []),
  ]
}
