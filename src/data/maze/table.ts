// Mazes of puzzle tables: what a row must be, and datasets from rows with the 8 symmetries.
import type { Dataset } from '../dataset.js'
import { DIHEDRAL_COUNT, dihedralMap } from '../dihedral.js'
import { gatherPuzzles, type PuzzleTableOptions } from '../gather.js'
import { type PuzzleKind, puzzleDataset } from '../pairs.js'
import type { PuzzleRow } from '../table.js'
import { encodeMaze, MAZE_VOCABULARY, mazeSizeOf, mazeViolations, PATH } from './rules.js'

export type MazeTableOptions = Pick<PuzzleTableOptions, 'name' | 'augment' | 'subsample' | 'seed'>

/**
 * A dataset from the rows of a puzzle table. A group is a maze and its transformed copies; `augment` 0 … 7 adds the
 * dihedral ids 1 … augment. All rows have the size of the first one.
 * @throws `name:line: …` when a row has another length, a wrong character, or an answer that is not a shortest path
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
    if (question.includes(PATH)) throw new Error("expected a question without a marked path, got 'o'")
    const [violation] = mazeViolations(question, answer)
    if (violation) throw new Error(`expected an answer that marks a shortest path, got one that does not: ${violation}`)
  },
  copies(cells) {
    const size = mazeSizeOf(cells)
    const maps = Array.from({ length: DIHEDRAL_COUNT }, (_, id) => dihedralMap(size, size, id))
    return copy => ({ map: maps[copy] })
  },
}
