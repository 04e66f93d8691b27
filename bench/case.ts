// A case of the benchmark, and the modes that it is run in: float32 or float16, with or without subgroup matrices.
import type { AdapterSummary, Engine } from '../src/engine/index.js'
import { Variants } from '../src/engine/variants.js'
import type { Precision } from '../src/trm/model.js'
import type { Size } from './models.js'
import type { Work } from './work.js'

export interface Case {
  /** Unique together with the size. */
  readonly name: string
  readonly size: Size
  /** The work of one run. */
  readonly work: Work
  /** The case is in float16 and may use subgroup matrices, if the adapter has them. */
  readonly usesMatrices?: boolean
  /** Makes the tensors, on an engine that no other case uses. The returned function records one run. */
  prepare(engine: Engine): () => void
}

/** The properties of an adapter that decide which cases it gets. */
export type BenchAdapter = Pick<AdapterSummary, 'isSoftware' | 'features' | 'subgroupMatrices'>

/** How operands are stored, and whether subgroup matrices may be used. */
export interface Mode {
  dtype: Precision
  matrices: boolean
}

/** The mode of the cases that every adapter gets. */
export const PLAIN: Mode = { dtype: 'f32', matrices: true }

/** The modes of a GPU other than PLAIN, and a line for each mode that it cannot have. */
export function otherModes({ isSoftware, features, subgroupMatrices }: BenchAdapter): {
  modes: Mode[]
  missing: string[]
} {
  if (isSoftware) return { modes: [], missing: [] }
  if (!features.includes('shader-f16'))
    return { modes: [], missing: ['skipped: cases in float16, this adapter has no shader-f16'] }
  const f16: Mode = { dtype: 'f16', matrices: true }
  if (subgroupMatrices.some(({ component }) => component === 'f16'))
    return { modes: [f16, { ...f16, matrices: false }], missing: [] }
  return {
    modes: [f16],
    missing: [
      'skipped: subgroup matrices on and off, this adapter lists none of float16 with sums in float32 ' +
        '(feature chromium-experimental-subgroup-matrix)',
    ],
  }
}

/** Lines that say which cases are left out because the adapter lacks a feature. */
export const missingCases = (adapter: BenchAdapter): string[] => otherModes(adapter).missing

/** Whether a case of this mode may use subgroup matrices. */
export const mayUseMatrices = ({ dtype, matrices }: Mode) => dtype === 'f16' && matrices

/** The mode as part of the name of a case. */
export const modeName = ({ dtype, matrices }: Mode) =>
  `${dtype === 'f16' ? ' f16' : ''}${matrices ? '' : ' without matrices'}`

/** Makes the engine fit the mode: without matrices, its adapter no longer has any. */
export function inMode(engine: Engine, { matrices }: Mode): Engine {
  if (matrices) return engine
  const adapter = { ...engine.adapter, subgroupMatrices: [] }
  return Object.assign(engine, { adapter, variants: new Variants(adapter) })
}
