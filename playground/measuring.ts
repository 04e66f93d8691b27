// The worker's measurements: goldens recomputed, and the bench on the visitor's GPU.
import { allCases } from '../bench/cases.js'
import { planner } from '../bench/models.js'
import { runSuite } from '../bench/suite.js'
import { readAll } from '../src/formats/source.js'
import { verify } from '../src/verify/verify.js'
import { openEngine } from './gpu.js'
import type { Calls, GpuReport } from './protocol.js'

/** Adapter, features and limits of a device as the engine opens it. */
export async function describeGpu(): Promise<GpuReport> {
  const engine = await openEngine()
  const { limits } = engine.device
  const names = Object.keys(Object.getPrototypeOf(limits)).sort() as (keyof GPUSupportedLimits)[]
  const report = {
    adapter: { ...engine.adapter },
    limits: Object.fromEntries(
      names.map(name => [name, limits[name]]).filter(([, value]) => typeof value === 'number'),
    ) as Record<string, number>,
  }
  engine.close()
  return report
}

/** Verifies the goldens that lie beside the page (the build lists them), one after the other. */
export async function verifyGoldens(onFile: (progress: Calls['verify']['progress']) => void): Promise<void> {
  const beside = (file: string) => readAll(new URL(`goldens/${file}`, location.href))
  const files = JSON.parse(new TextDecoder().decode(await beside('index.json'))) as string[]
  const engine = await openEngine()
  try {
    for (const file of files)
      onFile({ verification: await verify(engine, await beside(file), { file }), total: files.length })
  } finally {
    engine.close()
  }
}

export async function benchCases(): Promise<Calls['benchCases']['result']> {
  const engine = await openEngine()
  const cases = allCases(engine.adapter, planner(engine)).map(({ name, size }) => ({ name, size }))
  engine.close()
  return cases
}

export class Bench {
  #isStopped = false

  /** Undefined when it was stopped. */
  async run(
    { only, sizes }: Calls['bench']['argument'],
    onProgress: (progress: Calls['bench']['progress']) => void,
  ): Promise<Calls['bench']['result']> {
    this.#isStopped = false
    const stopped = new Error('bench: stopped')
    try {
      return await runSuite({
        open: () => openEngine(),
        only,
        sizes,
        onProgress: (done, total, text) => {
          if (this.#isStopped) throw stopped
          onProgress({ done, total, text })
        },
      })
    } catch (error) {
      if (error === stopped) return undefined
      throw error
    }
  }

  stop(): void {
    this.#isStopped = true
  }
}
