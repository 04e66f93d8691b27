// The public door of webgpu-trm/tune: measures the variants of operations, chooses the fastest, and keeps the choices.
import { isRecord } from '../formats/json.js'
import type { Engine } from './engine.js'
import type { Tensor } from './tensor.js'
import type { Asked } from './variants.js'

export interface TuneOptions {
  /** Operations to measure. Default: all that ran. */
  asked?: readonly Asked[]
  /** Timings of each variant. The best counts. Default 3. */
  repeats?: number
  /** The time in ms. Default: wall time. Processor time is steadier if other programs run. */
  now?: () => number
  /** A variant replaces the default only if it is faster by this share. Default 0.05. */
  margin?: number
  /** Called before each operation. */
  onProgress?: (done: number, total: number, what: string) => void
}

/** The measurement of one operation and size class, with milliseconds by variant. */
export interface Tuning {
  /** "family class", as in `engine.variants`. */
  key: string
  variant: string
  milliseconds: Record<string, number>
}

/**
 * Times the variants of all operations that ran since the engine was opened. Run the work once before.
 * The choices are adopted at once. Keep `engine.variants.used` with a run: the same choices give the same bits.
 */
export async function tune(
  engine: Engine,
  {
    asked = engine.variants.asked,
    repeats = 3,
    margin = 0.05,
    now = () => performance.now(),
    onProgress,
  }: TuneOptions = {},
): Promise<Tuning[]> {
  const { variants } = engine
  const tunings: Tuning[] = []
  // Inner operations come first: they were asked for after the operation that contains them.
  for (const [i, { key, family, size }] of [...asked].reverse().entries()) {
    onProgress?.(i, asked.length, key)
    const candidates = variants.candidates(family, size)
    if (candidates.length < 2) continue
    const milliseconds: Record<string, number> = {}
    for (const candidate of candidates) {
      const record = (times: number) =>
        engine.scope(() => {
          const tensors = family.sample(engine, size)
          const run = () => candidate.apply(engine, tensors, size)
          for (let t = 0; t < times; t++) {
            if (isRecorded(size)) engine.gradients(family.inputs!(tensors), () => run() as Tensor)
            else run()
          }
        })
      const time = async (times: number) => {
        const started = now()
        record(times)
        await engine.finish()
        return (now() - started) / times
      }
      await time(1) // compiles
      // Repeats for about 10 ms, because each submit costs time.
      const times = Math.max(1, Math.min(50, Math.ceil(10 / Math.max(0.01, await time(1)))))
      let best = Infinity
      for (let r = 0; r < repeats; r++) best = Math.min(best, await time(times))
      milliseconds[candidate.name] = best
    }
    const [standard] = candidates
    const fastest = candidates.reduce((a, b) => (milliseconds[b.name] < milliseconds[a.name] ? b : a))
    const variant =
      milliseconds[fastest.name] < milliseconds[standard.name] * (1 - margin) ? fastest.name : standard.name
    variants.adopt({ [key]: variant })
    tunings.push({ key, variant, milliseconds })
  }
  return tunings
}

/** Whether the operation includes its derivative. Then both are timed together. */
const isRecorded = (size: unknown) => (size as { recorded?: boolean }).recorded === true

/** Measured choices by adapter: "family class" to variant. */
export interface VariantStore {
  read(adapter: string): Promise<Record<string, string>>
  /** Adds choices. */
  write(adapter: string, choices: Readonly<Record<string, string>>): Promise<void>
}

/**
 * Keeps the choices of all adapters as one text.
 * @param place a file; in a page `{ read: async () => localStorage.getItem('variants'),
 * write: async text => localStorage.setItem('variants', text) }`.
 * A damaged or missing text counts as empty: the choices can be measured again
 */
export function keepVariants(place: {
  read(): Promise<string | null>
  write(text: string): Promise<void>
}): VariantStore {
  const all = async (): Promise<Record<string, unknown>> => {
    try {
      const parsed: unknown = JSON.parse((await place.read()) ?? '{}')
      return isRecord(parsed) ? parsed : {}
    } catch {
      return {}
    }
  }
  const of = (choices: unknown) => (isRecord(choices) ? (choices as Record<string, string>) : {})
  return {
    read: async adapter => of((await all())[adapter]),
    async write(adapter, choices) {
      const before = await all()
      await place.write(
        `${JSON.stringify({ ...before, [adapter]: { ...of(before[adapter]), ...choices } }, null, 2)}\n`,
      )
    },
  }
}

/**
 * Adopts the kept choices for this adapter. Other operations are measured now, on an engine of their own, and kept.
 * @param asked `engine.variants.asked`, or the same of a dry run of the work to come
 * @returns the new measurements
 */
export async function useMeasuredVariants(
  engine: Engine,
  asked: readonly Asked[],
  { open, store, ...options }: Omit<TuneOptions, 'asked'> & { open(): Promise<Engine>; store: VariantStore },
): Promise<Tuning[]> {
  const { variants, adapter } = engine
  variants.adopt(await store.read(adapter.description))
  const missing = asked.filter(
    ({ key, family, size }) => !variants.isMeasured(key) && variants.candidates(family, size).length > 1,
  )
  if (!missing.length) return []
  const scratch = await open()
  try {
    const tunings = await tune(scratch, { ...options, asked: missing })
    const choices = Object.fromEntries(tunings.map(({ key, variant }) => [key, variant]))
    await store.write(adapter.description, choices)
    variants.adopt(choices)
    return tunings
  } finally {
    scratch.close()
  }
}
