// Two short trainings whose metrics and checkpoint must be the same bits in Node and in a page. No test is here.
import { generateSudoku } from '../../src/data/sudoku.js'
import * as kernels from '../../src/kernels/rmsnorm.js'
import { saveCheckpoint } from '../../src/trm/published/checkpoint.js'
import { DEFAULTS, type TrmConfig } from '../../src/trm/config.js'
import { Trm } from '../../src/trm/model.js'
import { train } from '../../src/trm/training/train.js'
import { openEngine } from '../engine-under-test.js'
import { sha256 } from '../files.js'

export const STEPS = 10

/** What a training left: plain data, to go from a page to Node. */
export interface Trace {
  /** One line of metrics a step, by name. */
  steps: Record<string, number>[]
  /** SHA-256 of the checkpoint with the moving average. */
  checkpoint: string
}

/** The TRM that mixes tokens by an MLP, and the one with attention. */
export type ModelName = 'mlp' | 'attention'
export type Traces = Partial<Record<ModelName, Trace>>

/**
 * Trains the models from the same seeds on the adapter of this home.
 * @param epsilonFactor multiplies the constant EPSILON of the kernel rmsnorm, to see that the comparison finds it
 */
export async function trainings({
  epsilonFactor = 1,
  models = ['mlp', 'attention'],
}: { epsilonFactor?: number; models?: ModelName[] } = {}): Promise<{ adapter: string; traces: Traces }> {
  const { constants } = kernels.rmsnorm
  const altered = kernels.rmsnorm as { constants: typeof constants }
  altered.constants = size => ({ ...constants(size), EPSILON: size.epsilon * epsilonFactor })
  const engine = await openEngine()
  try {
    const { train: data } = generateSudoku({ size: 4, train: 60, test: 2, clues: 6, seed: 1 })
    const { vocabulary, cells, puzzles } = data.metadata
    const attention: TrmConfig = {
      ...DEFAULTS,
      vocabulary,
      cells,
      puzzles,
      hidden: 32,
      heads: 2,
      expansion: 1,
      cycles: 2,
      latentSteps: 1,
      supervisionSteps: 3,
      puzzleWidth: 32,
      prefix: 1,
    }
    const trace = async (config: TrmConfig): Promise<Trace> => {
      const steps: Trace['steps'] = []
      for await (const report of train(Trm.create(engine, config, { seed: 1 }), data, {
        batchSize: 8,
        steps: STEPS,
        logInterval: 1,
        learningRate: 2e-3,
        warmupSteps: 4,
        emaRate: 0.9,
        seed: 3,
      })) {
        // Times differ; all other numbers must not.
        steps.push(
          Object.fromEntries(
            Object.entries(report).filter(([name, value]) => typeof value === 'number' && !/PerSecond$/.test(name)) as [
              string,
              number,
            ][],
          ),
        )
        if (report.step === STEPS) return { steps, checkpoint: await sha256(await saveCheckpoint(report.averaged)) }
      }
      throw new Error(`no report of step ${STEPS}`)
    }
    const configs: Record<ModelName, TrmConfig> = {
      mlp: { ...attention, tokenMixing: true, positions: 'none' },
      attention,
    }
    const traces: Traces = {}
    for (const model of models) traces[model] = await trace(configs[model])
    return { adapter: engine.adapter.description, traces }
  } finally {
    engine.close()
    altered.constants = constants
  }
}

/** A line for each model's first step that differs, and for checkpoints that differ; empty where all bits agree. */
export function differences(ours: Traces, theirs: Traces): string[] {
  const found: string[] = []
  for (const model of Object.keys(theirs) as ModelName[]) {
    const [a, b] = [ours[model]!, theirs[model]!]
    const step = Array.from({ length: Math.max(a.steps.length, b.steps.length) }, (_, i) => i).find(
      i => JSON.stringify(a.steps[i]) !== JSON.stringify(b.steps[i]),
    )
    if (step !== undefined) {
      const names = Object.keys({ ...a.steps[step], ...b.steps[step] }).filter(
        name => !Object.is(a.steps[step]?.[name], b.steps[step]?.[name]),
      )
      const values = names.map(name => `${name} ${a.steps[step]?.[name]} and ${b.steps[step]?.[name]}`)
      found.push(`${model}: step ${step + 1}: ${values.join(', ')}`)
    }
    if (a.checkpoint !== b.checkpoint) found.push(`${model}: checkpoint ${a.checkpoint} and ${b.checkpoint}`)
  }
  return found
}
