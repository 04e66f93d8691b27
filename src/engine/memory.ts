// GPU memory by mark and rewind: a scope gives its buffers back, and the next one gets the same in the same order.
import { megabytes } from '../formats/human.js'
import type { Stats } from './stats.js'
import type { Storage } from './tensor.js'
import { BufferUsage } from './device.js'

/** Buffers are made in multiples of this many bytes. */
const GRANULE = 256

interface Mark {
  /** The free lists when the scope opened, for the size classes that were used since. */
  before: Map<number, Storage[]>
  /** Buffers made since, by size class, oldest first. */
  made: Map<number, Storage[]>
  /** Buffers handed out since. */
  given: Storage[]
}

/** A tensor is larger than the adapter can bind. Sizes in bytes. */
export class TooLarge extends Error {
  constructor(
    label: string,
    readonly needed: number,
    readonly most: number,
    remedy = 'lower the batch (or micro-batch) size',
  ) {
    super(`${label}: ${megabytes(needed)} needed, this adapter binds ${megabytes(most)} at most — ${remedy}`)
  }
}

/** The tensors that `transient` work has created so far, at the depth of scopes where it began. */
interface Watch {
  depth: number
  born: Set<Storage>
}

export class Memory {
  /** Free buffers of scopes, by size. The last one is handed out next. */
  readonly #classes = new Map<number, Storage[]>()
  readonly #lastingFree = new Set<Storage>()
  readonly #marks: Mark[] = []
  readonly #watches: Watch[] = []
  readonly #all = new Set<Storage>()
  #serial = 0

  constructor(
    private readonly device: GPUDevice,
    private readonly stats: Stats,
    /** Bytes of the largest buffer. */
    private readonly most: number,
  ) {}

  /** Depth of open scopes. */
  get depth(): number {
    return this.#marks.length
  }

  /**
   * A buffer of at least `bytes` bytes. It holds what its last user left.
   * A `lasting` one outlives the open scopes. Outside of scopes all are lasting. A buffer never changes its kind:
   * so lasting tensors cannot change the order in which scopes get their buffers.
   */
  allocate(bytes: number, label: string, lasting: boolean): Storage {
    const size = Math.ceil(bytes / GRANULE) * GRANULE
    if (size > this.most) throw new TooLarge(label, bytes, this.most)
    const watch = lasting ? undefined : this.#watches.at(-1)
    const storage = this.#take(size, label, lasting || this.depth === 0)
    if (watch?.depth === this.depth) watch.born.add(storage)
    if (!storage.lasting) this.#marks.at(-1)!.given.push(storage)
    return storage
  }

  #take(size: number, label: string, lasting: boolean): Storage {
    const found = lasting ? [...this.#lastingFree].findLast(({ bytes }) => bytes === size) : this.#touch(size).pop()
    if (found) {
      this.#lastingFree.delete(found)
      return found
    }
    const buffer = this.device.createBuffer({
      label,
      size,
      usage: BufferUsage.STORAGE | BufferUsage.COPY_SRC | BufferUsage.COPY_DST,
    })
    const storage: Storage = { id: ++this.#serial, buffer, bytes: size, lasting, generation: 0 }
    this.#all.add(storage)
    this.stats.buffers++
    this.stats.bytes += size
    if (!lasting) {
      const { made } = this.#marks.at(-1)!
      made.set(size, [...(made.get(size) ?? []), storage])
    }
    return storage
  }

  /** Gives a buffer back before its scope ends, or a lasting one for good. */
  release(storage: Storage): void {
    storage.generation++
    for (const { born } of this.#watches) born.delete(storage)
    if (storage.lasting) this.#lastingFree.add(storage)
    else this.#touch(storage.bytes).push(storage)
  }

  /** Destroys every buffer that no tensor has; while a scope is open only lasting ones. With `every`: all buffers. */
  trim(every = false): void {
    for (const storage of this.#all) {
      if (!every && (storage.lasting ? !this.#lastingFree.has(storage) : this.depth)) continue
      storage.buffer.destroy()
      this.#all.delete(storage)
      this.stats.bytes -= storage.bytes
    }
    this.#lastingFree.clear()
    if (!this.depth) this.#classes.clear()
  }

  /** Runs `work` and releases the buffers that it took, except those that `isKept` names. */
  transient<T>(work: () => T, isKept: (storage: Storage, result: T) => boolean): T {
    const born = new Set<Storage>()
    this.#watches.push({ depth: this.depth, born })
    let result: T
    try {
      result = work()
    } finally {
      this.#watches.pop()
    }
    const outer = this.#watches.at(-1)
    for (const storage of born) {
      if (!isKept(storage, result)) this.release(storage)
      else if (outer?.depth === this.depth) outer.born.add(storage)
    }
    return result
  }

  mark(): void {
    this.#marks.push({ before: new Map(), made: new Map(), given: [] })
  }

  /** Ends the innermost scope. The free lists return to their old state, with new buffers below, the first on top. */
  rewind(): void {
    const mark = this.#marks.pop()!
    for (const storage of mark.given) storage.generation++
    const outer = this.#marks.at(-1)
    for (const [size, before] of mark.before) {
      const made = mark.made.get(size) ?? []
      this.#classes.set(size, [...made.slice().reverse(), ...before])
      // The enclosing scope treats them as made in it and free again: its own rewind puts them back too.
      if (outer && made.length) outer.made.set(size, [...(outer.made.get(size) ?? []), ...made])
    }
  }

  #touch(size: number): Storage[] {
    const free = this.#classes.get(size) ?? []
    this.#classes.set(size, free)
    for (const { before } of this.#marks) if (!before.has(size)) before.set(size, free.slice())
    return free
  }
}
