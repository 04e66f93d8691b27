// Compiled pipelines and bind groups, each made once: pipelines by kernel and constants, bind groups by the tensors they bind.
import { storedAsHalf } from '../kernels/half.js'
import { type Kernel, shaderText } from '../kernels/kernel.js'
import { BufferUsage } from './device.js'
import type { Stats } from './stats.js'
import type { Tensor } from './tensor.js'
import { type Scratch, TEXTURE_FORMATS } from './textures.js'

/** GPUShaderStage.COMPUTE; the global constants exist in browsers only. */
const COMPUTE_STAGE = 4

/** A compiled kernel with the bind groups made for it so far. */
export interface Pipeline {
  readonly pipeline: GPUComputePipeline
  readonly layout: GPUBindGroupLayout
  readonly names: readonly string[]
  readonly hasParameters: boolean
  readonly groups: Map<string, GPUBindGroup>
}

export class Pipelines {
  private readonly made = new Map<string, Pipeline>()
  private readonly modules = new Map<string, GPUShaderModule>()
  private readonly parameters = new Map<string, GPUBuffer>()

  constructor(
    private readonly device: GPUDevice,
    private readonly stats: Stats,
  ) {}

  /** @param halves numbers of the bindings that are stored as float16 */
  get<Size>(kernel: Kernel<Size>, size: Size, halves: readonly number[] = []): Pipeline {
    const constants = kernel.constants(size)
    const key = `${kernel.name} ${numbers(constants)} ${numbers(kernel.lines?.(size))}${halves.length ? ` f16 ${halves}` : ''}`
    const found = this.made.get(key)
    if (found) return found
    for (const [name, value] of Object.entries(constants)) {
      if (!Number.isFinite(value)) throw new Error(`${kernel.name}: constant ${name} is ${value}, expected a number`)
    }
    const names = Object.keys(kernel.bindings)
    const most = this.device.limits.maxStorageBuffersPerShaderStage
    if (names.length > most) throw new Error(`${kernel.name}: ${names.length} bindings, this adapter has ${most}`)
    const bindings = names.map((name): Partial<GPUBindGroupLayoutEntry> => {
      const access = kernel.bindings[name]
      const texture = FOR_BROWSERS ? undefined : TEXTURE_FORMATS[access]
      return texture ? { storageTexture: { format: texture.format, access: 'read-only' } } : { buffer: { type: access === 'read' ? 'read-only-storage' : 'storage' } }
    })
    const hasParameters = kernel.parameters !== undefined
    if (hasParameters) bindings.push({ buffer: { type: 'uniform' } })
    const layout = this.device.createBindGroupLayout({
      label: kernel.name,
      entries: bindings.map((entry, binding) => ({ binding, visibility: COMPUTE_STAGE, ...entry })),
    })
    const pipeline = this.device.createComputePipeline({
      label: kernel.name,
      layout: this.device.createPipelineLayout({ bindGroupLayouts: [layout] }),
      compute: { module: this.module(kernel.name, this.text(kernel, size, halves)), entryPoint: 'main', constants },
    })
    this.stats.pipelines++
    const entry: Pipeline = { pipeline, layout, names, hasParameters, groups: new Map() }
    this.made.set(key, entry)
    return entry
  }

  /** @param textures those that stand for a tensor, by binding */
  bindGroup<Size>(
    entry: Pipeline,
    { name: kernel, parameters }: Kernel<Size>,
    tensors: Readonly<Record<string, Tensor>>,
    size: Size,
    textures: ReadonlyMap<string, Scratch> | undefined,
  ): GPUBindGroup {
    const values = entry.hasParameters ? parameters!(size) : undefined
    let key = numbers(values)
    for (const name of entry.names) {
      const tensor = tensors[name]
      if (!tensor) throw new Error(`${kernel}: no tensor for binding "${name}", expected ${entry.names.join(', ')}`)
      const texture = textures?.get(name)
      key += texture ? ` t${texture.id}` : ` ${tensor.storage.id}:${tensor.offset}:${tensor.bytes}`
    }
    const found = entry.groups.get(key)
    if (found) return found
    const group = this.device.createBindGroup({
      label: kernel,
      layout: entry.layout,
      entries: [
        ...entry.names.map((name, binding) => {
          const { storage, offset, bytes } = tensors[name]
          return { binding, resource: textures?.get(name)?.view ?? { buffer: storage.buffer, offset, size: bytes } }
        }),
        ...(values ? [{ binding: entry.names.length, resource: { buffer: this.parameterBuffer(kernel, values) } }] : []),
      ],
    })
    this.stats.bindGroups++
    entry.groups.set(key, group)
    return group
  }

  /** A small buffer that holds these numbers for good. */
  private parameterBuffer(label: string, values: Record<string, number>): GPUBuffer {
    const key = numbers(values)
    let buffer = this.parameters.get(key)
    if (!buffer) {
      const data = Uint32Array.from(Object.values(values))
      buffer = this.device.createBuffer({ label, size: Math.ceil(data.byteLength / 16) * 16, usage: BufferUsage.UNIFORM, mappedAtCreation: true })
      new Uint32Array(buffer.getMappedRange()).set(data)
      buffer.unmap()
      this.parameters.set(key, buffer)
    }
    return buffer
  }

  private text<Size>(kernel: Kernel<Size>, size: Size, halves: readonly number[]): string {
    const text = shaderText(kernel, size)
    if (!halves.length) return text
    try {
      return storedAsHalf(text, halves)
    } catch (error) {
      throw new Error(`${kernel.name}: ${(error as Error).message}`)
    }
  }

  private module(label: string, code: string): GPUShaderModule {
    let module = this.modules.get(code)
    if (!module) this.modules.set(code, (module = this.device.createShaderModule({ label, code })))
    return module
  }
}

function numbers(record: Record<string, number | string> | undefined): string {
  return record ? Object.values(record).join(',') : ''
}
