// Random initial values. The host draws them from a seeded generator, so they are the same on every adapter.
import { Random } from '../data/random.js'

export { Random }

/** Standard deviation of a standard normal cut at ±2. Its square is 1 − 2·2·φ(2) / (Φ(2) − Φ(−2)). */
const CUT_SIGMA = 0.8796256610342398

/**
 * Truncated normal values as JAX and Flax draw them: cut at ±2, then scaled so that their standard deviation is sigma.
 * @param sigma standard deviation; 0 gives zeros
 */
export function truncatedNormal(random: Random, count: number, sigma: number): Float32Array<ArrayBuffer> {
  const values = new Float32Array(count)
  if (sigma === 0) return values
  for (let i = 0; i < count;) {
    // Box–Muller. uniform() may be 0, 1 − uniform() may not.
    const radius = Math.sqrt(-2 * Math.log(1 - random.uniform()))
    const angle = 2 * Math.PI * random.uniform()
    for (const x of [radius * Math.cos(angle), radius * Math.sin(angle)]) {
      if (Math.abs(x) <= 2 && i < count) values[i++] = (x * sigma) / CUT_SIGMA
    }
  }
  return values
}
