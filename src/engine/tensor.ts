// A tensor: a shape over a range of a GPU buffer. It has no operations and no gradient; see ops/ and tape.ts.
import type { Engine } from './engine.js'

/** Element types of four bytes, and float16 of two. Of both floats, kernels compute and the host sees float32. */
export type DType = 'f32' | 'i32' | 'u32' | 'f16'

export type Shape = readonly number[]

/** A shape over a range of a buffer. */
export class Tensor {
  readonly #storage: Storage
  readonly #generation: number

  /**
   * @param offset in bytes, a multiple of 256
   * @param label begins messages about it
   */
  constructor(
    readonly engine: Engine,
    readonly shape: Shape,
    readonly dtype: DType,
    storage: Storage,
    readonly offset = 0,
    readonly label = 'tensor',
  ) {
    this.#storage = storage
    this.#generation = storage.generation
  }

  /** False once it was released or its scope has ended. */
  get isAlive(): boolean {
    return this.#generation === this.#storage.generation
  }

  /**
   * The buffer of the elements.
   * @throws when the tensor was released or its scope has ended: another tensor may have the memory
   */
  get storage(): Storage {
    if (!this.isAlive)
      throw new Error(
        `${this.label} of shape [${this.shape}]: it was released, or its scope has ended — ` +
          'use it before, or create it outside of the scope',
      )
    return this.#storage
  }

  /** Number of elements. */
  get size(): number {
    return elements(this.shape)
  }

  /** Size in memory, a multiple of 4. */
  get bytes(): number {
    return bytesOf(this.size, this.dtype)
  }

  /** The same elements under another shape of equal size. The tape needs the operation `reshape` instead. */
  reshape(shape: Shape): Tensor {
    if (elements(shape) !== this.size)
      throw new Error(`reshape: [${this.shape}] has ${this.size} elements, [${shape}] needs ${elements(shape)}`)
    return new Tensor(this.engine, shape, this.dtype, this.storage, this.offset, this.label)
  }
}

/** Another thing that a kernel binds, such as a texture. Its number is its own. */
export interface Resource {
  readonly id: number
  readonly resource: GPUBindingResource
}

/** A tensor, or a resource if the kernel's binding is a layout entry. */
export type Bound = Tensor | Resource

export const isTensor = (bound: Bound): bound is Tensor => bound instanceof Tensor

/** One GPU buffer with a number of its own. */
export interface Storage {
  readonly id: number
  readonly buffer: GPUBuffer
  readonly bytes: number
  /** Outlives every scope. */
  readonly lasting: boolean
  /** Goes up when the memory is given back. Tensors of earlier generations may no longer use it. */
  generation: number
}

/** Bytes of `count` elements, rounded up to a multiple of 4, because buffers are bound and copied so. */
export function bytesOf(count: number, dtype: DType): number {
  return dtype === 'f16' ? 4 * Math.ceil(count / 2) : 4 * count
}

export function elements(shape: Shape): number {
  let n = 1
  for (const d of shape) n *= d
  return n
}
