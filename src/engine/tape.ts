// Reverse-mode differentiation: a chronological list of what was computed; walked back, it is in topological order.
import type { Engine } from './engine.js'
import { addTo } from './accumulate.js'
import type { Storage, Tensor } from './tensor.js'

/**
 * The gradient of one input of an operation:
 * a tensor of its shape (dy itself, or one that several inputs share), which the operation leaves to the tape; for an
 * inner tensor that one operation alone reads, a tensor of any shape that the operation before it understands; or
 * a function that writes the gradient into a tensor, adding to what is there when `accumulate` is set.
 */
export type Gradient = Tensor | ((into: Tensor, accumulate: boolean) => void)

/**
 * The gradients of an operation's inputs, in their order, from the gradient of its result. Functions among them are
 * called in that order, and only for wanted inputs. So a kernel that computes two of them can run at the last call.
 */
export type Backward = (dy: Tensor, wanted: readonly boolean[]) => readonly Gradient[]

/** Pairs of a tensor and the gradient of the objective with respect to it. */
export type Seeds = readonly (readonly [tensor: Tensor, gradient: Tensor])[]

/** An operation. */
interface Entry {
  readonly y: Tensor
  readonly inputs: readonly Tensor[]
  readonly backward: Backward
}

/** Operations whose entries and inner tensors were dropped. Computing again restores them. */
interface Recomputed {
  readonly y: Tensor
  readonly again: () => Tensor
}

export class Tape {
  readonly #entries: (Entry | Recomputed)[] = []
  /** Tensors that depend on a wanted one. */
  readonly #reached: Set<Tensor>
  /** True in the objective, and while tensors are computed again. */
  isRecording = false

  constructor(
    private readonly engine: Engine,
    private readonly wanted: readonly Tensor[],
  ) {
    this.#reached = new Set(wanted)
    const twice = wanted.findIndex((tensor, i) => wanted.indexOf(tensor) !== i)
    if (twice > 0)
      throw new Error(
        `gradients: wanted tensors ${wanted.indexOf(wanted[twice])} and ${twice} are the same, expected each once`,
      )
  }

  /** Runs `work` and records it. */
  recording<T>(work: () => T): T {
    this.isRecording = true
    try {
      return work()
    } finally {
      this.isRecording = false
    }
  }

