// Named parameters in one flat tensor, so that an optimiser updates all of them in one dispatch.
import type { Engine } from './engine.js'
import { addTo } from './accumulate.js'
import { bytesOf, elements, type Shape, Tensor } from './tensor.js'

/** Parameters start at multiples of so many elements: WebGPU binds at multiples of 256 bytes, float16 takes two. */
const ALIGNMENT = 128

/** A parameter's first element in the flat tensor, and the part of the tensor that it is. */
interface Place {
  readonly start: number
  readonly view: Tensor
}

/** Tensors of given names and shapes side by side in one flat tensor. */
export class Parameters {
  readonly flat: Tensor
  readonly #places = new Map<string, Place>()
  /** Number of changes of the values so far. */
  #version = 0
  #rounded: Parameters | undefined
  /** The version that was rounded. */
  #roundedVersion = -1

  constructor(
    private readonly engine: Engine,
    readonly shapes: Readonly<Record<string, Shape>>,
    private readonly label = 'parameters',
    dtype: 'f32' | 'f16' = 'f32',
  ) {
    const room = (shape: Shape) => Math.ceil(elements(shape) / ALIGNMENT) * ALIGNMENT
    // Rounded values are first needed within a scope, and outlive it.
    this.flat = engine.lasting([Object.values(shapes).reduce((sum, shape) => sum + room(shape), 0)], dtype, label)
    engine.clear(this.flat)
    let start = 0
    for (const [name, shape] of Object.entries(shapes)) {
      this.#places.set(name, {
        start,
        view: new Tensor(engine, shape, dtype, this.flat.storage, bytesOf(start, dtype), name),
      })
      start += room(shape)
    }
  }

  get names(): string[] {
    return [...this.#places.keys()]
  }

  /** Number of trained values, without the padding. */
  get count(): number {
    return Object.values(this.shapes).reduce((sum, shape) => sum + elements(shape), 0)
  }

  /** @throws when there is no such parameter */
  get(name: string): Tensor {
    const place = this.#places.get(name)
    if (!place) throw new Error(`parameters: no "${name}", expected one of ${this.names.join(', ')}`)
    return place.view
  }

  all(): Tensor[] {
    return [...this.#places.values()].map(({ view }) => view)
  }

  /** The parameter that element `i` of the flat tensor belongs to. */
  nameAt(i: number): string {
    return this.names.findLast(name => this.#places.get(name)!.start <= i)!
  }

  /** New tensors of the same names and shapes: zeros, or a copy of the values. */
  like(label: string, copyValues = false): Parameters {
    const other = new Parameters(this.engine, this.shapes, label)
    if (copyValues) this.engine.copy(this.flat, other.flat)
    return other
  }

  /** All values by name. */
  async read(): Promise<Map<string, Float32Array>> {
    const flat = await this.engine.read(this.flat)
    return new Map([...this.#places].map(([name, { start, view }]) => [name, flat.slice(start, start + view.size)]))
  }

  /** Overwrites one parameter. */
  write(name: string, values: Float32Array): void {
    const tensor = this.get(name)
    if (values.length !== tensor.size)
      throw new Error(`parameters: ${name} has shape [${tensor.shape}], got ${values.length} values`)
    this.engine.write(tensor, values)
    this.changed()
  }

  /** Gives the memory back. */
  release(): void {
    this.engine.release(this.flat)
    this.#rounded?.release()
  }

  /** Call it after kernels changed values. */
  changed(): void {
    this.#version++
  }

  /** The present values, rounded to float16. The rounding is recorded if they have changed since the last call. */
  f16(): Parameters {
    this.#rounded ??= new Parameters(this.engine, this.shapes, `${this.label}, float16`, 'f16')
    if (this.#roundedVersion !== this.#version) addTo(this.#rounded.flat, this.flat, false)
    this.#roundedVersion = this.#version
    return this.#rounded
  }
}
