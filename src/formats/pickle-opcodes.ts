// The opcodes of Python pickles: the known ones, the layout of their arguments, and a pickle as a list of them.
import type { Fail } from './shown.js'

/** One opcode of a pickle with its argument; `at` is the byte at which it stands. */
export interface Step {
  op: string
  argument: unknown
  at: number
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

/** The opcodes of protocols 0 to 5 that are understood. Text forms of protocol 0, EXT, OBJ and buffers are not. */
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

/** Most bytes of an integer; states of random generators have some dozens. */
const MAX_INTEGER_BYTES = 1024

/**
 * Parses the opcodes up to STOP. Nothing may follow, unless `onEnd` is given: it is called with the byte after STOP.
 * @throws through `fail` for an opcode that is not understood, or a truncated pickle
 */
export function scanPickle(bytes: Uint8Array, fail: Fail, onEnd?: (end: number) => void): Step[] {
  const reader = new ArgumentReader(bytes, fail)
  const steps: Step[] = []
  while (reader.at < bytes.length) {
    const from = reader.at
    const [op, argument] =
      OPCODES[reader.opcode()] ??
      fail(
        `the pickle's opcode 0x${bytes[from].toString(16)} at byte ${from} is not understood — ` +
          'the file is damaged, or was not written by torch.save',
      )
    steps.push({ op, argument: reader.argument(argument), at: from })
    if (op !== 'STOP') continue
    onEnd?.(reader.at)
    if (!onEnd && reader.at !== bytes.length)
      fail(`the pickle ends at byte ${reader.at} of ${bytes.length}, expected nothing after it`)
    return steps
  }
  return fail('the pickle is truncated: it has no end')
}

/** Reads opcodes and their arguments one after the other. */
class ArgumentReader {
  /** The next byte. */
  at = 0
  #bytes: Uint8Array
  #view: DataView
  #fail: Fail
  #decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
  /** Where the current opcode stands. */
  #from = 0

  constructor(bytes: Uint8Array, fail: Fail) {
    this.#bytes = bytes
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    this.#fail = fail
  }

  opcode(): number {
    this.#from = this.at
    return this.#bytes[this.#take(1)]
  }

  argument(layout: Argument): unknown {
    const view = this.#view
    const width = Number(layout.at(-1))
    switch (layout) {
      case 'u1':
        return view.getUint8(this.#take(1))
      case 'u2':
        return view.getUint16(this.#take(2), true)
      case 'i4':
        return view.getInt32(this.#take(4), true)
      case 'u4':
        return view.getUint32(this.#take(4), true)
      case 'f8':
        return view.getFloat64(this.#take(8))
      case 'bytes1':
      case 'bytes4':
      case 'bytes8':
        return this.#block(width)
      case 'text1':
      case 'text4':
      case 'text8':
        return this.#text(this.#block(width))
      case 'latin1':
      case 'latin4':
        return Array.from(this.#block(width), byte => String.fromCharCode(byte)).join('')
      case 'long1':
      case 'long4':
        return this.#integer(this.#block(width))
      case 'line':
        return this.#line()
      case 'lines':
        return `${this.#line()}.${this.#line()}`
      case 'frame':
        return this.#length(8)
      default:
        return undefined
    }
  }

  /** Passes over `length` bytes and gives the place of the first. */
  #take(length: number): number {
    const left = this.#bytes.length - this.at
    if (length > left)
      this.#fail(
        `the pickle is truncated: the opcode at byte ${this.#from} needs ${length} bytes more, ${left} are left`,
      )
    this.at += length
    return this.at - length
  }

  #length(width: number): number {
    const place = this.#take(width)
    if (width === 1) return this.#view.getUint8(place)
    return width === 4 ? this.#view.getUint32(place, true) : Number(this.#view.getBigUint64(place, true))
  }

  /** Bytes that follow their own length of `width` bytes. */
  #block(width: number): Uint8Array {
    const size = this.#length(width)
    const place = this.#take(size)
    return this.#bytes.subarray(place, place + size)
  }

  #text(data: Uint8Array): string {
    try {
      return this.#decoder.decode(data)
    } catch {
      return this.#fail(`the pickle's text at byte ${this.#from} is not UTF-8 — the file is damaged`)
    }
  }

  #line(): string {
    const end = this.#bytes.indexOf(10, this.at)
    if (end < 0) this.#fail(`the pickle is truncated: the line at byte ${this.at} has no end`)
    const place = this.#take(end + 1 - this.at)
    return this.#text(this.#bytes.subarray(place, end))
  }

  /** A little-endian integer in two's complement. */
  #integer(data: Uint8Array): number | bigint {
    if (data.length > MAX_INTEGER_BYTES)
      this.#fail(
        `the pickle's integer at byte ${this.#from} has ${data.length} bytes, expected at most ${MAX_INTEGER_BYTES}`,
      )
    let value = 0n
    for (let i = data.length - 1; i >= 0; i--) value = (value << 8n) | BigInt(data[i])
    value = BigInt.asIntN(8 * data.length, value)
    return Number.isSafeInteger(Number(value)) ? Number(value) : value
  }
}
