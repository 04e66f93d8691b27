// The Node door: opens the engine on Dawn, and offers the kernels that only some adapters can run.
import { openGpu, type OpenGpuOptions } from './adapters/index.js'
import { Engine, type EngineOptions } from './engine/index.js'
import { offerLavapipe } from './lavapipe/index.js'
import { offerMatrices } from './matrices/index.js'

export { diagnose, type AdapterDiagnosis, type DiagnoseOptions, type Diagnosis } from './adapters/diagnosis.js'
export { openGpu, type Adapter, type OpenedGpu, type OpenGpuOptions } from './adapters/index.js'

/** Opens an engine in Node: a GPU if there is one, else a software adapter. */
export async function openEngine({
  submitAfter,
  ...options
}: OpenGpuOptions & Pick<EngineOptions, 'submitAfter'> = {}): Promise<Engine> {
  offerLavapipe()
  offerMatrices()
  const { gpu, release, boundsChecks } = await openGpu(options)
  return Engine.open({ gpu, wait: waitAsleep, onClose: release, submitAfter, boundsChecks })
}

/** Nothing ever changes it: waiting on it is a pause. */
const NEVER = new Int32Array(new SharedArrayBuffer(4))

/**
 * Waits for a promise of Dawn, and sleeps in short slices. While such a promise is pending, Node's event loop spins,
 * which would take a core from a software adapter. A slice is at most 1 ms, and a sixth of the wait so far.
 * Between the slices, timers and input are served.
 */
export async function waitAsleep<T>(promise: Promise<T>): Promise<T> {
  let settled = false
  const settle = () => void (settled = true)
  promise.then(settle, settle)
  // A promise that settles at once needs no sleep.
  await new Promise(resolve => setImmediate(resolve))
  for (let slice = 0.02; !settled; slice = Math.min(1, slice * 1.2)) {
    Atomics.wait(NEVER, 0, 0, slice)
    await new Promise(resolve => setImmediate(resolve))
  }
  return promise
}
