// Python pickles as plain values, for callers that say beforehand which globals may occur; nothing is ever executed.
import { shown } from './shown.js'

/** Python values: None → null, int → number (bigint beyond 2⁵³), tuple, list and set → array, dict → Map, bytes → Uint8Array, else what `Globals` make, or an `Inert`. */
export type PickleValue = unknown

/** What may occur as a global, by its full name, e.g. `collections.OrderedDict`. */
export type Globals = ReadonlyMap<string, PickleGlobal>

/** A global that is allowed: a mere name, or with `call` something that may be called. */
export interface PickleGlobal {
  name: string
  call?: (args: PickleValue[]) => PickleValue
}

/** An object of a class that nobody here knows: its class, what it was made from, and its state; never more than that. */
export class Inert {
  state: PickleValue

  constructor(
    readonly type: string,
    readonly args: readonly PickleValue[],
  ) {}
}

export interface PickleOptions {
  /** Begins every error message. */
  name?: string
  globals: Globals
  /** Which other globals may occur too; what the pickle makes of them becomes `Inert`. By default none. */
  isHarmless?: (name: string) => boolean
  /** What a persistent id stands for. */
  persistent?: (id: PickleValue) => PickleValue
  /** Called with the place behind the pickle; without it nothing may come there. */
  onEnd?: (end: number) => void
}

/** How an opcode's argument is laid out. */
type Argument =
  | 'none'
  | 'u1'
  | 'u2'
  | 'i4'
  | 'u4'
  | 'f8'
  | 'bytes1'
  | 'bytes4'
  | 'bytes8'
  | 'text1'
  | 'text4'
  | 'text8'
  | 'latin1'
  | 'latin4'
  | 'long1'
  | 'long4'
  | 'line'
  | 'lines'
  | 'frame'

/** The opcodes of protocols 0 to 5 that are understood. Text forms of protocol 0, EXT, INST, OBJ and buffers are not. */
const OPCODES: Readonly<Record<number, readonly [name: string, argument: Argument]>> = {
  0x80: ['PROTO', 'u1'],
  0x95: ['FRAME', 'frame'],
  0x2e: ['STOP', 'none'],
  0x28: ['MARK', 'none'],
  0x30: ['POP', 'none'],
  0x31: ['POP_MARK', 'none'],
  0x32: ['DUP', 'none'],
  0x4e: ['NONE', 'none'],
  0x88: ['NEWTRUE', 'none'],
  0x89: ['NEWFALSE', 'none'],
  0x4b: ['BININT1', 'u1'],
  0x4d: ['BININT2', 'u2'],
  0x4a: ['BININT', 'i4'],
  0x8a: ['LONG1', 'long1'],
  0x8b: ['LONG4', 'long4'],
  0x47: ['BINFLOAT', 'f8'],
  0x58: ['BINUNICODE', 'text4'],
  0x8c: ['SHORT_BINUNICODE', 'text1'],
  0x8d: ['BINUNICODE8', 'text8'],
  0x54: ['BINSTRING', 'latin4'],
  0x55: ['SHORT_BINSTRING', 'latin1'],
  0x42: ['BINBYTES', 'bytes4'],
  0x43: ['SHORT_BINBYTES', 'bytes1'],
  0x8e: ['BINBYTES8', 'bytes8'],
  0x29: ['EMPTY_TUPLE', 'none'],
  0x74: ['TUPLE', 'none'],
  0x85: ['TUPLE1', 'none'],
  0x86: ['TUPLE2', 'none'],
  0x87: ['TUPLE3', 'none'],
  0x8f: ['EMPTY_SET', 'none'],
  0x90: ['ADDITEMS', 'none'],
  0x91: ['FROZENSET', 'none'],
  0x96: ['BYTEARRAY8', 'bytes8'],
  0x5d: ['EMPTY_LIST', 'none'],
  0x6c: ['LIST', 'none'],
  0x61: ['APPEND', 'none'],
  0x65: ['APPENDS', 'none'],
  0x7d: ['EMPTY_DICT', 'none'],
  0x64: ['DICT', 'none'],
  0x73: ['SETITEM', 'none'],
  0x75: ['SETITEMS', 'none'],
  0x71: ['BINPUT', 'u1'],
  0x72: ['LONG_BINPUT', 'u4'],
  0x94: ['MEMOIZE', 'none'],
  0x68: ['BINGET', 'u1'],
  0x6a: ['LONG_BINGET', 'u4'],
  0x63: ['GLOBAL', 'lines'],
  0x93: ['STACK_GLOBAL', 'none'],
  0x52: ['REDUCE', 'none'],
  0x81: ['NEWOBJ', 'none'],
  0x92: ['NEWOBJ_EX', 'none'],
  0x62: ['BUILD', 'none'],
  0x51: ['BINPERSID', 'none'],
  // Only named, so that a refusal can name what it would have called.
  0x69: ['INST', 'lines'],
  0x50: ['PERSID', 'line'],
}

