// Seeded mutations of a file, each of which must give a clear error or a valid load. No test is here.
import * as assert from 'uvu/assert'
import { Random } from '../src/data/random.js'

/** 1 … 3 changes: a bit or a byte, a piece doubled, moved or lost, a number or a word swapped for an awkward one, an early end. */
export function mutate(bytes: Uint8Array, random: Random, within = bytes.length): Uint8Array {
  let changed = Array.from(bytes)
  const place = () => random.below(Math.max(1, Math.min(within, changed.length)))
  const awkward = ['-1', '1e99', '4294967296', 'null', '[]', '{}', '"', '\n', ': ', '&a *a', '!!x ', '\u0000', '𝟙', '__proto__', 'true']
  for (let left = 1 + random.below(3); left > 0; left--) {
    const at = place()
    const length = 1 + random.below(20)
    const piece = changed.slice(at, at + length)
    switch (random.below(7)) {
      case 0:
        changed[at] ^= 1 << random.below(8)
        break
      case 1:
        changed[at] = random.below(256)
        break
      case 2:
        changed.splice(at, 0, ...piece)
        break
      case 3:
        changed.splice(at, length)
        break
      case 4:
        changed.splice(at, length)
        changed.splice(place(), 0, ...piece)
        break
      case 5:
        changed.splice(at, random.below(4), ...new TextEncoder().encode(awkward[random.below(awkward.length)]))
        break
      default:
        if (random.below(4) === 0) changed = changed.slice(0, at)
    }
  }
  return Uint8Array.from(changed)
}

/**
 * Feeds mutations of a file to its reader: it loads, or throws an Error of one line that matches `clear`.
 * @param within changes fall into the first so many bytes
 * @returns how many loaded and how many were refused, of which there must be some
 */
export async function mutations(bytes: Uint8Array, read: (mutated: Uint8Array) => unknown, clear: RegExp, { count = 200, seed = 1, within }: { count?: number; seed?: number; within?: number } = {}): Promise<{ loaded: number; refused: number }> {
  const random = new Random(seed)
  await read(bytes)
  let [loaded, refused] = [0, 0]
  for (let i = 0; i < count; i++) {
    const mutated = mutate(bytes, random, within)
    try {
      await read(mutated)
      loaded++
    } catch (error) {
      const { message } = error as Error
      if (!clear.test(message) || /\n/.test(message)) throw new Error(`mutation ${i}: ${JSON.stringify(new TextDecoder().decode(mutated.subarray(0, 2000)))}: ${(error as Error).stack}`)
      refused++
    }
  }
  assert.ok(refused > 0, 'none of the mutations was refused')
  return { loaded, refused }
}
