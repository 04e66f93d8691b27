// Operations with several kernels side by side, and which of them runs: a forced one, a measured one, or the first that suits the adapter.
import type { AdapterSummary, Engine } from './engine.js'
import type { Tensor } from './tensor.js'

/** One way of computing an operation. */
export interface Variant<Tensors, Size> {
  readonly name: string
  /** Whether this adapter can run it for this size. */
  available(adapter: AdapterSummary, size: Size): boolean
  /** Written for GPUs: software adapters run it only when it is forced. */
  readonly onlyHardware?: true
  /** Whether it may be the default for this size; without, for all. */
  suits?(size: Size): boolean
  run(engine: Engine, tensors: Tensors, size: Size): void
}

/** All ways of computing one operation; the default is the first that is available and suits; all give the same result within the tolerance law. */
export interface Family<Tensors, Size> {
  readonly name: string
  readonly variants: readonly Variant<Tensors, Size>[]
  /** Sizes of one class share a choice. */
  classOf(size: Size): string
  /** Tensors of the shapes that this size needs, for measuring; of the innermost open scope, content as it comes. */
  sample(engine: Engine, size: Size): Tensors
}

export type AnyTensors = Readonly<Record<string, Tensor>>

/** A family that was asked to run, "family class", a size of that class, and what was picked. */
export interface Asked {
  readonly key: string
  readonly family: Family<AnyTensors, unknown>
  readonly size: unknown
  readonly variant: string
}

/** Which variant runs, by family and size class. */
export class Variants {
  private readonly forced: Map<string, string>
  private readonly measured: Map<string, string>
  private readonly taken = new Map<string, { family: Family<never, never>; size: unknown; variant: string }>()

  /** @param like choices to begin with */
  constructor(private readonly adapter: AdapterSummary, like?: Variants) {
    this.forced = new Map(like?.forced)
    this.measured = new Map(like?.measured)
  }

  /** From now on the family runs this variant wherever the adapter can; undefined lifts it. */
  force(family: string, variant: string | undefined): void {
    if (variant === undefined) this.forced.delete(family)
    else this.forced.set(family, variant)
  }

  /** Takes over choices that were measured before: "family class" to variant. */
  adopt(choices: Readonly<Record<string, string>>): void {
    for (const [key, variant] of Object.entries(choices)) this.measured.set(key, variant)
  }

  /** Whether a choice was adopted for this "family class". */
  isMeasured(key: string): boolean {
    return this.measured.has(key)
  }

  /** What ran so far: "family class" to variant; to be recorded with a run, and adopted when it is resumed. */
  get used(): Record<string, string> {
    return Object.fromEntries([...this.taken].map(([key, { variant }]) => [key, variant] as const).sort(([a], [b]) => (a < b ? -1 : 1)))
  }

  /** Everything that ran so far, with a size of each class. */
  get asked(): Asked[] {
    return [...this.taken].map(([key, { family, size, variant }]) => ({ key, family: family as unknown as Family<AnyTensors, unknown>, size, variant }))
  }

  /** What may run without being forced, its default first. */
  candidates<Tensors, Size>({ variants }: Family<Tensors, Size>, size: Size): Variant<Tensors, Size>[] {
    const { adapter } = this
    const able = variants.filter(({ onlyHardware, available }) => available(adapter, size) && !(onlyHardware && adapter.isSoftware))
    const standard = able.find(({ suits }) => !suits || suits(size))
    return standard ? [standard, ...able.filter(variant => variant !== standard)] : able
  }

  /** @throws when the adapter can run none of the family, or when a forced name is none of its variants */
  pick<Tensors, Size>(family: Family<Tensors, Size>, size: Size): Variant<Tensors, Size> {
    const { name, variants } = family
    const key = `${name} ${family.classOf(size)}`
    const forced = this.forced.get(name)
    if (forced !== undefined && !variants.some(variant => variant.name === forced)) throw new Error(`${name}: no variant "${forced}", expected ${variants.map(v => v.name).join(', ')}`)
    const candidates = this.candidates(family, size)
    const measured = this.measured.get(key)
    const picked = variants.find(variant => variant.name === forced && variant.available(this.adapter, size)) ?? candidates.find(variant => variant.name === measured) ?? candidates[0]
    if (!picked) throw new Error(`${name}: this adapter can run none of ${variants.map(v => v.name).join(', ')}`)
    this.taken.set(key, { family: family as unknown as Family<never, never>, size, variant: picked.name })
    return picked
  }
}
