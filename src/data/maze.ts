// Square mazes as tokens: text, shortest paths, datasets from tables with the 8 symmetries, and a generator.
import { shown } from '../formats/shown.js'
import type { Dataset } from './dataset.js'
import { DIHEDRAL_COUNT, dihedralMap } from './dihedral.js'
import { gatherPuzzles, type PuzzleTableOptions } from './gather.js'
import { type PuzzleKind, PuzzlePairs, puzzleDataset } from './pairs.js'
import { Random } from './random.js'
import type { PuzzleRow } from './table.js'

/** Characters of a maze; id = place + 1 (0 is PAD): wall 1, floor 2, start 3, goal 4, path 5. */
export const MAZE_CHARACTERS = '# SGo'

/** PAD and the characters. */
export const MAZE_VOCABULARY = MAZE_CHARACTERS.length + 1

const [wall, floor, start, goal, path] = [1, 2, 3, 4, 5]
const smallest = 5

/**
 * Text to tokens. Throws when the length is not a square or a character is not one of `# SGo`.
 */
export function encodeMaze(text: string): Uint8Array {
  mazeSizeOf(text.length)
  return Uint8Array.from(text, (character, i) => {
    const place = MAZE_CHARACTERS.indexOf(character)
    if (place < 0)
      throw new Error(`maze: expected characters "${MAZE_CHARACTERS}", got ${shown(character)} at character ${i + 1}`)
    return place + 1
  })
}

/** Tokens to text; '?' for PAD or anything else that is no maze token. */
export function decodeMaze(ids: ArrayLike<number>): string {
  return Array.from(ids, id => MAZE_CHARACTERS[id - 1] ?? '?').join('')
}

/**
 * The mazes of a text, at least one: as many rows as a maze has columns, of which an editor may have cut the floor at the end, or each in a line.
 * @param cells of each maze; without it the text is one maze, as wide as its longest row
 * @throws one line when the rows are not that many, or a character is not one of `# SGo`
 */
export function parseMazes(text: string, cells?: number): { ids: Uint8Array; line: number }[] {
  const lines = text.replace(/\r/g, '').replace(/\n$/, '').split('\n')
  const filled = lines.filter(line => line.trim() !== '')
  const joined = lines.join('')
  if (joined.length === cells || filled.length < 2)
    return [
      {
        ids: encodeMaze(filled.length < 2 && joined.length !== cells ? (filled[0] ?? '') : joined),
        line: lines.length,
      },
    ]
  if (filled.every(line => line.length === cells))
    return lines.flatMap((line, i) => (line.length === cells ? [{ ids: encodeMaze(line), line: i + 1 }] : []))
  const side = cells === undefined ? Math.max(...lines.map(line => line.length)) : mazeSizeOf(cells)
  // A row of floor may have been cut altogether.
  const rows = [...lines.keys()].filter(i => lines.length === side || lines[i].trim() !== '')
  const wide = rows.find(i => lines[i].length > side)
  if (wide !== undefined || rows.length % side !== 0)
    throw new Error(
      `maze: expected ${side} rows of ${side} characters, got ${wide === undefined ? `${rows.length} rows` : `${lines[wide].length} in line ${wide + 1}`}`,
    )
  return Array.from({ length: rows.length / side }, (_, maze) => {
    const own = rows.slice(maze * side, (maze + 1) * side)
    return { ids: encodeMaze(own.map(i => lines[i].padEnd(side)).join('')), line: own[side - 1] + 1 }
  })
}

/** Why a question is no maze with a way to find, in words; '' when it is one. */
export function mazeTrouble(question: ArrayLike<number>): string {
  try {
    ends(question)
  } catch (error) {
    return (error as Error).message.replace(/^maze: /, '')
  }
  return ''
}

/** Side of a maze of that many cells. Throws when it is not a square of a whole number from 2. */
export function mazeSizeOf(cells: number): number {
  const size = Math.sqrt(cells)
  if (!Number.isInteger(size) || size < 2) throw new Error(`maze: expected a square grid, got ${cells} cells`)
  return size
}

/**
 * Steps of the shortest path from S to G of a maze of tokens, moving up, down, left and right over all but walls and PAD.
 * Infinity when there is none. Throws when the grid is not square or does not have one S and one G.
 */
export function shortestMazePath(ids: ArrayLike<number>): number {
  const { from, to } = ends(ids)
  return distances(ids, mazeSizeOf(ids.length), from, id => id >= floor && id <= path)[to]
}

/**
 * What is wrong with an answer, [] when it is the question with one shortest path from S to G marked (several may exist).
 * Throws when the question is not a maze with one S and one G, or the sizes differ.
 */
