// Seeded mutations of a file; each must load or give a clear error. No test is here.
import * as assert from 'uvu/assert'
import { Random } from '../src/data/random.js'

/**
 * Makes one to three changes. A bit or a byte changes; a piece is doubled, moved or lost; an awkward number or word
 * comes in; or the file ends early.
 */
export function mutate(bytes: Uint8Array, random: Random, within = bytes.length): Uint8Array {
  let changed = Array.from(bytes)
  const place = () => random.below(Math.max(1, Math.min(within, changed.length)))
  const awkward = [
    '-1',
    '1e99',
    '4294967296',
    'null',
    '[]',
    '{}',
    '"',
    '\n',
    ': ',
    '&a *a',
    '!!x ',
    '\u0000',
    '𝟙',
    '__proto__',
    'true',
  ]
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

/** The results of the mutations of a file. */
export interface Mutations {
  loaded: number
  refused: number
  /** Time of the slowest one, ms. */
  slowest: number
}

/** The time limit of a mutation, ms: processor time if it is known, because tests run beside others. */
const LIMIT_MS = 2000
const { cpuUsage } = (globalThis as { process?: { cpuUsage?: () => { user: number; system: number } } }).process ?? {}
const now = () => {
  const used = cpuUsage?.()
  return used ? (used.user + used.system) / 1000 : performance.now()
}

/** What is wrong with the error of a reader: not one line of printable text, or a mistake of the program itself. */
function flaw(error: unknown, clear: RegExp): string | undefined {
  if (!(error instanceof Error)) return 'it is no Error'
  if ([TypeError, RangeError, ReferenceError, SyntaxError].some(kind => error instanceof kind))
    return 'it is one of the language'
  if (/[\p{C}\p{Zl}\p{Zp}]/u.test(error.message)) return 'it has characters that do not print, or line breaks'
  if (error.message.length > 1000) return 'it is long'
  return clear.test(error.message) ? undefined : `it is not like ${clear}`
}

/**
 * Feeds mutations of a file to its reader. It must load each one, or throw an Error of one line that matches `clear`,
 * within two seconds. At least one must be refused.
 * @param within all changes are in the first so many bytes
 * @throws when the reader fails in any other way
 */
export async function mutations(
  bytes: Uint8Array,
  read: (mutated: Uint8Array) => unknown,
  clear: RegExp,
  { count = 200, seed = 1, within }: { count?: number; seed?: number; within?: number } = {},
): Promise<Mutations> {
  const random = new Random(seed)
  await read(bytes)
  const all: Mutations = { loaded: 0, refused: 0, slowest: 0 }
  for (let i = 0; i < count; i++) {
    const mutated = mutate(bytes, random, within)
    const about = () => `mutation ${i}: ${JSON.stringify(new TextDecoder().decode(mutated.subarray(0, 2000)))}`
    const started = now()
    try {
      await read(mutated)
      all.loaded++
    } catch (error) {
      const wrong = flaw(error, clear)
      if (wrong)
        throw new Error(
          `${about()}: ${wrong}: ${error instanceof Error ? `${JSON.stringify(error.message)} ${error.stack}` : error}`,
        )
      all.refused++
    }
    all.slowest = Math.max(all.slowest, now() - started)
    if (all.slowest > LIMIT_MS) throw new Error(`${about()} took ${all.slowest} ms`)
  }
  assert.ok(all.refused > 0, 'none of the mutations was refused')
  return all
}
