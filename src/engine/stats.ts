// Counters of what the engine made and did, for tests, benches and the curious.

export interface Stats {
  /** GPU buffers made for tensors, and the bytes of all that `trim` did not give back. */
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
