// A small seeded random generator (xoshiro128**) whose state is plain JSON; not for secrets.

/** The whole state of a generator: four unsigned 32-bit integers, not all zero. */
export type RandomState = [number, number, number, number]

/**
 * Random numbers that depend on the seed alone and are the same on every machine. Method: xoshiro128** 1.1 (Blackman
 * and Vigna, https://prng.di.unimi.it), seeded by splitmix32.
 */
export class Random {
  #state: Uint32Array

  /** @param seed a whole number, 0 … 2⁵³ − 1 */
  constructor(seed: number) {
    if (!Number.isSafeInteger(seed) || seed < 0) throw new Error(`random: expected a seed of 0 … 2^53 - 1, got ${seed}`)
    let mixed = seed >>> 0
    const high = Math.floor(seed / 2 ** 32)
    const next = () => {
      mixed = (mixed + 0x9e3779b9) >>> 0
      let x = mixed
      x = Math.imul(x ^ (x >>> 16), 0x85ebca6b)
      x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35)
      return (x ^ (x >>> 16)) >>> 0
    }
    this.#state = Uint32Array.from([next(), next() ^ high, next(), next()])
    if (this.#state.every(word => word === 0)) this.#state[0] = 1
    for (let i = 0; i < 8; i++) this.uint32()
  }

  /** A generator that continues from `state`. @throws when it is not four unsigned 32-bit integers, not all 0 */
  static restore(state: RandomState): Random {
    const words = Uint32Array.from(Array.isArray(state) ? state : [])
    if (words.length !== 4 || words.some((word, i) => word !== state[i]) || !words.some(Boolean)) {
      throw new Error(`random: expected a state of four u32, not all 0, got ${JSON.stringify(state)}`)
    }
    const random = new Random(0)
    random.#state = words
    return random
  }

  /** A copy of the state, plain JSON; see `restore`. */
  get state(): RandomState {
    return [...this.#state] as RandomState
  }

  /** A whole number, 0 … 2³² − 1. */
  uint32(): number {
    const s = this.#state
    const product = Math.imul(s[1], 5)
    const result = Math.imul((product << 7) | (product >>> 25), 9) >>> 0
    const shifted = s[1] << 9
    s[2] ^= s[0]
    s[3] ^= s[1]
    s[1] ^= s[2]
    s[0] ^= s[3]
    s[2] ^= shifted
    s[3] = (s[3] << 11) | (s[3] >>> 21)
    return result
  }

  /** A number in [0, 1) with 53 random bits. */
  uniform(): number {
    return ((this.uint32() >>> 5) * 2 ** 26 + (this.uint32() >>> 6)) / 2 ** 53
  }

  /** A whole number, 0 … n − 1, every one equally likely (by rejection). @param n 1 … 2³² */
  below(n: number): number {
    if (!Number.isInteger(n) || n < 1 || n > 2 ** 32) throw new Error(`random: expected a bound of 1 … 2^32, got ${n}`)
    const limit = 2 ** 32 - (2 ** 32 % n)
    let drawn = this.uint32()
    while (drawn >= limit) drawn = this.uint32()
    return drawn % n
  }

  /** Shuffles in place, every order equally likely (Fisher–Yates), and returns the same array. */
  shuffle<T extends { length: number; [index: number]: unknown }>(array: T): T {
    for (let i = array.length - 1; i > 0; i--) {
      const j = this.below(i + 1)
      const kept = array[i]
      array[i] = array[j]
      array[j] = kept
    }
    return array
  }

  /** The numbers 0 … n − 1 in random order. */
  permutation(n: number): Int32Array {
    const numbers = new Int32Array(n)
    for (let i = 0; i < n; i++) numbers[i] = i
    return this.shuffle(numbers)
  }
}
