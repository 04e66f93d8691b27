// Median and quartiles of repeated measurements.

/** The middle half of the measurements. */
export interface Summary {
  median: number
  /** First and third quartile. */
  spread: [number, number]
}

/**
 * The value below which the share `q` of the sorted values lies, interpolated between neighbours (type 7, as in NumPy).
 * @throws when there are no values
 */
export function quantile(sorted: readonly number[], q: number): number {
  if (!sorted.length) throw new Error('quantile: no values, expected at least one')
  const at = (sorted.length - 1) * q
  const below = Math.floor(at)
  const above = Math.min(below + 1, sorted.length - 1)
  return sorted[below] + (sorted[above] - sorted[below]) * (at - below)
}

/** Median and quartiles of values in any order. */
export function summarize(values: readonly number[]): Summary {
  const sorted = values.slice().sort((a, b) => a - b)
  return { median: quantile(sorted, 0.5), spread: [quantile(sorted, 0.25), quantile(sorted, 0.75)] }
}
