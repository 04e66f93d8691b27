// Measured choices of kernels, kept for each adapter in the user's cache folder.
import { mkdir, readFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import { type Engine } from '../engine/index.js'
import { keepVariants, useMeasuredVariants } from '../engine/tune.js'
import { planMemory } from '../trm/training/memory.js'
import type { RunConfig } from '../trm/published/settings.js'
import type { Option } from './arguments.js'
import { writeWhole } from './files.js'
import type { Progress } from './progress.js'

export const variantsOption = {
  type: 'string',
  choices: ['fixed', 'measured'],
  default: 'fixed',
  description:
    'which kernels compute. fixed: one choice for each kind of adapter, with the same bits on all of that kind; ' +
    'measured: the fastest on this adapter, measured once and kept',
} as const satisfies Option

/** Adopts the choices that are kept for this adapter; measures and keeps the missing ones that the run needs. */
export async function useKeptVariants(
  engine: Engine,
  open: () => Promise<Engine>,
  run: RunConfig,
  progress: Progress,
  quiet: boolean,
): Promise<void> {
  const file = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'webgpu-trm', 'variants.json')
  const store = keepVariants({
    read: () => readFile(file, 'utf8').catch(() => null),
    async write(text) {
      await mkdir(dirname(file), { recursive: true })
      await writeWhole(file, text)
    },
  })
  const { trainer } = planMemory(engine, run.config, { ...run.options, dtype: run.dtype })
  const tunings = await useMeasuredVariants(engine, trainer.model.engine.variants.asked, {
    open,
    store,
    onProgress: (done, total, what) => progress.glimpse(done, total, `measuring kernels: ${what}`),
  })
  if (tunings.length && !quiet) progress.note(`measured kernels for ${tunings.length} operations, kept in ${file}`)
}
