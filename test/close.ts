// The tolerance law |ours − truth| ≤ c · 2⁻²⁴ · √depth · scale, and the share that each kernel uses. No test is here.

/** Half the distance from 1 to the next float32. */
const UNIT = 2 ** -24

export interface Law {
  /** Magnitude of the compared values, for all or for each element; e.g. Σ|a||b| for a sum of products. */
  scale: number | ArrayLike<number>
  /** Number of consecutive roundings, e.g. the length of a sum; 1 by default. */
  depth?: number
  /** 4 by default; a test that needs more says why. */
  c?: number
}

const shares = new Map<string, number>()

/** @throws when the law is broken; the message names the worst element */
export function close(
  name: string,
  ours: ArrayLike<number>,
  truth: ArrayLike<number>,
  { scale, depth = 1, c = 4 }: Law,
): void {
  if (ours.length !== truth.length) throw new Error(`${name}: ${ours.length} elements, expected ${truth.length}`)
  let worst = 0
  let at = 0
  for (let i = 0; i < truth.length; i++) {
    const allowed = c * UNIT * Math.sqrt(depth) * (typeof scale === 'number' ? scale : scale[i])
    const error = Math.abs(ours[i] - truth[i])
    const share = error === 0 ? 0 : Number.isNaN(error / allowed) ? Infinity : error / allowed
    if (share > worst) {
      worst = share
      at = i
    }
  }
  const kernel = name.split(',')[0]
  shares.set(kernel, Math.max(shares.get(kernel) ?? 0, worst))
  if (worst > 1)
    throw new Error(
      `${name}: element ${at} of ${truth.length} is ${ours[at]}, the truth is ${truth[at]}: ` +
        `${worst.toPrecision(3)} times the allowed error`,
    )
}

/** Checks that all elements are equal; −0 counts as 0. @throws when one differs */
export function same(name: string, ours: ArrayLike<number>, truth: ArrayLike<number>): void {
  close(name, ours, truth, { scale: 0 })
}

/** Prints a line for each kernel; its name is the text before the first comma. */
export function printShares(): void {
  for (const [kernel, share] of shares) console.log(`share: ${kernel} ${Math.ceil(100 * share)} %`)
}

/** The largest magnitude, but at least `least`. */
export function largest(values: ArrayLike<number>, least = 0): number {
  let max = least
  for (let i = 0; i < values.length; i++) max = Math.max(max, Math.abs(values[i]))
  return max
}