interface Step {
  op: string
  argument: unknown
  at: number
}

/**
 * Reads one pickle. All opcodes are parsed first and every global they name is looked up in `globals`; only when all are
 * allowed does anything get built, and then only by the functions of `globals` and `persistent`.
 * Throws an Error that begins with `name` for a global that is not allowed, an opcode that is not understood, or damage.
 */
export function readPickle(
  bytes: Uint8Array,
  { name = 'pickle', globals, isHarmless = () => false, persistent, onEnd }: PickleOptions,
): PickleValue {
  const fail = (message: string): never => {
    throw new Error(`${name}: ${message}`)
  }
  const steps = scan(bytes, fail, onEnd)
  const known = new Map(globals)
  for (const global of namedGlobals(steps, fail)) {
    if (known.has(global)) continue
    if (!isHarmless(global))
      fail(
        `the pickle names ${shown(global)}, which is not allowed — it could run code where it is loaded; save a state_dict of dense tensors`,
      )
    known.set(global, { name: global, call: args => new Inert(global, args) })
  }
  return build(steps, known, persistent, fail)
}

type Fail = (message: string) => never

/** Parses the opcodes up to STOP, which must be the last byte unless somebody takes the end. */
function scan(bytes: Uint8Array, fail: Fail, onEnd?: (end: number) => void): Step[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const steps: Step[] = []
  let at = 0
  let from = 0
  const take = (length: number): number => {
    if (length > bytes.length - at)
      fail(
        `the pickle is truncated: the opcode at byte ${from} needs ${length} bytes more, ${bytes.length - at} are left`,
      )
    at += length
    return at - length
  }
  const length = (width: number): number => {
    const place = take(width)
    if (width === 1) return view.getUint8(place)
    return width === 4 ? view.getUint32(place, true) : Number(view.getBigUint64(place, true))
  }
  const block = (width: number): Uint8Array => {
    const size = length(width)
    const place = take(size)
    return bytes.subarray(place, place + size)
  }
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
  const text = (data: Uint8Array): string => {
    try {
      return decoder.decode(data)
    } catch {
      return fail(`the pickle's text at byte ${from} is not UTF-8 — the file is damaged`)
    }
  }
  const line = (): string => {
    const end = bytes.indexOf(10, at)
    if (end < 0) fail(`the pickle is truncated: the line at byte ${at} has no end`)
    const place = take(end + 1 - at)
    return text(bytes.subarray(place, end))
  }
  const parse = (argument: Argument): unknown => {
    const width = Number(argument.at(-1))
    switch (argument) {
      case 'u1':
        return view.getUint8(take(1))
      case 'u2':
        return view.getUint16(take(2), true)
      case 'i4':
        return view.getInt32(take(4), true)
      case 'u4':
        return view.getUint32(take(4), true)
      case 'f8':
        return view.getFloat64(take(8))
      case 'bytes1':
      case 'bytes4':
      case 'bytes8':
        return block(width)
      case 'text1':
      case 'text4':
      case 'text8':
        return text(block(width))
      case 'latin1':
      case 'latin4':
        return Array.from(block(width), byte => String.fromCharCode(byte)).join('')
      case 'long1':
      case 'long4':
        return long(block(width), from, fail)
      case 'line':
        return line()
      case 'lines':
        return `${line()}.${line()}`
      case 'frame':
        return length(8)
      default:
        return undefined
    }
  }
  while (at < bytes.length) {
    from = at
    const [op, argument] =
      OPCODES[bytes[take(1)]] ??
      fail(
        `the pickle's opcode 0x${bytes[from].toString(16)} at byte ${from} is not understood — the file is damaged, or was not written by torch.save`,
      )
    steps.push({ op, argument: parse(argument), at: from })
    if (op === 'STOP') {
      onEnd?.(at)
      if (!onEnd && at !== bytes.length)
        fail(`the pickle ends at byte ${at} of ${bytes.length}, expected nothing after it`)
      return steps
    }
  }
  return fail('the pickle is truncated: it has no end')
}

