// The Node door: opens the engine on Dawn with a Vulkan driver that works.
import { openGpu, type OpenGpuOptions } from './adapters.js'
import { Engine } from './engine/index.js'

export { diagnose, openGpu, type Adapter, type Diagnosis, type OpenGpuOptions } from './adapters.js'

/** Opens an engine in Node: a GPU if there is one, else a software adapter. */
export async function openEngine(options: OpenGpuOptions = {}): Promise<Engine> {
  const { gpu, release } = await openGpu(options)
  return Engine.open({ gpu }, release)
}
