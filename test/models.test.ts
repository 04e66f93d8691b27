// The trained models of the package: each loads by name and solves puzzles that it never saw.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { generateSudoku, type SudokuSize } from '../src/data/sudoku.js'
import { MODELS, type ModelName } from '../src/models/names.js'
import { evaluate } from '../src/trm/answers/evaluate.js'
import { loadCheckpoint } from '../src/trm/published/checkpoint.js'
import { repositoryFile } from './files.js'
import { openEngine } from './engine-under-test.js'

const engine = await openEngine()
test.after(() => engine.close())

/** Puzzles of the kind that a model was trained on, and the least share that it solves in so many steps. */
const TASKS: Record<ModelName, { size: SudokuSize; clues: number; puzzles: number; steps?: number; share: number }> = {
  'sudoku-4x4': { size: 4, clues: 5, puzzles: 64, share: 0.97 },
  'sudoku-6x6': { size: 6, clues: 14, puzzles: 64, share: 0.9 },
  'sudoku-9x9': { size: 9, clues: 36, puzzles: 16, steps: 4, share: 0.7 },
}

for (const name of Object.keys(MODELS) as ModelName[]) {
  test(name, async () => {
    const model = loadCheckpoint(engine, (await repositoryFile(`models/${name}.safetensors`))!, name)
    const { size, clues, puzzles, steps, share } = TASKS[name]
    // Seed 0 holds out 4×4 grids that training never saw; of the larger ones there are too many to meet one again.
    const { test: heldOut } = generateSudoku({ size, clues, train: 1, test: puzzles, seed: 0 })
    const { exactAccuracy, examples } = await evaluate(model, heldOut, { steps })
    assert.is(examples, puzzles)
    assert.ok(exactAccuracy! >= share, `${exactAccuracy}`)
  })
}

test.run()