export function mazeViolations(question: ArrayLike<number>, answer: ArrayLike<number>): string[] {
  if (question.length !== answer.length)
    throw new Error(`maze: expected an answer of ${question.length} cells, got ${answer.length}`)
  const size = mazeSizeOf(question.length)
  const { from, to } = ends(question)
  const violations: string[] = []
  let marked = 0
  for (let cell = 0; cell < question.length; cell++) {
    const onFloor = question[cell] === floor || question[cell] === path
    if (answer[cell] === path && onFloor) marked++
    else if (answer[cell] !== (onFloor ? floor : question[cell])) {
      violations.push(
        `'${decodeMaze([answer[cell]])}' instead of '${decodeMaze([question[cell]])}' at row ${Math.floor(cell / size) + 1} column ${(cell % size) + 1}`,
      )
    }
  }
  const shortest = shortestMazePath(question)
  const walked = distances(answer, size, from, (id, cell) => cell === to || (id === path && question[cell] !== wall))[
    to
  ]
  if (shortest === Infinity) violations.push('no path exists')
  else if (walked === Infinity) violations.push('the marked cells do not join S and G')
  else if (walked > shortest) violations.push(`the marked path has ${walked} steps, the shortest has ${shortest}`)
  else if (marked !== shortest - 1) violations.push(`${marked} cells are marked, the shortest path has ${shortest - 1}`)
  return violations
}

export type MazeTableOptions = Pick<PuzzleTableOptions, 'name' | 'augment' | 'subsample' | 'seed'>

/**
 * A dataset from the rows of a puzzle table; a group is a maze and its transformed copies, `augment` 0 … 7: dihedral ids 1 … augment.
 * The first row tells the size. Throws `name:line: …` when a row has another length, a wrong character, or an answer that is not a shortest path.
 */
export function mazeFromRows(rows: PuzzleRow[], options: MazeTableOptions = {}): Dataset {
  const { augment = 0 } = options
  if (!(augment < DIHEDRAL_COUNT))
    throw new Error(`maze: expected augment to be 0 … 7, got ${augment} — a square has 8 symmetries`)
  return puzzleDataset(gatherPuzzles(rows, mazeKind, options))
}

/** Mazes for the readers of puzzle tables. */
export const mazeKind: PuzzleKind = {
  name: 'maze',
  vocabulary: () => MAZE_VOCABULARY,
  cellsOf(question) {
    try {
      return encodeMaze(question).length
    } catch (error) {
      throw new Error(`question: ${(error as Error).message}`)
    }
  },
  encode(row, question, answer) {
    for (const [what, ids] of [
      ['question', question],
      ['answer', answer],
    ] as const) {
      if (what === 'answer' && row.answer === '') return
      if (row[what].length !== ids.length)
        throw new Error(
          `expected ${ids.length} characters in the ${what}, as in the first maze, got ${row[what].length}`,
        )
      try {
        ids.set(encodeMaze(row[what]))
      } catch (error) {
        throw new Error(`${what}: ${(error as Error).message}`)
      }
    }
    if (question.includes(path)) throw new Error("expected a question without a marked path, got 'o'")
    const [violation] = mazeViolations(question, answer)
    if (violation) throw new Error(`expected an answer that marks a shortest path, got one that does not: ${violation}`)
  },
  copies(cells) {
    const size = mazeSizeOf(cells)
    const maps = Array.from({ length: DIHEDRAL_COUNT }, (_, id) => dihedralMap(size, size, id))
    return copy => ({ map: maps[copy] })
  },
}

export interface GenerateMazeOptions {
  /** Side, a whole number from 5; with `rooms` odd. */
  size: number
  /** An outer wall, rooms at odd rows and columns, and corridors between neighbouring rooms; by default any cell may be carved. */
  rooms?: boolean
  train: number
  test: number
  seed?: number
}

/**
 * New mazes without loops, so that exactly one path joins S and G; both splits together hold no maze twice, not even
 * turned or mirrored. Throws when so many distinct mazes of that size were not found.
 */
export function generateMaze({ size, rooms = false, train, test, seed = 0 }: GenerateMazeOptions): {
  train: Dataset
  test: Dataset
} {
  if (!Number.isSafeInteger(size) || size < smallest)
    throw new Error(`maze: expected a size that is a whole number from ${smallest}, got ${size}`)
  if (rooms && size % 2 === 0) throw new Error(`maze: expected an odd size for rooms between walls, got ${size}`)
  checkCount('train', train, 1)
  checkCount('test', test, 1)
  const random = new Random(seed)
  const maps = Array.from({ length: DIHEDRAL_COUNT }, (_, id) => dihedralMap(size, size, id))
  const seen = new Set<string>()
  const draw = (split: string, count: number) => {
    const pairs = new PuzzlePairs(size * size)
    const patience = 1000
    let misses = 0
    while (pairs.length < count) {
      const { question, answer } = drawMaze(size, rooms, random)
      // The smallest of the eight texts stands for the maze.
      const key = maps.map(map => String.fromCharCode(...map.map(cell => question[cell]))).sort()[0]
      if (!seen.has(key)) {
        seen.add(key)
        pairs.put(pairs.length, question, answer)
        misses = 0
      } else if (++misses > patience) {
        throw new Error(
          `maze: expected ${count} distinct ${split} mazes of size ${size}, found ${pairs.length} and then none in ${patience} tries — ask for fewer or larger mazes`,
        )
      }
    }
    return puzzleDataset({ kind: mazeKind, pairs, augment: 0, random })
  }
  const testSplit = draw('test', test)
  return { train: draw('train', train), test: testSplit }
}

