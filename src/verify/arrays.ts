// Float arrays: joining them, their norms, and how far one is from another.

export function concat(parts: readonly Float32Array[]): Float32Array {
  const all = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    all.set(part, at)
    at += part.length
  }
  return all
}

/** ‖values‖₂ */
export function l2(values: Float32Array): number {
  let sum = 0
  for (const value of values) sum += value * value
  return Math.sqrt(sum)
}

/** The root mean square. */
export const rms = (values: Float32Array): number => l2(values) / Math.sqrt(values.length)

/** ‖ours − theirs‖ / ‖theirs‖; infinite where the sizes differ or a number is not finite. */
export function relativeError(ours: Float32Array, theirs: Float32Array): number {
  if (ours.length !== theirs.length) return Infinity
  let difference = 0
  for (let i = 0; i < ours.length; i++) difference += (ours[i] - theirs[i]) ** 2
  const norm = l2(theirs)
  const error = norm > 0 ? Math.sqrt(difference) / norm : Math.sqrt(difference)
  return Number.isFinite(error) ? error : Infinity
}
