// Opens the engine that the tests run on: Dawn in Node, navigator.gpu in a page. No test is here.
import { add, Engine, type EngineOptions } from '../src/engine/index.js'
import type { Family, Variant } from '../src/engine/variants.js'
import { inPage } from './files.js'

/** @throws when the adapter does not compute: the null backend of Dawn accepts every command and executes none */
export async function checkComputes(engine: Engine): Promise<void> {
  const sum = await engine.read(add(engine.from(new Float32Array([1, 2])), engine.from(new Float32Array([3, 5]))))
  if (sum[0] !== 4 || sum[1] !== 7)
    throw new Error(
      `${engine.adapter.description || 'this adapter'} computes 1 + 3 = ${sum[0]} — ` +
        'the null backend is no GPU, choose another adapter',
    )
}

/**
 * The variants of a family that a test forces: those that the adapter can run for at least one of the sizes. For other
 * sizes another variant runs. SwiftShader needs up to half a minute for each kernel that is written for GPUs. In a page
 * on a software adapter they are therefore left out, with a message; in Node lavapipe runs them all.
 */
export function tried<Tensors, Size, Result>(
  engine: Engine,
  family: Family<Tensors, Size, Result>,
  ...sizes: readonly Size[]
): Variant<Tensors, Size, Result>[] {
  const able = family.variants.filter(variant => sizes.some(size => variant.available(engine.adapter, size)))
  const left = able.filter(({ onlyHardware }) => onlyHardware && inPage && engine.adapter.isSoftware)
  const names = left.map(({ name }) => `${family.name} ${name}`).join(', ')
  if (names) console.log(`skipped: in a page on a software adapter, kernels written for GPUs: ${names}`)
  return able.filter(variant => !left.includes(variant))
}

/** Opens the adapter of TRM_ADAPTER in Node, or that of the page in a browser. @throws when it does not compute */
export async function openEngine(options: Pick<EngineOptions, 'submitAfter'> = {}): Promise<Engine> {
  const engine = globalThis.navigator?.gpu
    ? await Engine.open(options)
    : await (await import('../src/node.js')).openEngine(options)
  await checkComputes(engine)
  console.log(`adapter: ${engine.adapter.description}`)
  return engine
}

type OpenGpu = { gpu: GPU; release: () => void }

/**
 * The same adapter, or a given one, that claims to be a GPU: kernels that software adapters leave out run too.
 * @returns the engine, and how many pipelines its device compiled at once and in parallel
 */
export async function openAsHardware(
  given?: OpenGpu,
): Promise<{ engine: Engine; asked: { sync: number; async: number } }> {
  const ofPage = globalThis.navigator?.gpu && { gpu: navigator.gpu, release: () => {} }
  const { gpu, release } = given ?? ofPage ?? (await (await import('../src/node.js')).openGpu())
  const asked = { sync: 0, async: 0 }
  const requestAdapter = async (options?: GPURequestAdapterOptions) => {
    const found = (await gpu.requestAdapter(options))!
    const { features, limits } = found
    const { vendor, architecture, device, description, subgroupMinSize, subgroupMaxSize } = found.info
    const info = {
      vendor,
      architecture,
      device,
      description,
      subgroupMinSize,
      subgroupMaxSize,
      isFallbackAdapter: false,
    }
    const requestDevice = async (wanted?: GPUDeviceDescriptor) => {
      const opened = await found.requestDevice(wanted)
      const [sync, async] = [opened.createComputePipeline.bind(opened), opened.createComputePipelineAsync.bind(opened)]
      opened.createComputePipeline = descriptor => (asked.sync++, sync(descriptor))
      opened.createComputePipelineAsync = descriptor => (asked.async++, async(descriptor))
      return opened
    }
    return { features, limits, info, requestDevice } as unknown as GPUAdapter
  }
  const engine = await Engine.open({ gpu: { requestAdapter } as GPU, onClose: release })
  return { engine, asked }
}