/**
 * Carves a tree. Without rooms a wall may open when exactly one of its neighbours is open, so no loop can close, whatever the size.
 * With them a room is joined to one that is not open yet, through the wall between.
 */
function drawMaze(size: number, rooms: boolean, random: Random): { question: Uint8Array; answer: Uint8Array } {
  const question = new Uint8Array(size * size).fill(wall)
  const odd = () => 1 + 2 * random.below((size - 1) / 2)
  const first = rooms ? odd() * size + odd() : random.below(question.length)
  question[first] = floor
  const frontier = [first]
  while (frontier.length > 0) {
    // Mostly from the newest cell (long corridors), sometimes from any (branches).
    const at = random.below(4) > 0 ? frontier.length - 1 : random.below(frontier.length)
    const from = frontier[at]
    const choices = rooms
      ? neighbours(from, size)
          .map(between => 2 * between - from)
          .filter(room => isRoom(room, size) && question[room] === wall)
      : neighbours(from, size).filter(
          cell =>
            question[cell] === wall && neighbours(cell, size).filter(next => question[next] === floor).length === 1,
        )
    if (choices.length === 0) {
      frontier.splice(at, 1)
      continue
    }
    const cell = choices[random.below(choices.length)]
    question[cell] = floor
    if (rooms) question[(from + cell) / 2] = floor
    frontier.push(cell)
  }
  const cells = Array.from(question.keys()).filter(cell => question[cell] === floor)
  const from = cells[random.below(cells.length)]
  const steps = distances(question, size, from, id => id === floor)
  // The goal lies in the farther half, so that paths are long but not always the longest.
  const farthest = cells.reduce((most, cell) => Math.max(most, steps[cell]), 0)
  const far = cells.filter(cell => steps[cell] * 2 >= farthest && cell !== from)
  const to = far[random.below(far.length)]
  question[from] = start
  question[to] = goal
  const answer = question.slice()
  for (let cell = to; steps[cell] > 1;) {
    cell = neighbours(cell, size).find(next => steps[next] === steps[cell] - 1)!
    answer[cell] = path
  }
  return { question, answer }
}

/** Whether a cell has odd row and column and lies inside the outer wall; what leaves a row of odd size lands on an even column. */
function isRoom(cell: number, size: number): boolean {
  const [row, column] = [Math.floor(cell / size), cell % size]
  return row > 0 && row < size - 1 && column % 2 === 1 && row % 2 === 1
}

function ends(ids: ArrayLike<number>): { from: number; to: number } {
  const all = Array.from(ids)
  for (const [id, character] of [
    [start, 'S'],
    [goal, 'G'],
  ] as const) {
    const count = all.filter(other => other === id).length
    if (count !== 1) throw new Error(`maze: expected one ${character}, got ${count}`)
  }
  return { from: all.indexOf(start), to: all.indexOf(goal) }
}

/** Steps from a cell to every cell over those that `open` allows; Infinity where it does not lead (breadth first). */
function distances(
  ids: ArrayLike<number>,
  size: number,
  from: number,
  open: (id: number, cell: number) => boolean,
): Float64Array {
  const steps = new Float64Array(ids.length).fill(Infinity)
  steps[from] = 0
  const queue = [from]
  for (const cell of queue) {
    for (const next of neighbours(cell, size)) {
      if (steps[next] !== Infinity || !open(ids[next], next)) continue
      steps[next] = steps[cell] + 1
      queue.push(next)
    }
  }
  return steps
}

function neighbours(cell: number, size: number): number[] {
  const column = cell % size
  const found: number[] = []
  if (cell >= size) found.push(cell - size)
  if (column > 0) found.push(cell - 1)
  if (column < size - 1) found.push(cell + 1)
  if (cell < size * size - size) found.push(cell + size)
  return found
}

function checkCount(name: string, value: number, least: number): void {
  if (!Number.isSafeInteger(value) || value < least)
    throw new Error(`maze: expected ${name} to be a whole number from ${least}, got ${value}`)
}
