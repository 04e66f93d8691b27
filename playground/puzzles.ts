// The kinds of puzzle that the page shows: their text, their tokens, their rules, and examples of each.
import { ARC_CELLS, ARC_VOCABULARY, cropArcGrid, encodeArcGrid } from '../src/data/arc-square.js'
import { ARC_SIDE, parseArcGrid } from '../src/data/arc-tasks.js'
import { MAZE_CHARACTERS } from '../src/data/maze.js'
import { sudokuSizeOf, sudokuViolations } from '../src/data/sudoku.js'
import { type Task, taskOf, tasks } from '../src/data/tasks.js'
import { foreign } from '../src/formats/recognise.js'
import { printable } from '../src/formats/shown.js'

export interface Token {
  id: number
  /** On the keyboard, and in the text form. */
  key: string
  name: string
}

export interface Puzzle {
  kind: Kind
  tokens: number[]
  /** The right answer, where the text told it. */
  expected?: number[]
}

export interface Kind {
  readonly name: 'sudoku' | 'maze' | 'arc'
  title(cells: number): string
  fits(cells: number, vocabulary: number): boolean
  side(cells: number): number
  /** What can be put into a cell. */
  tokens(cells: number): readonly Token[]
  text(tokens: readonly number[]): string
  /** An empty puzzle. */
  blank(cells: number): number[]
  /** What is wrong with an answer, in words. */
  violations(puzzle: Puzzle, answer: ArrayLike<number>): string[]
  /** Cells that take part in a violation. */
  wrongCells(puzzle: Puzzle, answer: ArrayLike<number>): number[]
}

const rows = (text: string, side: number) => text.match(new RegExp(`.{${side}}`, 'gs'))!.join('\n')
const [sudokuTask, mazeTask] = ['sudoku', 'maze'].map(name => tasks.find(task => task.name === name)) as [Task, Task]

const sudoku: Kind = {
  name: 'sudoku',
  title: cells => `Sudoku ${sudokuSizeOf(cells)}×${sudokuSizeOf(cells)}`,
  fits: (cells, vocabulary) => taskOf(cells, vocabulary) === sudokuTask,
  side: sudokuSizeOf,
  tokens: cells => [
    { id: 1, key: '.', name: 'blank' },
    ...Array.from({ length: sudokuSizeOf(cells) }, (_, i) => ({ id: i + 2, key: String(i + 1), name: String(i + 1) })),
  ],
  text: tokens => rows(sudokuTask.decode(tokens), sudokuSizeOf(tokens.length)),
  blank: cells => new Array<number>(cells).fill(1),
  violations: ({ tokens }, answer) => sudokuTask.violations(tokens, answer),
  wrongCells: ({ tokens }, answer) =>
    sudokuViolations(answer, sudokuSizeOf(tokens.length), tokens).flatMap(({ cells }) => cells),
}

const MAZE_NAMES = ['wall', 'floor', 'start', 'goal', 'path']

const maze: Kind = {
  name: 'maze',
  title: cells => `Maze ${mazeTask.side(cells)}×${mazeTask.side(cells)}`,
  fits: (cells, vocabulary) => taskOf(cells, vocabulary) === mazeTask,
  side: mazeTask.side,
  tokens: () => [...MAZE_CHARACTERS].slice(0, 4).map((key, i) => ({ id: i + 1, key, name: MAZE_NAMES[i] })),
  text: tokens => rows(mazeTask.decode(tokens), mazeTask.side(tokens.length)),
  blank: cells => new Array<number>(cells).fill(2),
  violations({ tokens }, answer) {
    try {
      return mazeTask.violations(tokens, answer)
    } catch (error) {
      // A question that is no maze yet: one S and one G are missing.
      return [(error as Error).message.replace(/^maze: /, '')]
    }
  },
  wrongCells: ({ tokens }, answer) =>
    tokens.flatMap((id, cell) => (answer[cell] === id || (id === 2 && answer[cell] === 5) ? [] : [cell])),
}

const COLOURS = ['black', 'blue', 'red', 'green', 'yellow', 'grey', 'pink', 'orange', 'light blue', 'brown']

