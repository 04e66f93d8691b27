// The stack machine of Python pickles: it makes plain values, and calls only the functions that it was given.
import type { Step } from './pickle-opcodes.js'
import { type Fail, shown } from './shown.js'

/**
 * Python values: None → null, int → number (bigint above 2⁵³), tuple, list and set → array, dict → Map,
 * bytes → Uint8Array; anything else is what `Globals` make, or an `Inert`.
 */
export type PickleValue = unknown

/** The globals that may occur, by their full names, e.g. `collections.OrderedDict`. */
export type Globals = ReadonlyMap<string, PickleGlobal>

/** A global that is allowed: a name alone, or with `call` something that may be called. */
export interface PickleGlobal {
  name: string
  call?: (args: PickleValue[]) => PickleValue
}

/** An object of an unknown class: its class, the arguments that made it, and its state. It does nothing. */
export class Inert {
  state: PickleValue

  constructor(
    readonly type: string,
    readonly args: readonly PickleValue[],
  ) {}
}

/** What a persistent id stands for. */
export type Persistent = (id: PickleValue) => PickleValue

type Dict = Map<unknown, unknown>

const MARK = Symbol('mark')
const MAX_PROTOCOL = 5

/**
 * Runs the opcodes and gives the value that is left at STOP.
 * @throws through `fail` for a global that is not in `globals`, or opcodes that do not fit together
 */
export function buildPickle(
  steps: readonly Step[],
  globals: Globals,
  persistent: Persistent | undefined,
  fail: Fail,
): PickleValue {
  const machine = new PickleMachine(globals, persistent, fail)
  for (const step of steps) {
    if (step.op === 'STOP') return machine.finish(step)
    machine.run(step)
  }
  return fail('the pickle has no end')
}

class PickleMachine {
  #stack: unknown[] = []
  #memo = new Map<number, unknown>()
  /** The byte of the current opcode. */
  #at = 0
  #globals: Globals
  /** The values that may be called. */
  #known: Set<unknown>
  #persistent: Persistent | undefined
  #fail: Fail

  constructor(globals: Globals, persistent: Persistent | undefined, fail: Fail) {
    this.#globals = globals
    this.#known = new Set(globals.values())
    this.#persistent = persistent
    this.#fail = fail
  }

