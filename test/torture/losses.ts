// A small training in this process that loses its device or runs out of disk space. No test is here.
import { mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { runTraining } from '../../src/cli/run-training.js'
import { generateSudoku } from '../../src/data/sudoku.js'
import type { Engine } from '../../src/engine/index.js'
import { readTraining } from '../../src/trm/training/resume.js'
import { mergeSettings, presets, resolveRun } from '../../src/trm/published/settings.js'

const data = generateSudoku({ size: 4, train: 20, test: 4, clues: 8 })
const run = resolveRun(
  mergeSettings(presets.tiny.settings, {
    steps: 6,
    seed: 1,
    global_batch_size: 4,
    log_interval: 1,
    checkpoint_interval: 2,
    eval_interval: 3,
    arch: { hidden_size: 16, puzzle_emb_ndim: 16 },
  }),
  data.train.metadata,
)

/**
 * Trains six steps, or goes on with them, with a checkpoint after each second step. Returns the message of the error.
 * @param onStep called with each step that was printed
 */
export async function training(
  engine: Engine,
  out: string,
  { resume = false, onStep = () => {} }: { resume?: boolean; onStep?: (step: number) => void } = {},
): Promise<string> {
  mkdirSync(out, { recursive: true })
  const { log } = console
  console.log = (line: string) => {
    const step = /^step (\d+)\/6 /.exec(line)?.[1]
    if (step) onStep(Number(step))
  }
  try {
    await runTraining(engine, run, data, {
      out,
      evalLimit: 4,
      ...(resume ? { resume: readTraining(new Uint8Array(readFileSync(join(out, 'training.safetensors')))) } : {}),
    })
    return ''
  } catch (error) {
    return (error as Error).message
  } finally {
    console.log = log
  }
}

/** All files of a run except its rows. */
export const contents = (out: string): Record<string, string> =>
  Object.fromEntries(
    readdirSync(out)
      .filter(name => name !== 'metrics.jsonl')
      .sort()
      .map(name => [name, readFileSync(join(out, name)).toString('base64')]),
  )
