// ARC grids as the page shows them, and ARC tasks as JSON.
import { ARC_CELLS, ARC_VOCABULARY, cropArcGrid, encodeArcGrid } from '../src/data/arc-square.js'
import { ARC_SIDE, parseArcGrid } from '../src/data/arc-tasks.js'
import { printable } from '../src/formats/shown.js'
import type { Extent, Kind, Look, Puzzle } from './puzzle.js'

const COLOURS = ['black', 'blue', 'red', 'green', 'yellow', 'grey', 'pink', 'orange', 'light blue', 'brown']

/** Ids of what surrounds a grid in its square; colour c is token c + 2. */
const [OUTSIDE, EDGE] = [0, 1]

/** By token id. */
const LOOKS: readonly Look[] = [
  { text: '', look: 'none', name: 'outside' },
  { text: '', look: 'edge', name: 'edge' },
  ...COLOURS.map((name, colour) => ({ text: '', look: `colour-${colour}`, name })),
]

export const arc: Kind = {
  name: 'arc',
  praise: ({ expected }) =>
    expected
      ? { verdict: 'solved', text: 'The answer is the expected output.' }
      : { verdict: 'answered', text: 'No expected output was given, so nothing can be checked.' },
  title: () => 'ARC grid',
  fits: (cells, vocabulary) => cells === ARC_CELLS && vocabulary === ARC_VOCABULARY,
  vocabulary: () => ARC_VOCABULARY,
  side: () => ARC_SIDE,
  extent: ({ tokens, expected }, answer) => extentOf(ARC_SIDE, [tokens, answer, expected ?? []]),
  boxes: () => undefined,
  tokens: () => COLOURS.map((name, colour) => ({ id: colour + 2, key: String(colour), name, label: '' })),
  look: id => LOOKS[id] ?? LOOKS[OUTSIDE],
  isGiven: () => false,
  text: tokens =>
    `[${rowsOf(tokens)
      .map(row => `[${row.join(',')}]`)
      .join(',\n ')}]`,
  blank: () => Array.from(encodeArcGrid({ cells: new Uint8Array(9), rows: 3, columns: 3 })),
  violations({ expected }, answer) {
    if (cropArcGrid(answer).rows === 0) return ['the answer holds no grid']
    const wrong = differing(expected, answer).length
    return wrong ? [`${wrong} cells differ from the expected output`] : []
  },
  contradictions: () => [],
  conflicts: ({ expected }, answer) => expected && differing(expected, answer).length,
  wrongCells: ({ expected }, answer) => differing(expected, answer),
}

/** The colours of a grid, row by row. */
export function rowsOf(tokens: ArrayLike<number>): number[][] {
  const { cells, rows, columns } = cropArcGrid(tokens)
  return Array.from({ length: rows }, (_, row) => Array.from(cells.subarray(row * columns, (row + 1) * columns)))
}

const differing = (expected: readonly number[] = [], answer: ArrayLike<number>) =>
  expected.flatMap((id, cell) => (id === answer[cell] ? [] : [cell]))

/** Rows and columns that any of these grids of tokens uses. */
function extentOf(side: number, grids: readonly ArrayLike<number>[]): Extent {
  const used = grids.flatMap(grid => Array.from(grid, (id, cell) => (id > EDGE ? cell : -1)).filter(cell => cell >= 0))
  return {
    rows: Math.max(1, ...used.map(cell => Math.floor(cell / side) + 1)),
    columns: Math.max(1, ...used.map(cell => (cell % side) + 1)),
  }
}

/** @throws one line when the text is neither a grid nor a task */
export function parseArc(text: string): Puzzle {
  const json = parseJson(text)
  const tokens = (grid: unknown, where: string) => [...encodeArcGrid(parseArcGrid(grid, where))]
  if (Array.isArray(json)) return { kind: arc, tokens: tokens(json, 'ARC grid') }
  const [pair] = (json as { test?: { input?: unknown; output?: unknown }[] }).test ?? []
  if (!pair) throw new Error('ARC: expected a grid [[…], …] or a task with a "test" pair')
  const expected = pair.output === undefined ? {} : { expected: tokens(pair.output, 'ARC test output') }
  return { kind: arc, tokens: tokens(pair.input, 'ARC test input'), ...expected }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new Error(`ARC: expected JSON, got something else — ${printable((error as Error).message)}`)
  }
}
