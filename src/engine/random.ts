// Random initial values, drawn on the host from a seeded generator, so that they are the same on every adapter.
import { Random } from '../data/random.js'

export { Random }

/** Standard deviation of a standard normal cut at ±2; 1 − 2·2·φ(2) / (Φ(2) − Φ(−2)) is its square. */
const CUT_SIGMA = 0.8796256610342398

/**
 * Truncated normal values as JAX and Flax draw them: cut at ±2 before scaling, and corrected so that the result has the asked deviation.
 * @param sigma standard deviation; 0 gives zeros
 */
export function truncatedNormal(random: Random, count: number, sigma: number): Float32Array<ArrayBuffer> {
  const values = new Float32Array(count)
  if (sigma === 0) return values
  for (let i = 0; i < count;) {
    // Box–Muller; uniform() may be 0, its complement may not.
    const radius = Math.sqrt(-2 * Math.log(1 - random.uniform()))
    const angle = 2 * Math.PI * random.uniform()
    for (const x of [radius * Math.cos(angle), radius * Math.sin(angle)]) {
      if (Math.abs(x) <= 2 && i < count) values[i++] = (x * sigma) / CUT_SIGMA
    }
  }
  return values
}
