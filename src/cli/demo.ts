// trm demo: makes 4×4 Sudokus, trains a small model on them, and solves some that it never saw.
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { exampleCount } from '../data/dataset.js'
import { generateSudoku } from '../data/sudoku.js'
import { taskOf } from '../data/tasks.js'
import { evaluate } from '../trm/answers/evaluate.js'
import { mergeSettings, presets, resolveRun } from '../trm/published/settings.js'
import { adapterOptions, openEngine } from './adapter.js'
import { parseArguments } from './arguments.js'
import { makeDirectory } from './files.js'
import { duration, percent } from './progress.js'
import { showSolution } from './solve.js'
import { runTraining } from './run-training.js'

const usage = {
  command: 'trm demo',
  summary: 'Train a small model on 4×4 Sudokus and solve puzzles that it never saw.',
  options: {
    out: {
      type: 'string',
      placeholder: 'RUN',
      description: 'directory for the run',
      otherwise: 'runs/demo, or a temporary one where that cannot be written',
    },
    steps: { type: 'number', min: 1, default: 400, description: 'optimiser steps' },
    seed: {
      type: 'number',
      min: 0,
      default: 0,
      max: 2 ** 32 - 1,
      description: 'seed of the puzzles and of the training',
    },
    ...adapterOptions,
  },
} as const

export const demoCommand = {
  name: 'demo',
  summary: 'train a small model on 4×4 Sudokus, then watch it solve new ones',
  async run(args: string[]): Promise<void> {
    const parsed = parseArguments(args, usage)
    if (!parsed) return
    const { steps, seed } = parsed.values
    const started = performance.now()
    const out =
      parsed.values.out ??
      (await makeDirectory(join('runs', 'demo')).then(
        () => join('runs', 'demo'),
        () => mkdtemp(join(tmpdir(), 'trm-demo-')),
      ))
    await makeDirectory(out)
    const data = generateSudoku({ size: 4, train: 10000, test: 500, clues: 5, seed })
    const [learnt, heldOut] = [exampleCount(data.train), exampleCount(data.test)]
    const apart = 'no solution of a held-out one occurs among the others'
    console.log(`data: ${learnt} Sudokus of 4×4 with 5 clues to learn from, ${heldOut} held out; ${apart}`)
    const run = resolveRun(mergeSettings(presets.tiny.settings, { steps, seed }), data.train.metadata)
    const engine = await openEngine(parsed.values)
    try {
      const model = await runTraining(engine, run, data, { out, evalLimit: 100 })
      if (process.exitCode) return
      const task = taskOf(model.config.cells, model.config.vocabulary)!
      const { exactAccuracy, examples } = await evaluate(model, data.test)
      const { cells } = data.test.metadata
      for (let i = 0; i < 3; i++) {
        console.log(`\n── held-out puzzle ${i + 1} ──`)
        await showSolution(model, task, Uint8Array.from(data.test.inputs.slice(i * cells, (i + 1) * cells)))
      }
      const checkpoint = join(out, 'model.safetensors')
      console.log(`
checkpoint: ${checkpoint}
try next:
  node dist/cli.js solve --checkpoint ${checkpoint} ${task.decode(data.test.inputs.slice(3 * cells, 4 * cells))}
  node dist/cli.js data generate sudoku --size 6 --clues 14 --train 5000 --test 500 --out data/sudoku6
  node dist/cli.js train --data data/sudoku6 --out runs/sudoku6 --config small
  node dist/cli.js --help
${duration((performance.now() - started) / 1000)} in all on ${engine.adapter.description}
held-out exact accuracy: ${percent(exactAccuracy)} of ${examples} puzzles`)
    } finally {
      engine.close()
    }
  },
}
