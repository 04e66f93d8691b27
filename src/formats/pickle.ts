// Python pickles as plain values, for callers that say beforehand which globals may occur. Nothing is ever executed.
import { buildPickle, type Globals, Inert, type Persistent, type PickleValue } from './pickle-machine.js'
import { scanPickle, type Step } from './pickle-opcodes.js'
import { type Fail, shown } from './shown.js'

export { Inert, type Globals, type PickleGlobal, type PickleValue } from './pickle-machine.js'

export interface PickleOptions {
  /** Begins every error message. */
  name?: string
  globals: Globals
  /** Which other globals may occur too; what the pickle makes of them becomes `Inert`. By default none. */
  isHarmless?: (name: string) => boolean
  /** What a persistent id stands for. */
  persistent?: Persistent
  /** Called with the first byte after the pickle; without it nothing may follow the pickle. */
  onEnd?: (end: number) => void
}

/**
 * Reads one pickle. All opcodes are parsed first, and every global that they name is looked up in `globals`. Values are
 * built only when all globals are allowed, and only by the functions of `globals` and `persistent`.
 * @throws one line that begins with `name` for a global that is not allowed, an unknown opcode, or damage
 */
export function readPickle(
  bytes: Uint8Array,
  { name = 'pickle', globals, isHarmless = () => false, persistent, onEnd }: PickleOptions,
): PickleValue {
  const fail = (message: string): never => {
    throw new Error(`${name}: ${message}`)
  }
  const steps = scanPickle(bytes, fail, onEnd)
  const known = new Map(globals)
  for (const global of namedGlobals(steps, fail)) {
    if (known.has(global)) continue
    if (!isHarmless(global))
      fail(
        `the pickle names ${shown(global)}, which is not allowed — ` +
          'it could run code where it is loaded; save a state_dict of dense tensors',
      )
    known.set(global, { name: global, call: args => new Inert(global, args) })
  }
  return buildPickle(steps, known, persistent, fail)
}

/**
 * The full names of all globals. Where the stack names a global, two strings must come right before: only then is the
 * name known before anything runs.
 */
function namedGlobals(steps: readonly Step[], fail: Fail): Set<string> {
  const names = new Set<string>()
  const memo = new Map<number, string | undefined>()
  /** The last two pushes: strings, or undefined for anything else. */
  let [before, last]: (string | undefined)[] = [undefined, undefined]
  for (const { op, argument, at } of steps) {
    if (op === 'GLOBAL' || op === 'INST') names.add(argument as string)
    if (op === 'STACK_GLOBAL') {
      if (before === undefined || last === undefined)
        fail(`the pickle computes the name of a global at byte ${at}, which is not allowed — it could run code`)
      names.add(`${before}.${last}`)
    }
    if (op === 'MEMOIZE' || op === 'BINPUT' || op === 'LONG_BINPUT') {
      memo.set(op === 'MEMOIZE' ? memo.size : (argument as number), last)
    } else if (op !== 'FRAME' && op !== 'PROTO') {
      const string =
        op === 'BINGET' || op === 'LONG_BINGET'
          ? memo.get(argument as number)
          : typeof argument === 'string' && op !== 'GLOBAL' && op !== 'INST'
            ? argument
            : undefined
      // Anything that is not a push of a string makes what lies below unknown.
      ;[before, last] = string === undefined ? [undefined, undefined] : [last, string]
    }
  }
  return names
}
