// Counters of the engine's objects and work.

export interface Stats {
  /** GPU buffers made for tensors, and the bytes of those that were not destroyed. */
  buffers: number
  bytes: number
  bindGroups: number
  pipelines: number
  dispatches: number
  submits: number
  /** Read-backs and host writes. */
  reads: number
  writes: number
}

export function newStats(): Stats {
  return { buffers: 0, bytes: 0, bindGroups: 0, pipelines: 0, dispatches: 0, submits: 0, reads: 0, writes: 0 }
}