const arc: Kind = {
  name: 'arc',
  title: () => 'ARC grid',
  fits: (cells, vocabulary) => cells === ARC_CELLS && vocabulary === ARC_VOCABULARY,
  side: () => ARC_SIDE,
  tokens: () => COLOURS.map((name, colour) => ({ id: colour + 2, key: String(colour), name })),
  text(tokens) {
    const { cells, rows, columns } = cropArcGrid(tokens)
    return `[${Array.from({ length: rows }, (_, row) => `[${Array.from(cells.subarray(row * columns, (row + 1) * columns)).join(',')}]`).join(',\n ')}]`
  },
  blank: () => Array.from(encodeArcGrid({ cells: new Uint8Array(9), rows: 3, columns: 3 })),
  violations: ({ expected }, answer) => {
    const found = cropArcGrid(answer)
    if (found.rows === 0) return ['the answer holds no grid']
    const wrong = expected ? differing(expected, answer).length : 0
    return wrong ? [`${wrong} cells differ from the expected output`] : []
  },
  wrongCells: ({ expected }, answer) => (expected ? differing(expected, answer) : []),
}

const differing = (expected: readonly number[], answer: ArrayLike<number>) =>
  expected.flatMap((id, cell) => (id === answer[cell] ? [] : [cell]))

export const kinds: readonly Kind[] = [sudoku, maze, arc]

/** The kind of puzzle that a model of this many cells and tokens answers. */
export function kindOf(cells: number, vocabulary: number): Kind | undefined {
  return kinds.find(kind => kind.fits(cells, vocabulary))
}

/** What a puzzle's model has to have: cells and tokens. */
export function needs({ kind, tokens }: Puzzle): [cells: number, vocabulary: number] {
  return [
    tokens.length,
    kind === sudoku ? sudokuSizeOf(tokens.length) + 2 : kind === maze ? MAZE_CHARACTERS.length + 1 : ARC_VOCABULARY,
  ]
}

/**
 * A puzzle from what somebody typed, pasted or picked: a Sudoku in any layout, maze rows, an ARC grid or task as JSON.
 * @throws one line that says what was expected
 */
export function parsePuzzle(text: string): Puzzle {
  const trimmed = text.trim()
  if (!trimmed) throw new Error('expected a puzzle, got nothing')
  const stranger = foreign(new TextEncoder().encode(trimmed), 'a puzzle', 'JSON')
  if (stranger) throw new Error(stranger)
  // A flat list is a Sudoku, a list of rows is an ARC grid.
  if (/^[[{]/.test(trimmed) && !/^\[\s*["'\d]/.test(trimmed)) return parseArc(trimmed)
  const kind = /[#SG]/.test(text) ? maze : sudoku
  const found = (kind === maze ? mazeTask : sudokuTask).parse(text)
  if (found.length > 1) throw new Error(`expected one puzzle, got ${found.length}`)
  return { kind, tokens: [...found[0].ids] }
}

function parseArc(text: string): Puzzle {
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch (error) {
    throw new Error(`ARC: expected JSON, got something else — ${printable((error as Error).message)}`)
  }
  const tokens = (grid: unknown, where: string) => [...encodeArcGrid(parseArcGrid(grid, where))]
  if (Array.isArray(json)) return { kind: arc, tokens: tokens(json, 'ARC grid') }
  const [pair] = ((json as { test?: { input?: unknown; output?: unknown }[] }).test ?? []) as {
    input?: unknown
    output?: unknown
  }[]
  if (!pair) throw new Error('ARC: expected a grid [[…], …] or a task with a "test" pair')
  return {
    kind: arc,
    tokens: tokens(pair.input, 'ARC test input'),
    ...(pair.output === undefined ? {} : { expected: tokens(pair.output, 'ARC test output') }),
  }
}

/** Puzzles to pick, of every kind. */
export const examples: readonly { title: string; text: string }[] = [
  { title: 'Sudoku 4×4, a', text: '12..\n....\n3.1.\n..4.' },
  { title: 'Sudoku 4×4, b', text: '2...\n....\n.4.2\n.2.1' },
  { title: 'Sudoku 4×4, c', text: '..14\n....\n21..\n.3..' },
  { title: 'Sudoku 6×6', text: '3.5.4.\n2.6...\n.3...5\n5.21..\n..13.2\n....5.' },
  {
    title: 'Sudoku 9×9',
    text: '53..7....\n6..195...\n.98....6.\n8...6...3\n4..8.3..1\n7...2...6\n.6....28.\n...419..5\n....8..79',
  },
  {
    title: 'Maze 9×9',
    text: '  S # #  \n ## #   #\n   # ##  \n# #  # # \n  # ##   \n# #   G# \n   ## #  \n #    # #\n  ## #   ',
  },
  {
    title: 'ARC',
    text: '{"train":[{"input":[[0,0,3],[0,3,0],[3,0,0]],"output":[[3,0,0],[0,3,0],[0,0,3]]}],\n "test":[{"input":[[2,0,0,0],[0,2,0,0],[0,0,2,5],[0,0,0,2]],"output":[[0,0,0,2],[0,0,2,0],[5,2,0,0],[2,0,0,0]]}]}',
  },
]
