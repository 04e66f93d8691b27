// Awkward sizes, magnitudes and random values for tests. No test is here.

/** Lengths of rows: one, primes, and one less and one more than the sizes of tiles and workgroups. */
export const WIDTHS = [1, 2, 3, 7, 11, 31, 32, 33, 63, 64, 65, 97, 127, 128, 129, 257]

/** Rows and columns that differ. */
export const RECTANGLES: readonly (readonly [rows: number, width: number])[] = [
  [1, 1],
  [1, 97],
  [97, 1],
  [2, 64],
  [5, 11],
  [17, 33],
  [65, 31],
  [130, 7],
]

/** Sizes of a product: m, n, k. */
export const PRODUCTS: readonly (readonly [m: number, n: number, k: number])[] = [
  [1, 1, 1],
  [1, 97, 3],
  [97, 1, 3],
  [3, 5, 97],
  [7, 31, 8],
  [8, 32, 16],
  [9, 33, 17],
  [31, 7, 129],
  [63, 65, 11],
  [64, 64, 64],
  [65, 63, 33],
  [127, 129, 2],
  [2, 300, 1],
  [300, 2, 65],
]

export const MAGNITUDES = [1e-4, 1, 1e4]

/** More elements than 65,535 workgroups of 64 threads take. */
export const BEYOND_ONE_DIMENSION = 64 * 65535 + 37

/** Repeatable random numbers in [0, 1): mulberry32 of Tommy Ettinger. */
export function uniform(seed: number): () => number {
  let state = seed | 0
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
}

/** Values in (−magnitude, magnitude); equal arguments give equal values. */
export function values(seed: number, count: number, magnitude = 1): Float32Array<ArrayBuffer> {
  const next = uniform(seed)
  return Float32Array.from({ length: count }, () => (2 * next() - 1) * magnitude)
}

/** Integers from 0 to below − 1. */
export function integers(seed: number, count: number, below: number): Int32Array<ArrayBuffer> {
  const next = uniform(seed)
  return Int32Array.from({ length: count }, () => Math.floor(next() * below))
}
