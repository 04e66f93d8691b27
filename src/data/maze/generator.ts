// New mazes in two splits that share none, not even turned or mirrored: trees, trees of rooms, and scattered walls.
import type { Dataset } from '../dataset.js'
import { DIHEDRAL_COUNT, dihedralMap } from '../dihedral.js'
import { PuzzlePairs, puzzleDataset, rowsToAvoid } from '../pairs.js'
import { Random } from '../random.js'
import { answerMaze, distances, FLOOR, GOAL, neighbours, START, WALL } from './rules.js'
import { mazeKind } from './table.js'

export interface GenerateMazeOptions {
  /** Side, a whole number from 5; with `rooms` odd. */
  size: number
  /**
   * An outer wall, rooms at odd rows and columns, and corridors between neighbouring rooms. By default any cell may be
   * carved.
   */
  rooms?: boolean
  /**
   * Mazes as in the published Maze-Hard data: walls at random cells (32 … 42 % of them), so that there are loops, and
   * S and G far apart. There are many shortest paths. The answer is the one that prefers, from S on, a step down, then
   * left, right, up: so do all published answers.
   */
  hard?: boolean
  /**
   * Fewest steps of the shortest path from S to G. With `hard` 109 at side 30, as published (110 cells with S and G),
   * and 109 · (side / 30)^1.25 at others; else 1.
   */
  minPath?: number
  train: number
  test: number
  /** Splits of the same size whose mazes are not made again, not even turned or mirrored. */
  avoid?: readonly Dataset[]
  seed?: number
}

interface Maze {
  question: Uint8Array
  answer: Uint8Array
}

const MIN_SIZE = 5
/** Mazes drawn one after the other that may be known already, or have too short a path. */
const MAX_MISSES = 1000
const MAX_SHORT = 5000
/** Fewest steps at a side of the published mazes, and how they grow with the side. */
const HARD = { side: 30, steps: 109, power: 1.25 }
/** The least and largest share of walls. */
const HARD_WALLS = [0.32, 0.42]

/**
 * New mazes. Both splits together hold no maze twice, not even turned or mirrored. Without `hard` they have no loops,
 * so that exactly one path joins S and G.
 * @throws when an option is out of range, or no further distinct maze is found
 */
export function generateMaze(options: GenerateMazeOptions): { train: Dataset; test: Dataset } {
  checkOptions(options)
  const { size, train, test, avoid = [], seed = 0 } = options
  const random = new Random(seed)
  const maps = Array.from({ length: DIHEDRAL_COUNT }, (_, id) => dihedralMap(size, size, id))
  // The smallest of the eight texts stands for a maze.
  const keyOf = (question: ArrayLike<number>) =>
    maps.map(map => String.fromCharCode(...map.map(cell => question[cell]))).sort()[0]
  const seen = new Set(rowsToAvoid(avoid, mazeKind, size * size, 'inputs').map(keyOf))
  const draw = (split: string, count: number) => {
    const pairs = new PuzzlePairs(size * size)
    let misses = 0
    while (pairs.length < count) {
      const { question, answer } = drawMaze(options, random)
      const key = keyOf(question)
      if (!seen.has(key)) {
        seen.add(key)
        pairs.put(pairs.length, question, answer)
        misses = 0
      } else if (++misses > MAX_MISSES) {
        throw new Error(
          `maze: expected ${count} distinct ${split} mazes of size ${size}, found ${pairs.length} and then none in ` +
            `${MAX_MISSES} tries — ask for fewer or larger mazes`,
        )
      }
    }
    return puzzleDataset({ kind: mazeKind, pairs, augment: 0, random })
  }
  const testSplit = draw('test', test)
  return { train: draw('train', train), test: testSplit }
}

/** A maze whose shortest path is long enough. */
function drawMaze({ size, rooms = false, hard = false, minPath }: GenerateMazeOptions, random: Random): Maze {
  const least = minPath ?? (hard ? hardPath(size) : 1)
  for (let tries = 0; tries < MAX_SHORT; tries++) {
    const question = hard ? scatterWalls(size, random) : carveTree(size, rooms, random)
    const maze = hard ? placeFar(question, size, least, random) : placeEnds(question, size, least, random)
    if (maze) return maze
  }
  throw new Error(
    `maze: expected a shortest path of at least ${least} steps at size ${size}, found none in ${MAX_SHORT} mazes — ` +
      'ask for shorter paths or larger mazes',
  )
}

function hardPath(size: number): number {
  return Math.floor(HARD.steps * (size / HARD.side) ** HARD.power)
}

