// How kernels go about rows that several threads share; see shaders/rows.shared.wgsl.
import { divideUp, grid, powerOfTwo, type Workgroups } from './kernel.js'

export interface RowsSize {
  rows: number
  width: number
  /** Threads that share a row, 1 … 32, a power of two; `rowLanes` names a good number. */
  lanes: number
}

/** Constants and workgroups of such a kernel. */
export function rowPlan({ rows, lanes }: RowsSize): {
  constants: Record<'LANES' | 'GROUPS', number>
  workgroups: Workgroups
} {
  // Small workgroups where nothing is shared: rows spread over more of them.
  const groups = lanes === 1 ? 8 : 64 / lanes
  return { constants: { LANES: lanes, GROUPS: groups }, workgroups: grid(divideUp(rows, groups)) }
}

/** A good number of threads for a row: 1 if rows lie side by side in memory or barriers are expensive (software). */
export function rowLanes({ width, stride }: { width: number; stride: number }, isSoftware: boolean): number {
  return stride > 1 || isSoftware ? 1 : powerOfTwo(width, 32)
}
