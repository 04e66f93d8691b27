// Measured choices of kernels, kept per adapter in the user's cache folder.
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
    'which kernels compute: a fixed choice per kind of adapter, the same bits everywhere of that kind; or measured once on this adapter, and kept',
} as const satisfies Option

/** Takes over the choices kept for this adapter; what a run needs beyond them is measured now, and kept. */
export async function useKeptVariants(
  engine: Engine,
  open: () => Promise<Engine>,
  run: RunConfig,
  progress: Progress,
  quiet: boolean,
): Promise<void> {
  const file = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'webgpu-trm', 'variants.json')
  const tunings = await useMeasuredVariants(
    engine,
    planMemory(engine, run.config, { ...run.options, dtype: run.dtype }).trainer.model.engine.variants.asked,
    {
      open,
      store: keepVariants({
        read: () => readFile(file, 'utf8').catch(() => null),
        async write(text) {
          await mkdir(dirname(file), { recursive: true })
          await writeWhole(file, text)
        },
      }),
      onProgress: (done, total, what) => progress.glimpse(done, total, `measuring kernels: ${what}`),
    },
  )
  if (tunings.length && !quiet) progress.note(`measured kernels for ${tunings.length} operations, kept in ${file}`)
}
