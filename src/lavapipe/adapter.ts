// Recognises lavapipe, the software driver of Mesa for Vulkan.
import type { AdapterSummary } from '../engine/engine.js'

/** A software adapter with subgroups of 8 threads. SwiftShader has 4. */
export const isLavapipe = ({ isSoftware, subgroupSize }: AdapterSummary): boolean => isSoftware && subgroupSize === 8
