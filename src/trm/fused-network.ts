// Whole applications of a network in one kernel, as a further variant for programs that tune.
import { network, type NetworkPlan, type NetworkSize, planNetwork } from '../kernels/network.js'
import type { AdapterSummary, Variant } from '../engine/index.js'
import { type NetworkTensors, networkVariants } from './network.js'

/** For the threads that suit the adapter: barriers of many are dear on software. */
const planFor = ({ isSoftware, workgroupBytes, workgroupThreads }: AdapterSummary, size: NetworkSize) => planNetwork(size, workgroupBytes, isSoftware ? 64 : Math.min(256, workgroupThreads))

/** Values that the areas of all sequences take outside of workgroup memory. */
const scratchOf = ({ local, area }: NetworkPlan, { batch }: NetworkSize) => (local === 1 ? batch * area : 1)

export const fusedNetwork: Variant<NetworkTensors, NetworkSize> = {
  name: 'fused',
  // Software adapters took two to ten times as long as for the operations; see bench/NOTES.md.
  onlyHardware: true,
  available: (adapter, size) => 4 * scratchOf(planFor(adapter, size), size) <= adapter.maxTensorBytes,
  run(engine, { h, y, injection, table, weights }, size) {
    const plan = planFor(engine.adapter, size)
    if (h.storage !== y.storage) engine.copy(h, y)
    const scratch = engine.tensor([scratchOf(plan, size)])
    engine.run(network, { h: y, injection, weights, singles: weights, table, scratch }, { ...size, ...plan })
    engine.release(scratch)
  },
}

/**
 * From now on the tuner measures on GPUs, for every engine of this program, whether whole applications of a network in one kernel are faster than
 * its operations one after the other, and choices of it are taken over. Programs that do not tune need neither the call nor the kernel.
 */
export function offerFusedNetwork(): void {
  if (!networkVariants.includes(fusedNetwork)) networkVariants.push(fusedNetwork)
}
