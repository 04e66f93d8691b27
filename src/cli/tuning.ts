// Measured choices of kernels, kept per adapter in the user's cache folder.
import { mkdir, readFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import { TrainingBatches } from '../data/batches.js'
import type { Dataset } from '../data/dataset.js'
import { type Engine, tune } from '../engine/index.js'
import { Trm } from '../trm/model.js'
import type { Run } from '../trm/run.js'
import { Trainer } from '../trm/trainer.js'
import { openEngine } from './adapter.js'
import type { Option } from './arguments.js'
import { writeWhole } from './files.js'
import type { Progress } from './progress.js'

export const variantsOption = {
  type: 'string',
  choices: ['fixed', 'measured'],
  default: 'fixed',
  description: 'which kernels compute: a fixed choice per kind of adapter, the same bits everywhere of that kind; or measured once on this adapter, and kept',
} as const satisfies Option

/** Choices by adapter: "family class" to variant. */
type Choices = Record<string, Record<string, string>>

const cacheFile = () => join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'webgpu-trm', 'variants.json')

/** Takes over the choices kept for this adapter; what a run needs beyond them is measured now, and kept. */
export async function useMeasuredVariants(engine: Engine, adapter: string | undefined, run: Run, data: Dataset, progress: Progress, quiet: boolean): Promise<void> {
  const file = cacheFile()
  const all = await readChoices(file)
  const { description } = engine.adapter
  const kept = all[description] ?? {}
  // One step of a throw-away model, on an engine of its own, asks for every kernel that the run will need.
  const scratch = await openEngine({ adapter })
  try {
    scratch.variants.adopt(kept)
    new Trainer(Trm.create(scratch, run.config), run.options).run(new TrainingBatches(data, { batchSize: run.options.batchSize, seed: 0 }).next())
    await scratch.finish()
    const missing = scratch.variants.asked.filter(({ key }) => !(key in kept)).map(({ key }) => key)
    if (missing.length) {
      const tunings = await tune(scratch, { only: missing, onProgress: (done, total, what) => progress.glimpse(done, total, `measuring kernels: ${what}`) })
      for (const { key, variant } of tunings) kept[key] = variant
      await mkdir(dirname(file), { recursive: true })
      await writeWhole(file, `${JSON.stringify({ ...all, [description]: kept }, null, 2)}\n`)
      if (!quiet) progress.note(`measured kernels for ${tunings.length} operations, kept in ${file}`)
    }
  } finally {
    scratch.close()
  }
  engine.variants.adopt(kept)
}

/** What was kept; nothing where the file is absent or damaged, as it can be measured again. */
async function readChoices(file: string): Promise<Choices> {
  try {
    const parsed: unknown = JSON.parse(await readFile(file, 'utf8'))
    return typeof parsed === 'object' && parsed !== null ? (parsed as Choices) : {}
  } catch {
    return {}
  }
}
