// Square mazes as tokens: text, shortest paths, and what is wrong with an answer.
import { shown } from '../../formats/shown.js'

/** Characters of a maze. Token = place + 1 (0 is PAD): wall 1, floor 2, start 3, goal 4, path 5. */
export const MAZE_CHARACTERS = '# SGo'

/** PAD and the characters. */
export const MAZE_VOCABULARY = MAZE_CHARACTERS.length + 1

/** The tokens of the characters. */
export const [WALL, FLOOR, START, GOAL, PATH] = [1, 2, 3, 4, 5]

/** Text to tokens. @throws when the length is not a square, or a character is not one of `# SGo` */
export function encodeMaze(text: string): Uint8Array {
  mazeSizeOf(text.length)
  return Uint8Array.from(text, (character, i) => {
    const place = MAZE_CHARACTERS.indexOf(character)
    if (place < 0)
      throw new Error(`maze: expected characters "${MAZE_CHARACTERS}", got ${shown(character)} at character ${i + 1}`)
    return place + 1
  })
}

/** Tokens to text; '?' for PAD and anything else that is no maze token. */
export function decodeMaze(ids: ArrayLike<number>): string {
  return Array.from(ids, id => MAZE_CHARACTERS[id - 1] ?? '?').join('')
}

/**
 * The mazes of a text, at least one. Each stands in a line of its own, or in as many rows as it has columns; an editor
 * may have cut the floor at the end of a row.
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
      `maze: expected ${side} rows of ${side} characters, ` +
        `got ${wide === undefined ? `${rows.length} rows` : `${lines[wide].length} in line ${wide + 1}`}`,
    )
  return Array.from({ length: rows.length / side }, (_, maze) => {
    const own = rows.slice(maze * side, (maze + 1) * side)
    return { ids: encodeMaze(own.map(i => lines[i].padEnd(side)).join('')), line: own[side - 1] + 1 }
  })
}

/** Why a question is no maze with one S and one G, in words; '' when it is one. */
export function mazeTrouble(question: ArrayLike<number>): string {
  try {
    ends(question)
  } catch (error) {
    return (error as Error).message.replace(/^maze: /, '')
  }
  return ''
}

/** The side of a maze of that many cells. @throws when that is not the square of a whole number from 2 */
export function mazeSizeOf(cells: number): number {
  const size = Math.sqrt(cells)
  if (!Number.isInteger(size) || size < 2) throw new Error(`maze: expected a square grid, got ${cells} cells`)
  return size
}

/**
 * Steps of the shortest path from S to G of a maze of tokens, moving up, down, left and right over all cells but walls
 * and PAD. Infinity when there is none.
 * @throws when the grid is not square, or does not have one S and one G
 */
export function shortestMazePath(ids: ArrayLike<number>): number {
  const { from, to } = ends(ids)
  return distances(ids, mazeSizeOf(ids.length), from, isOpen)[to]
}

/**
 * The answer of a maze: a copy with one shortest path from S to G marked. Of several it is the one that prefers, from S
 * on, a step down, then left, right, up, as the published Maze-Hard answers do.
 * @throws when the grid is not square, does not have one S and one G, or has no path
 */
export function answerMaze(question: ArrayLike<number>): Uint8Array {
  const { from, to } = ends(question)
  const size = mazeSizeOf(question.length)
  const steps = distances(question, size, to, isOpen)
  if (steps[from] === Infinity) throw new Error('maze: expected a path from S to G, got none')
  const answer = Uint8Array.from(question)
  for (let cell = from; steps[cell] > 1;) {
    const nearer = neighbours(cell, size).filter(next => steps[next] === steps[cell] - 1)
    cell += [size, -1, 1, -size].find(step => nearer.includes(cell + step))!
    answer[cell] = PATH
  }
  return answer
}

/**
 * The errors of an answer, in words; [] when it is the question with one shortest path from S to G marked (several may
 * exist).
 * @throws when the question is not a maze with one S and one G, or the sizes differ
 */
export function mazeViolations(question: ArrayLike<number>, answer: ArrayLike<number>): string[] {
  if (question.length !== answer.length)
    throw new Error(`maze: expected an answer of ${question.length} cells, got ${answer.length}`)
  const size = mazeSizeOf(question.length)
  const { from, to } = ends(question)
  const violations: string[] = []
  let marked = 0
  for (let cell = 0; cell < question.length; cell++) {
    const onFloor = question[cell] === FLOOR || question[cell] === PATH
    if (answer[cell] === PATH && onFloor) marked++
    else if (answer[cell] !== (onFloor ? FLOOR : question[cell])) {
      violations.push(
        `'${decodeMaze([answer[cell]])}' instead of '${decodeMaze([question[cell]])}' ` +
          `at row ${Math.floor(cell / size) + 1} column ${(cell % size) + 1}`,
      )
    }
  }
  const shortest = shortestMazePath(question)
  const walked = distances(answer, size, from, (id, cell) => cell === to || (id === PATH && question[cell] !== WALL))[
    to
  ]
  if (shortest === Infinity) violations.push('no path exists')
  else if (walked === Infinity) violations.push('the marked cells do not join S and G')
  else if (walked > shortest) violations.push(`the marked path has ${walked} steps, the shortest has ${shortest}`)
  else if (marked !== shortest - 1) violations.push(`${marked} cells are marked, the shortest path has ${shortest - 1}`)
  return violations
}

function ends(ids: ArrayLike<number>): { from: number; to: number } {
  const all = Array.from(ids)
  for (const [id, character] of [
    [START, 'S'],
    [GOAL, 'G'],
  ] as const) {
    const count = all.filter(other => other === id).length
    if (count !== 1) throw new Error(`maze: expected one ${character}, got ${count}`)
  }
  return { from: all.indexOf(START), to: all.indexOf(GOAL) }
}

/** Whether a token is no wall and no PAD. */
function isOpen(id: number): boolean {
  return id >= FLOOR && id <= PATH
}

/** Steps from a cell to every cell over those that `open` allows; Infinity where no path leads (breadth first). */
export function distances(
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

export function neighbours(cell: number, size: number): number[] {
  const column = cell % size
  const found: number[] = []
  if (cell >= size) found.push(cell - size)
  if (column > 0) found.push(cell - 1)
  if (column < size - 1) found.push(cell + 1)
  if (cell < size * size - size) found.push(cell + size)
  return found
}
