// Times every variant of the operations in the cases: how far is the default from the best? Works in a page too.
import type { Engine } from '../src/engine/index.js'
import { tune } from '../src/engine/tune.js'
import type { Asked } from '../src/engine/variants.js'
import { allCases } from './cases.js'
import { WALL } from './measure.js'
import { planner, type Size, SIZES } from './models.js'
import { alignTable, digits } from './report.js'
import { chooseCases, keepWarm, type SuiteOptions } from './suite.js'

/** An operation at a class of sizes. */
export interface VariantRow {
  size: Size
  /** The first case that asked for the operation. */
  case: string
  /** "family class", as in `engine.variants`. */
  key: string
  /** The default variant. */
  standard: string
  best: string
  /** Time of the default / time of the best. */
  ratio: number
  /** Time of each variant, ms: the least of the repeats. */
  milliseconds: Record<string, number>
}

/** Cases that use operations with variants. Steps that only repeat the same operations are left out. */
export const VARIANT_CASES = ['matmul', 'attention', 'recursion step', 'inference']

/**
 * Times all variants of the operations of the chosen cases, by processor time if the clock has it, else by wall time.
 * @throws when no case is left, or when no case has an operation with variants
 */
export async function compareVariants({
  open,
  only = VARIANT_CASES,
  sizes = SIZES,
  repeats = 5,
  clock: clockOf,
  onProgress = () => {},
}: SuiteOptions): Promise<VariantRow[]> {
  const rows: VariantRow[] = []
  const known = new Set<string>()
  const first = await open()
  try {
    const { adapter } = first
    const clock = clockOf?.(adapter) ?? WALL
    const warm = await keepWarm(first, clock)
    if (adapter.isSoftware) first.close()
    const cases = chooseCases(allCases(adapter, planner(first)), only, sizes)
    for (const [i, { name, size, prepare }] of cases.entries()) {
      onProgress(i, cases.length, `${size} ${name}`)
      const engine = await open()
      try {
        prepare(engine)()
        await engine.finish()
        const fresh = engine.variants.asked.filter(({ key }) => !known.has(key))
        if (warm) await compileCandidates(engine, fresh)
        // Inner operations come first, as in `tune`.
        for (const asked of fresh.reverse()) {
          await warm?.()
          for (const { key, milliseconds } of await tune(engine, {
            asked: [asked],
            repeats,
            now: clock.cpu ?? clock.now,
          })) {
            const [best, least] = Object.entries(milliseconds).reduce((a, b) => (b[1] < a[1] ? b : a))
            const standard = asked.variant
            rows.push({ size, case: name, key, standard, best, ratio: milliseconds[standard] / least, milliseconds })
          }
          known.add(asked.key)
        }
      } finally {
        engine.close()
      }
    }
    onProgress(cases.length, cases.length, 'done')
  } finally {
    first.close()
  }
  if (!rows.length)
    throw new Error(
      `bench variants: no case of size ${sizes.join(' or ')} with "${only.join('" or "')}" in its name has ` +
        'an operation with several kernels — try matmul or attention',
    )
  return rows
}

/** Compiles all kernels that will be timed, so that the GPU does not idle between them. */
async function compileCandidates(engine: Engine, asked: readonly Asked[]): Promise<void> {
  const dry = engine.dryRun()
  for (const { family, size } of asked) {
    for (const candidate of engine.variants.candidates(family, size)) {
      dry.scope(() => candidate.apply(dry, family.sample(dry, size), size))
    }
  }
  await engine.compile(dry)
}

/** The rows as a table, and the share of the operations whose default is within 10 % of the best. */
export function variantsTable(rows: readonly VariantRow[]): string {
  const lines = rows.map(({ size, key, standard, best, ratio, milliseconds }) => [
    size,
    key,
    standard,
    best,
    digits(milliseconds[standard]),
    digits(milliseconds[best]),
    digits(ratio),
    String(Object.keys(milliseconds).length),
  ])
  const table = alignTable(
    [['size', 'operation', 'default', 'best', 'default ms', 'best ms', 'ratio', 'kernels'], ...lines],
    4,
  )
  const good = rows.filter(({ ratio }) => ratio <= 1.1).length
  return `${table}\n\ndefault within 10 % of the best: ${good} of ${rows.length}`
}