/**
 * Carves a tree. Without rooms a wall may open when exactly one of its neighbours is open, so that no loop can close,
 * whatever the size. With them a room is joined to one that is not open yet, through the wall between.
 */
function carveTree(size: number, rooms: boolean, random: Random): Uint8Array {
  const question = new Uint8Array(size * size).fill(WALL)
  const odd = () => 1 + 2 * random.below((size - 1) / 2)
  const first = rooms ? odd() * size + odd() : random.below(question.length)
  question[first] = FLOOR
  const frontier = [first]
  while (frontier.length > 0) {
    // Mostly from the newest cell (long corridors), sometimes from any (branches).
    const at = random.below(4) > 0 ? frontier.length - 1 : random.below(frontier.length)
    const from = frontier[at]
    const choices = rooms
      ? neighbours(from, size)
          .map(between => 2 * between - from)
          .filter(room => isRoom(room, size) && question[room] === WALL)
      : neighbours(from, size).filter(
          cell =>
            question[cell] === WALL && neighbours(cell, size).filter(next => question[next] === FLOOR).length === 1,
        )
    if (choices.length === 0) {
      frontier.splice(at, 1)
      continue
    }
    const cell = choices[random.below(choices.length)]
    question[cell] = FLOOR
    if (rooms) question[(from + cell) / 2] = FLOOR
    frontier.push(cell)
  }
  return question
}

/** Puts S on any floor and G into the half of the floor that is farther away; undefined when that is too near. */
function placeEnds(question: Uint8Array, size: number, least: number, random: Random): Maze | undefined {
  const cells = floorOf(question)
  const from = cells[random.below(cells.length)]
  const steps = distances(question, size, from, id => id === FLOOR)
  const farthest = cells.reduce((most, cell) => Math.max(most, steps[cell]), 0)
  const far = cells.filter(cell => steps[cell] * 2 >= farthest && steps[cell] >= least)
  return far.length === 0 ? undefined : answered(question, from, far[random.below(far.length)])
}

function scatterWalls(size: number, random: Random): Uint8Array {
  const [least, most] = HARD_WALLS
  const count = Math.round((least + random.uniform() * (most - least)) * size * size)
  const question = new Uint8Array(size * size).fill(FLOOR)
  for (const cell of random.permutation(size * size).subarray(0, count)) question[cell] = WALL
  return question
}

/**
 * Puts one end as far as possible from a random floor cell, and the other at any cell that is far enough from it;
 * undefined when there is none.
 */
function placeFar(question: Uint8Array, size: number, least: number, random: Random): Maze | undefined {
  const cells = floorOf(question)
  const isFloor = (id: number) => id === FLOOR
  const first = distances(question, size, cells[random.below(cells.length)], isFloor)
  const end = cells.reduce((a, b) => (Number.isFinite(first[b]) && first[b] > (first[a] || 0) ? b : a), cells[0])
  const steps = distances(question, size, end, isFloor)
  const far = cells.filter(cell => steps[cell] >= least && Number.isFinite(steps[cell]))
  if (far.length === 0) return undefined
  const other = far[random.below(far.length)]
  return random.below(2) === 0 ? answered(question, end, other) : answered(question, other, end)
}

function floorOf(question: Uint8Array): number[] {
  return Array.from(question.keys()).filter(cell => question[cell] === FLOOR)
}

/** Marks S, G and, in the answer, the path. */
function answered(question: Uint8Array, from: number, to: number): Maze {
  question[from] = START
  question[to] = GOAL
  return { question, answer: answerMaze(question) }
}

/**
 * Whether a cell has odd row and column and lies inside the outer wall. A step over the left or right edge of an odd
 * size ends in an even column.
 */
function isRoom(cell: number, size: number): boolean {
  const [row, column] = [Math.floor(cell / size), cell % size]
  return row > 0 && row < size - 1 && column % 2 === 1 && row % 2 === 1
}

function checkOptions({ size, rooms, hard, minPath, train, test }: GenerateMazeOptions): void {
  if (!Number.isSafeInteger(size) || size < MIN_SIZE)
    throw new Error(`maze: expected a size that is a whole number from ${MIN_SIZE}, got ${size}`)
  if (rooms && size % 2 === 0) throw new Error(`maze: expected an odd size for rooms between walls, got ${size}`)
  if (rooms && hard) throw new Error('maze: expected rooms or hard mazes, got both — hard mazes have no rooms')
  checkCount('train', train)
  checkCount('test', test)
  if (minPath !== undefined) checkCount('minPath', minPath)
}

function checkCount(name: string, value: number): void {
  if (!Number.isSafeInteger(value) || value < 1)
    throw new Error(`maze: expected ${name} to be a whole number from 1, got ${value}`)
}
