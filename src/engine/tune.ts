// Measures the variants of every operation that ran so far on this adapter, and lets the engine take the fastest from now on.
import type { Engine } from './engine.js'

export interface TuneOptions {
  /** Only these keys ("family class"). Default: all that ran. */
  only?: readonly string[]
  /** Timings of each variant; the best counts. Default 3. */
  repeats?: number
  /** The time in ms. Default: wall time; processor time is steadier where other programs run. */
  now?: () => number
  /** A variant replaces the default only when it is faster by this share. Default 0.05. */
  margin?: number
  /** Called before each operation. */
  onProgress?: (done: number, total: number, what: string) => void
}

/** What was measured for one operation and size class: milliseconds by variant. */
export interface Tuning {
  /** "family class", as in `engine.variants`. */
  key: string
  variant: string
  milliseconds: Record<string, number>
}

/**
 * Times the variants of all operations that ran since the engine was opened; run the work to be tuned once before.
 * The choices are adopted at once. Keep `engine.variants.used` with a run: the same choices give the same bits.
 */
export async function tune(engine: Engine, { only, repeats = 3, margin = 0.05, now = () => performance.now(), onProgress }: TuneOptions = {}): Promise<Tuning[]> {
  const { variants } = engine
  const asked = variants.asked.filter(({ key }) => !only || only.includes(key))
  const tunings: Tuning[] = []
  for (const [i, { key, family, size }] of asked.entries()) {
    onProgress?.(i, asked.length, key)
    const candidates = variants.candidates(family, size)
    if (candidates.length < 2) continue
    const milliseconds: Record<string, number> = {}
    for (const candidate of candidates) {
      const record = (times: number) =>
        engine.scope(() => {
          const tensors = family.sample(engine, size)
          for (let t = 0; t < times; t++) candidate.run(engine, tensors, size)
        })
      const time = async (times: number) => {
        const started = now()
        record(times)
        await engine.finish()
        return (now() - started) / times
      }
      await time(1) // compiles
      // As many in a row as last about 10 ms: a submit has a price of its own.
      const times = Math.max(1, Math.min(50, Math.ceil(10 / Math.max(0.01, await time(1)))))
      let best = Infinity
      for (let r = 0; r < repeats; r++) best = Math.min(best, await time(times))
      milliseconds[candidate.name] = best
    }
    const [standard] = candidates
    const fastest = candidates.reduce((a, b) => (milliseconds[b.name] < milliseconds[a.name] ? b : a))
    const variant = milliseconds[fastest.name] < milliseconds[standard.name] * (1 - margin) ? fastest.name : standard.name
    variants.adopt({ [key]: variant })
    tunings.push({ key, variant, milliseconds })
  }
  return tunings
}
