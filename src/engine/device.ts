// Opens a device with the limits and features that kernels use, and keeps the errors that nobody caught.

/** Usage bits of the WebGPU specification. The global constants exist in browsers only. */
export const BufferUsage = {
  MAP_READ: 0x1,
  COPY_SRC: 0x4,
  COPY_DST: 0x8,
  UNIFORM: 0x40,
  STORAGE: 0x80,
  QUERY_RESOLVE: 0x200,
} as const
export const MAP_READ = 0x1

/** Limits that large models need; each is raised to what the adapter has. */
const RAISED_LIMITS = [
  'maxBufferSize',
  'maxStorageBufferBindingSize',
  'maxStorageBuffersPerShaderStage',
  'maxComputeWorkgroupStorageSize',
  'maxComputeInvocationsPerWorkgroup',
  'maxComputeWorkgroupSizeX',
  'maxComputeWorkgroupSizeY',
] as const

/** Features that are used if the adapter has them. */
const WANTED_FEATURES = [
  'shader-f16',
  'subgroups',
  'timestamp-query',
  'subgroup-size-control',
  'chromium-experimental-subgroup-matrix',
]

export interface OpenDevice {
  readonly adapter: GPUAdapter
  readonly device: GPUDevice
  /** One line: the adapter's description, or its vendor and architecture if it has none. */
  readonly description: string
}

/** @throws when there is no adapter, with what to do about it */
export async function openDevice(gpu: GPU | undefined): Promise<OpenDevice> {
  if (!gpu)
    throw new Error(
      'engine: no WebGPU here, expected a GPU object (navigator.gpu) — ' +
        'use a browser with WebGPU, or in Node the entry "webgpu-trm/node"',
    )
  const adapter = await gpu.requestAdapter({ powerPreference: 'high-performance' })
  if (!adapter)
    throw new Error('engine: WebGPU found no adapter — in Node run "npx trm doctor"; in a browser look at chrome://gpu')
  const requiredLimits: Record<string, number> = {}
  for (const name of RAISED_LIMITS) requiredLimits[name] = adapter.limits[name]
  const requiredFeatures = WANTED_FEATURES.filter(name => adapter.features.has(name)) as GPUFeatureName[]
  const { info } = adapter
  const device = await adapter.requestDevice({ requiredLimits, requiredFeatures })
  const description =
    info.description || [info.vendor, info.architecture, info.device].filter(Boolean).join(' ') || 'unnamed adapter'
  return { adapter, device, description }
}

/** Threads of every subgroup. Undefined if that varies or if the device has no subgroups. */
export function subgroupSize(
  device: GPUDevice,
  { subgroupMinSize, subgroupMaxSize }: GPUAdapterInfo,
): number | undefined {
  return device.features.has('subgroups' as GPUFeatureName) && subgroupMinSize === subgroupMaxSize
    ? subgroupMinSize
    : undefined
}

/** A kind of subgroup matrix with sums in float32: operands (m, k) and (k, n) of this type. */
export interface MatrixKind {
  component: 'f16' | 'f32'
  m: number
  n: number
  k: number
}

/** Dawn's description of a kind of subgroup matrices, which the types of WebGPU lack so far. */
interface MatrixConfig {
  componentType: string
  resultComponentType: string
  M: number
  N: number
  K: number
}

/** The kinds of subgroup matrices with sums in float32. None if the device lacks a feature that their kernels need. */
export function subgroupMatrices({ features }: GPUDevice, info: GPUAdapterInfo): MatrixKind[] {
  const needed = [
    'chromium-experimental-subgroup-matrix',
    'subgroup-size-control',
    'subgroups',
    'shader-f16',
  ] as GPUFeatureName[]
  if (!needed.every(name => features.has(name)) || !(info.subgroupMinSize <= 32 && info.subgroupMaxSize >= 32))
    return []
  const { subgroupMatrixConfigs: configs = [] } = info as GPUAdapterInfo & {
    subgroupMatrixConfigs?: Iterable<MatrixConfig>
  }
  return [...configs].flatMap(({ componentType: component, resultComponentType, M: m, N: n, K: k }) =>
    (component === 'f16' || component === 'f32') && resultComponentType === 'f32' ? [{ component, m, n, k }] : [],
  )
}

/** The GPU has no memory left. WebGPU has no other way to tell how much there is. */
export class OutOfMemory extends Error {}

/** The GPU is gone: its driver was restarted or took too long, or a program destroyed the device. */
export class DeviceLost extends Error {}

/** Keeps the first uncaptured error and the reason of a loss. The next wait throws them. */
export class Faults {
  #error: Error | undefined
  lost: DeviceLost | undefined
  /** Set before the engine destroys its own device. */
  closing = false

  constructor(device: GPUDevice, adapter: string) {
    device.addEventListener('uncapturederror', event => {
      const { error } = event
      event.preventDefault()
      // By its name: Node has no global for the class.
      this.#error ??=
        error.constructor.name === 'GPUOutOfMemoryError'
          ? new OutOfMemory(`out of GPU memory on ${adapter} — compute less at a time: a smaller batch or micro-batch`)
          : new Error(`GPU error on ${adapter}: ${oneLine(error.message)}`)
    })
    void device.lost.then(({ reason, message }) => {
      if (this.closing) return
      this.lost = new DeviceLost(
        `device lost (${reason ?? 'unknown'}) on ${adapter}: ${oneLine(message)} — ` +
          'reopen the engine and load the last checkpoint',
      )
    })
  }

  /** @throws the first error since the last call, if there was one */
  check(): void {
    if (this.lost) throw this.lost
    const error = this.#error
    this.#error = undefined
    if (error) throw error
  }
}

/**
 * Waits for a promise of the GPU, and for the errors of the same work. In a page their events are tasks of their own,
 * and most of them come after the promise.
 */
export async function settled<T>(promise: Promise<T>): Promise<T> {
  try {
    return await promise
  } finally {
    const { port1, port2 } = new MessageChannel()
    await new Promise(resolve => {
      port1.onmessage = resolve
      port2.postMessage(0)
    })
    port1.close()
  }
}

function oneLine(message: string): string {
  const text = message.replace(/\s+/g, ' ').trim()
  return text.length > 400 ? `${text.slice(0, 400)} …` : text
}