  record(y: Tensor, inputs: readonly Tensor[], backward: Backward): void {
    if (!this.isRecording || !inputs.some(x => this.#reached.has(x))) return
    this.#reached.add(y)
    this.#entries.push({ y, inputs, backward })
  }

  /** Computes and keeps only the result. On the way back the tensors between are computed again. */
  recompute(compute: () => Tensor): Tensor {
    const first = this.#entries.length
    const y = this.engine.transient(compute, (storage, { storage: kept }) => storage === kept)
    const given = this.#entries.splice(first)
    if (given.some(entry => entry.y === y)) this.#entries.push({ y, again: compute })
    return y
  }

  /**
   * Writes the gradients of the wanted tensors to `targets`, in their order, or adds them if `accumulate` is set.
   * @throws when a wanted tensor received nothing
   */
  walkBack(seeds: Seeds, targets: readonly Tensor[], accumulate: boolean): void {
    const sums = new Sums(this.engine)
    this.wanted.forEach((tensor, i) => sums.aim(tensor, targets[i], accumulate))
    for (const [tensor, gradient] of seeds) {
      sums.pin(gradient)
      if (this.#reached.has(tensor)) sums.add(tensor, gradient)
    }
    this.#walk(0, sums)
    this.wanted.forEach((tensor, i) => {
      if (!sums.of(tensor))
        throw new Error(
          `gradients: wanted tensor ${i} of shape [${tensor.shape}] received nothing — ` +
            'the objective does not depend on it',
        )
    })
  }

  /** Takes the entries from `first` on off the tape, the last one first. */
  #walk(first: number, sums: Sums): void {
    while (this.#entries.length > first) {
      const entry = this.#entries.pop()!
      const { y } = entry
      const dy = sums.of(y)
      if (!dy) continue
      if ('again' in entry) {
        // These are the operations that were dropped, so the bits are the same. Then only gradients stay.
        const inner = this.#entries.length
        this.engine.transient(
          () => {
            sums.rename(y, this.recording(entry.again))
            this.#walk(inner, sums)
          },
          storage => sums.holds(storage),
        )
        continue
      }
      const gradients = entry.backward(
        dy,
        entry.inputs.map(x => this.#reached.has(x)),
      )
      entry.inputs.forEach((x, i) => {
        if (this.#reached.has(x)) sums.add(x, gradients[i])
      })
      sums.drop(y)
    }
  }
}

/** The gradient of each tensor so far. Tensors may share a buffer. Only a buffer of a single tensor is added to. */
class Sums {
  readonly #sums = new Map<Tensor, Tensor>()
  readonly #uses = new Map<Tensor, number>()
  readonly #targets = new Map<Tensor, { target: Tensor; filled: boolean }>()
  readonly #received = new Set<Tensor>()

  constructor(private readonly engine: Engine) {}

  aim(x: Tensor, target: Tensor, filled: boolean): void {
    this.#targets.set(x, { target, filled })
  }

  /** Protects a tensor of the caller: it is neither reused nor added to. */
  pin(gradient: Tensor): void {
    this.#uses.set(gradient, Infinity)
  }

  of(x: Tensor): Tensor | undefined {
    return this.#received.has(x) ? (this.#targets.get(x)?.target ?? this.#sums.get(x)) : undefined
  }

  /** Whether a gradient that is still needed lies there. */
  holds(storage: Storage): boolean {
    return [...this.#uses.keys()].some(gradient => gradient.storage === storage)
  }

  /** Gives the gradient of `x` to `twin`, the same value computed again. */
  rename(x: Tensor, twin: Tensor): void {
    const sum = this.#sums.get(x)!
    this.#sums.delete(x)
    this.#received.delete(x)
    this.#sums.set(twin, sum)
    this.#received.add(twin)
  }

  add(x: Tensor, gradient: Gradient): void {
    this.#received.add(x)
    const aimed = this.#targets.get(x)
    if (aimed) {
      this.#write(gradient, aimed.target, aimed.filled)
      aimed.filled = true
      return
    }
    const sum = this.#sums.get(x)
    if (!sum) {
      if (typeof gradient !== 'function') this.#set(x, gradient)
      else {
        const fresh = this.engine.tensor(x.shape, x.dtype)
        gradient(fresh, false)
        this.#set(x, fresh)
      }
    } else if (this.#uses.get(sum) === 1) {
      this.#write(gradient, sum, true)
    } else {
      const copy = this.engine.tensor(x.shape, x.dtype)
      addTo(copy, sum, false)
      this.#write(gradient, copy, true)
      this.drop(x)
      this.#received.add(x)
      this.#set(x, copy)
    }
  }

  /** The gradient of `x` is no longer needed. If its buffer was for `x` only, it is released. */
  drop(x: Tensor): void {
    const sum = this.#sums.get(x)
    if (!sum) return
    this.#sums.delete(x)
    this.#received.delete(x)
    const left = this.#uses.get(sum)! - 1
    this.#uses.set(sum, left)
    if (left === 0) {
      this.#uses.delete(sum)
      this.engine.release(sum)
    }
  }

  #set(x: Tensor, gradient: Tensor): void {
    this.#sums.set(x, gradient)
    this.#uses.set(gradient, (this.#uses.get(gradient) ?? 0) + 1)
  }

  #write(gradient: Gradient, into: Tensor, accumulate: boolean): void {
    if (typeof gradient === 'function') gradient(into, accumulate)
    else addTo(into, gradient, accumulate)
  }
}
