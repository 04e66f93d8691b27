// Puzzles as links: the part of an address after `#`, which browsers keep to themselves.
import { parseArc, rowsOf } from './arc.js'
import { maze, mazeTask } from './maze.js'
import type { Puzzle } from './puzzle.js'
import { parseSudoku } from './puzzles.js'
import { sudoku } from './sudoku.js'

/** The longest fragment that is read: two ARC grids have 1,800 cells. */
const MOST_CHARACTERS = 4000

/** Characters of mazes that addresses would escape. */
const MAZE_IN_LINKS: Record<string, string> = { '#': 'w', ' ': '.' }

/** The fragment of a puzzle, e.g. `#/solve/sudoku/12......3.1...4.`. */
export function linkOf(puzzle: Puzzle): string {
  return `#/solve/${puzzle.kind.name}/${WRITERS[puzzle.kind.name](puzzle)}`
}

/**
 * The puzzle of a fragment; undefined where it names none.
 * @throws one line when the fragment is broken
 */
export function puzzleOfLink(fragment: string): Puzzle | undefined {
  const [, kind, text] = /^#\/solve\/([^/]*)\/(.*)$/.exec(fragment) ?? []
  if (kind === undefined) return undefined
  if (text.length > MOST_CHARACTERS)
    throw new Error(`expected at most ${MOST_CHARACTERS} characters after ${kind}/, got ${text.length}`)
  if (!Object.hasOwn(READERS, kind))
    throw new Error(`expected a link with ${Object.keys(READERS).join(', ')}, got none of them — copy the whole link`)
  return READERS[kind as Puzzle['kind']['name']](text)
}

const gridText = (tokens: ArrayLike<number>) =>
  rowsOf(tokens)
    .map(row => row.join(''))
    .join('-')

const WRITERS: Record<Puzzle['kind']['name'], (puzzle: Puzzle) => string> = {
  sudoku: ({ tokens }) => sudoku.text(tokens).replaceAll('\n', ''),
  maze: ({ tokens }) => maze.text(tokens).replace(/[# \n]/g, character => MAZE_IN_LINKS[character] ?? ''),
  arc: ({ tokens, expected }) => [tokens, ...(expected ? [expected] : [])].map(gridText).join('/'),
}

const READERS: Record<Puzzle['kind']['name'], (text: string) => Puzzle> = {
  sudoku: parseSudoku,
  maze: text => ({
    kind: maze,
    tokens: [...mazeTask.encode(text.replaceAll('w', '#').replaceAll('.', ' '))],
  }),
  arc(text) {
    const [input, output] = text.split('/').map(grid => grid.split('-').map(row => [...row].map(Number)))
    return parseArc(JSON.stringify({ test: [{ input, output }] }))
  },
}