  run({ op, argument, at }: Step): void {
    this.#at = at
    if (this.#stackStep(op) || this.#containerStep(op) || this.#memoStep(op, argument)) return
    if (this.#objectStep(op, argument)) return
    if (op === 'PROTO') {
      if ((argument as number) > MAX_PROTOCOL)
        this.#fail(`the pickle has protocol ${argument}, expected at most ${MAX_PROTOCOL}`)
    } else if (op === 'INST' || op === 'PERSID') {
      this.#fail(`the pickle's opcode ${op} at byte ${at} is not allowed, torch.save does not write it`)
    } else if (op !== 'FRAME') {
      // Numbers, texts and bytes.
      this.#stack.push(argument)
    }
  }

  /** The one value at the end. */
  finish({ at }: Step): PickleValue {
    this.#at = at
    const value = this.#pop()
    if (this.#stack.length) this.#damaged('one value at the end')
    return value
  }

  /** Marks, single constants, and what moves values. @returns whether `op` is one of them */
  #stackStep(op: string): boolean {
    const stack = this.#stack
    switch (op) {
      case 'MARK':
        stack.push(MARK)
        return true
      case 'POP':
        if (stack.at(-1) === MARK) stack.pop()
        else this.#pop()
        return true
      case 'POP_MARK':
        this.#popMark()
        return true
      case 'DUP': {
        const value = this.#pop()
        stack.push(value, value)
        return true
      }
      case 'NONE':
        stack.push(null)
        return true
      case 'NEWTRUE':
      case 'NEWFALSE':
        stack.push(op === 'NEWTRUE')
        return true
      default:
        return false
    }
  }

  /** Tuples, lists, sets and dicts. @returns whether `op` is one of them */
  #containerStep(op: string): boolean {
    const stack = this.#stack
    switch (op) {
      case 'EMPTY_TUPLE':
      case 'EMPTY_LIST':
      case 'EMPTY_SET':
        stack.push([])
        return true
      case 'TUPLE':
      case 'LIST':
      case 'FROZENSET':
        stack.push(this.#popMark())
        return true
      case 'TUPLE1':
      case 'TUPLE2':
      case 'TUPLE3':
        stack.push(this.#popMany(Number(op.at(-1))))
        return true
      case 'APPEND':
        this.#extend(this.#popMany(1))
        return true
      case 'APPENDS':
      case 'ADDITEMS':
        this.#extend(this.#popMark())
        return true
      case 'EMPTY_DICT':
        stack.push(new Map())
        return true
      case 'DICT':
        stack.push(this.#setItems(this.#popMark(), new Map()))
        return true
      case 'SETITEM':
        this.#setItems(this.#popMany(2))
        return true
      case 'SETITEMS':
        this.#setItems(this.#popMark())
        return true
      default:
        return false
    }
  }

  /** Values that are remembered, and taken again. @returns whether `op` is one of them */
  #memoStep(op: string, argument: unknown): boolean {
    switch (op) {
      case 'BINPUT':
      case 'LONG_BINPUT':
        this.#put(argument as number)
        return true
      case 'MEMOIZE':
        this.#put(this.#memo.size)
        return true
      case 'BINGET':
      case 'LONG_BINGET':
        if (!this.#memo.has(argument as number)) this.#damaged(`entry ${argument} of the memo`)
        this.#stack.push(this.#memo.get(argument as number))
        return true
      default:
        return false
    }
  }

  /** Globals, calls, states of objects, persistent ids. @returns whether `op` is one of them */
  #objectStep(op: string, argument: unknown): boolean {
    const stack = this.#stack
    switch (op) {
      case 'GLOBAL':
        stack.push(this.#global(argument as string))
        return true
      case 'STACK_GLOBAL':
        stack.push(this.#global(this.#popMany(2).join('.')))
        return true
      case 'NEWOBJ_EX':
        // Arguments by name would tell an unknown class how it is made.
        this.#pop()
        stack.push(this.#call())
        return true
      case 'REDUCE':
      case 'NEWOBJ':
        stack.push(this.#call())
        return true
      case 'BUILD':
        this.#setState()
        return true
      case 'BINPERSID':
        if (!this.#persistent) this.#fail(`the pickle refers to outside data at byte ${this.#at}, expected none`)
        stack.push(this.#persistent!(this.#pop()))
        return true
      default:
        return false
    }
  }

  #damaged(expected: string): never {
    return this.#fail(`the pickle's opcode at byte ${this.#at} expects ${expected} — the file is damaged`)
  }

  #pop(): unknown {
    if (this.#stack.length === 0 || this.#stack.at(-1) === MARK) this.#damaged('a value')
    return this.#stack.pop()
  }

  #popMany(count: number): unknown[] {
    return Array.from({ length: count }, () => this.#pop()).reverse()
  }

  /** The values above the topmost mark. */
  #popMark(): unknown[] {
    const place = this.#stack.lastIndexOf(MARK)
    if (place < 0) this.#damaged('a mark')
    return this.#stack.splice(place).slice(1)
  }

  /** The topmost value, which must be a list or a dict. */
  #top<T>(Type: new () => T, what: string): T {
    const value = this.#stack.at(-1)
    // A list or dict of an unknown class: its items are of no use without the class.
    if (value instanceof Inert) return new Type()
    return value instanceof Type ? value : this.#damaged(what)
  }

  #extend(items: readonly unknown[]): void {
    const list = this.#top<unknown[]>(Array, 'a list')
    for (const item of items) list.push(item)
  }

  #setItems(items: readonly unknown[], map = this.#top<Dict>(Map, 'a dict')): Dict {
    if (items.length % 2) this.#damaged('pairs of key and value')
    for (let i = 0; i < items.length; i += 2) map.set(items[i], items[i + 1])
    return map
  }

  #put(index: number): void {
    if (this.#stack.length === 0 || this.#stack.at(-1) === MARK) this.#damaged('a value')
    this.#memo.set(index, this.#stack.at(-1))
  }

  #global(name: string): PickleGlobal {
    return this.#globals.get(name) ?? this.#fail(`the pickle names ${shown(name)}, which is not allowed`)
  }

  #call(): unknown {
    const args = this.#pop()
    const target = this.#pop()
    if (!this.#known.has(target) || !Array.isArray(args)) this.#damaged('a global and its arguments')
    const { name, call } = target as PickleGlobal
    if (!call) this.#fail(`the pickle calls ${name} at byte ${this.#at}, expected only its name`)
    return call!(args as unknown[])
  }

  #setState(): void {
    const state = this.#pop()
    const built = this.#stack.at(-1)
    if (built instanceof Inert) {
      built.state = state
      return
    }
    // Attributes of a dict, e.g. `_metadata` of a state_dict, say nothing about its entries.
    this.#top<Dict>(Map, 'a dict')
    if (!(state instanceof Map)) this.#damaged('a dict of attributes')
  }
}