/** Bytes of an integer; generators of random numbers have states of some dozens. */
const longest = 1024

/** A little-endian integer in two's complement. */
function long(data: Uint8Array, at: number, fail: Fail): number | bigint {
  if (data.length > longest)
    fail(`the pickle's integer at byte ${at} has ${data.length} bytes, expected at most ${longest}`)
  let value = 0n
  for (let i = data.length - 1; i >= 0; i--) value = (value << 8n) | BigInt(data[i])
  value = BigInt.asIntN(8 * data.length, value)
  return Number.isSafeInteger(Number(value)) ? Number(value) : value
}

/** The full names of all globals. Those that the stack names must stand as two strings right before: else they cannot be known beforehand. */
function namedGlobals(steps: readonly Step[], fail: Fail): Set<string> {
  const names = new Set<string>()
  const memo = new Map<number, string | undefined>()
  /** What the last pushes were: strings, or undefined for anything else. */
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

const mark = Symbol('mark')

/** Runs the opcodes on a stack. */
function build(
  steps: readonly Step[],
  globals: Globals,
  persistent: PickleOptions['persistent'],
  fail: Fail,
): PickleValue {
  const stack: unknown[] = []
  const memo = new Map<number, unknown>()
  const known = new Set<unknown>(globals.values())
  let at = 0
  const damaged = (expected: string): never =>
    fail(`the pickle's opcode at byte ${at} expects ${expected} — the file is damaged`)
  const pop = (): unknown => {
    if (stack.length === 0 || stack.at(-1) === mark) damaged('a value')
    return stack.pop()
  }
  const popMany = (count: number): unknown[] => Array.from({ length: count }, pop).reverse()
  const popMark = (): unknown[] => {
    const place = stack.lastIndexOf(mark)
    if (place < 0) damaged('a mark')
    const values = stack.splice(place)
    values.shift()
    return values
  }
  const top = <T>(Type: new () => T, what: string): T => {
    const value = stack.at(-1)
    // A list or dict of a class of its own: what it holds is of no use without the class.
    if (value instanceof Inert) return new Type()
    return value instanceof Type ? value : damaged(what)
  }
  const set = (map: Map<unknown, unknown>, items: unknown[]): void => {
    if (items.length % 2) damaged('pairs of key and value')
    for (let i = 0; i < items.length; i += 2) map.set(items[i], items[i + 1])
  }
  const get = (index: number): unknown => (memo.has(index) ? memo.get(index) : damaged(`entry ${index} of the memo`))
  const put = (index: number): void => {
    if (stack.length === 0 || stack.at(-1) === mark) damaged('a value')
    memo.set(index, stack.at(-1))
  }
  const global = (name: string): PickleGlobal =>
    globals.get(name) ?? fail(`the pickle names ${shown(name)}, which is not allowed`)
  const call = (): unknown => {
    const args = pop()
    const target = pop()
    if (!known.has(target) || !Array.isArray(args)) damaged('a global and its arguments')
    const { name, call } = target as PickleGlobal
    if (!call) fail(`the pickle calls ${name} at byte ${at}, expected only its name`)
    return call!(args as unknown[])
  }
  for (const step of steps) {
    at = step.at
    const { op, argument } = step
    switch (op) {
      case 'PROTO':
        if ((argument as number) > 5) fail(`the pickle has protocol ${argument}, expected at most 5`)
        break
      case 'FRAME':
        break
      case 'MARK':
        stack.push(mark)
        break
      case 'POP':
        stack.at(-1) === mark ? stack.pop() : pop()
        break
      case 'POP_MARK':
        popMark()
        break
      case 'DUP': {
        const value = pop()
        stack.push(value, value)
        break
      }
      case 'NONE':
        stack.push(null)
        break
      case 'NEWTRUE':
        stack.push(true)
        break
      case 'NEWFALSE':
        stack.push(false)
        break
      case 'EMPTY_TUPLE':
      case 'EMPTY_LIST':
      case 'EMPTY_SET':
        stack.push([])
        break
      case 'TUPLE':
      case 'LIST':
      case 'FROZENSET':
        stack.push(popMark())
        break
      case 'TUPLE1':
      case 'TUPLE2':
      case 'TUPLE3':
        stack.push(popMany(Number(op.at(-1))))
        break
      case 'APPEND': {
        const item = pop()
        top<unknown[]>(Array, 'a list').push(item)
        break
      }
      case 'APPENDS':
      case 'ADDITEMS': {
        const items = popMark()
        const list = top<unknown[]>(Array, 'a list')
        for (const item of items) list.push(item)
        break
      }
      case 'EMPTY_DICT':
        stack.push(new Map())
        break
      case 'DICT': {
        const items = popMark()
        const map = new Map()
        set(map, items)
        stack.push(map)
        break
      }
      case 'SETITEM': {
        const items = popMany(2)
        set(top<Map<unknown, unknown>>(Map, 'a dict'), items)
        break
      }
      case 'SETITEMS': {
        const items = popMark()
        set(top<Map<unknown, unknown>>(Map, 'a dict'), items)
        break
      }
      case 'BINPUT':
      case 'LONG_BINPUT':
        put(argument as number)
        break
      case 'MEMOIZE':
        put(memo.size)
        break
      case 'BINGET':
      case 'LONG_BINGET':
        stack.push(get(argument as number))
        break
      case 'GLOBAL':
        stack.push(global(argument as string))
        break
      case 'STACK_GLOBAL': {
        const [module, name] = popMany(2)
        stack.push(global(`${module}.${name}`))
        break
      }
      case 'REDUCE':
      case 'NEWOBJ':
        stack.push(call())
        break
      case 'NEWOBJ_EX':
        // Arguments by name only tell an unknown class how it is made.
        pop()
        stack.push(call())
        break
      case 'BUILD': {
        const state = pop()
        const built = stack.at(-1)
        if (built instanceof Inert) {
          built.state = state
          break
        }
        // Attributes of a dict, e.g. `_metadata` of a state_dict, say nothing about its entries.
        top<Map<unknown, unknown>>(Map, 'a dict')
        if (!(state instanceof Map)) damaged('a dict of attributes')
        break
      }
      case 'BINPERSID':
        if (!persistent) fail(`the pickle refers to outside data at byte ${at}, expected none`)
        stack.push(persistent!(pop()))
        break
      case 'STOP': {
        const value = pop()
        if (stack.length) damaged('one value at the end')
        return value
      }
      case 'INST':
      case 'PERSID':
        fail(`the pickle's opcode ${op} at byte ${at} is not allowed, torch.save does not write it`)
        break
      default: // numbers, strings and bytes
        stack.push(argument)
    }
  }
  return fail('the pickle has no end')
}
