// The trained models of the package: each loads by name and solves puzzles that it never saw.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { Dataset } from '../src/data/dataset.js'
import { generateMaze } from '../src/data/maze.js'
import { generateSudoku, type SudokuSize } from '../src/data/sudoku.js'
import { MODELS, type ModelName } from '../src/models/names.js'
import { evaluate } from '../src/trm/answers/evaluate.js'
import { loadCheckpoint } from '../src/trm/published/checkpoint.js'
import { repositoryFile } from './files.js'
import { openEngine } from './engine-under-test.js'

const engine = await openEngine()
test.after(() => engine.close())

interface Task {
  draw: (puzzles: number) => Dataset
  /** Few, as a page on a software adapter takes seconds for each. */
  puzzles: number
  steps: number
  /** The least exact accuracy. */
  share: number
}

// Seed 0 holds out 4×4 grids that training never saw; of the larger puzzles there are too many to meet one again.
const sudokus = (size: SudokuSize, clues: number) => (test: number) =>
  generateSudoku({ size, clues, train: 1, test, seed: 0 }).test
const mazes = (test: number) => generateMaze({ size: 9, rooms: true, train: 1, test, seed: 9001 }).test

const TASKS: Record<ModelName, Task> = {
  'sudoku-4x4': { draw: sudokus(4, 5), puzzles: 32, steps: 4, share: 0.97 },
  'sudoku-6x6': { draw: sudokus(6, 14), puzzles: 24, steps: 4, share: 0.9 },
  'sudoku-9x9': { draw: sudokus(9, 36), puzzles: 6, steps: 4, share: 0.7 },
  'maze-9x9': { draw: mazes, puzzles: 24, steps: 4, share: 0.8 },
}

for (const name of Object.keys(MODELS) as ModelName[]) {
  test(name, async () => {
    const model = loadCheckpoint(engine, (await repositoryFile(`models/${name}.safetensors`))!, name)
    const { draw, puzzles, steps, share } = TASKS[name]
    const { exactAccuracy, examples } = await evaluate(model, draw(puzzles), { steps })
    assert.is(examples, puzzles)
    assert.ok(exactAccuracy! >= share, `${exactAccuracy}`)
  })
}

test.run()
