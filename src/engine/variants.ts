// Operations with several variants, and which of them runs: a forced one, a measured one, or the first that suits.
import type { AdapterSummary, Engine } from './engine.js'
import type { Tensor } from './tensor.js'

/** One way of computing an operation. For a recorded operation it includes the derivative. */
export interface Variant<Tensors, Size, Result = void> {
  readonly name: string
  /** Whether this adapter can run it for this size. */
  available(adapter: AdapterSummary, size: Size): boolean
  /** Written for GPUs: software adapters run it only when it is forced. */
  readonly onlyHardware?: true
  /** Whether it may be the default for this size. Without it: for all sizes. */
  suits?(size: Size): boolean
  apply(engine: Engine, tensors: Tensors, size: Size): Result
}

/**
 * All ways of computing one operation. The default is the first that is available and suits.
 * All give the same result within the tolerance law. Their names are unique. `offer` adds variants.
 */
export interface Family<Tensors, Size, Result = void> {
  readonly name: string
  readonly variants: Variant<Tensors, Size, Result>[]
  /** Sizes of one class share a choice. */
  classOf(size: Size): string
  /** Uninitialised tensors of the shapes that this size needs, for measuring. They live in the innermost open scope. */
  sample(engine: Engine, size: Size): Tensors
  /** For a recorded operation: the tensors whose gradients are measured too if `size.recorded` is set. */
  inputs?(tensors: Tensors): Tensor[]
}

/**
 * Puts variants in front of those that a family has, in their order. One that is there already stays where it is.
 * This is for kernels that only some adapters can run: a program that does not offer them does not include them.
 * @throws when another variant has the same name
 */
export function offer<Tensors, Size, Result>(
  { name, variants }: Family<Tensors, Size, Result>,
  ...offered: Variant<Tensors, Size, Result>[]
): void {
  const fresh = offered.filter(variant => !variants.includes(variant))
  for (const variant of fresh) {
    if (variants.some(other => other.name === variant.name))
      throw new Error(`offer: ${name} has a variant "${variant.name}", expected a name of its own`)
  }
  variants.unshift(...fresh)
}

export type AnyTensors = Readonly<Record<string, Tensor>>

/** A family of any types. Its samples go to its own variants. */
export type AnyFamily = Family<unknown, unknown, unknown>

/** An operation that ran: its "family class", its family, a size of that class, and the variant. */
export interface Asked {
  readonly key: string
  readonly family: AnyFamily
  readonly size: unknown
  readonly variant: string
}

/** Which variant runs, by family and size class. */
export class Variants {
  readonly #forced: Map<string, string>
  readonly #measured: Map<string, string>
  readonly #taken = new Map<string, { family: AnyFamily; size: unknown; variant: string }>()

  /** @param like choices to begin with */
  constructor(
    private readonly adapter: AdapterSummary,
    like?: Variants,
  ) {
    this.#forced = new Map(like && like.#forced)
    this.#measured = new Map(like && like.#measured)
  }

  /** From now on the family runs this variant if the adapter can. Undefined ends that. */
  force(family: string, variant: string | undefined): void {
    if (variant === undefined) this.#forced.delete(family)
    else this.#forced.set(family, variant)
  }

  /** Adopts earlier measured choices: "family class" to variant. */
  adopt(choices: Readonly<Record<string, string>>): void {
    for (const [key, variant] of Object.entries(choices)) this.#measured.set(key, variant)
  }

  /** Whether a choice was adopted for this "family class". */
  isMeasured(key: string): boolean {
    return this.#measured.has(key)
  }

  /** The variants that ran so far, by "family class". A run keeps them, and adopts them when it is resumed. */
  get used(): Record<string, string> {
    return Object.fromEntries(
      [...this.#taken].map(([key, { variant }]) => [key, variant] as const).sort(([a], [b]) => (a < b ? -1 : 1)),
    )
  }

  /** All operations that ran so far, with a size of each class. */
  get asked(): Asked[] {
    return [...this.#taken].map(([key, { family, size, variant }]) => ({ key, family, size, variant }))
  }

  /** The variants that may run without being forced, the default first. */
  candidates<Tensors, Size, Result>(
    { variants }: Family<Tensors, Size, Result>,
    size: Size,
  ): Variant<Tensors, Size, Result>[] {
    const { adapter } = this
    const able = variants.filter(
      ({ onlyHardware, available }) => available(adapter, size) && !(onlyHardware && adapter.isSoftware),
    )
    const standard = able.find(({ suits }) => !suits || suits(size))
    return standard ? [standard, ...able.filter(variant => variant !== standard)] : able
  }

  /** @throws when the adapter can run none of the family, or when a forced name is none of its variants */
  pick<Tensors, Size, Result>(family: Family<Tensors, Size, Result>, size: Size): Variant<Tensors, Size, Result> {
    const { name, variants } = family
    const key = `${name} ${family.classOf(size)}`
    const forced = this.#forced.get(name)
    if (forced !== undefined && !variants.some(variant => variant.name === forced))
      throw new Error(`${name}: no variant "${forced}", expected ${variants.map(v => v.name).join(', ')}`)
    const candidates = this.candidates(family, size)
    const measured = this.#measured.get(key)
    const picked =
      variants.find(variant => variant.name === forced && variant.available(this.adapter, size)) ??
      candidates.find(variant => variant.name === measured) ??
      candidates[0]
    if (!picked) throw new Error(`${name}: this adapter can run none of ${variants.map(v => v.name).join(', ')}`)
    this.#taken.set(key, { family: family as unknown as AnyFamily, size, variant: picked.name })
    return picked
  }
}
