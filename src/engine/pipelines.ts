// Compiled pipelines, by kernel, text and constants, and bind groups, by their tensors. Each is made once.
import { storedAsF16 } from '../kernels/f16.js'
import type { Kernel, Workgroups } from '../kernels/kernel.js'
import { BufferUsage } from './device.js'
import type { Stats } from './stats.js'
import type { Bound } from './tensor.js'

/** GPUShaderStage.COMPUTE. The global constants exist in browsers only. */
const COMPUTE_STAGE = 4

/** A kernel for some sizes, compiled now or later. */
interface Entry {
  readonly descriptor: GPUComputePipelineDescriptor
  pipeline?: GPUComputePipeline
  readonly layout: GPUBindGroupLayout
  readonly names: readonly string[]
  ran?: boolean
}

/** What a kernel's functions say about a size, and its bind groups so far. They are pure, so they are asked once. */
export interface Plan {
  readonly entry: Entry & { pipeline: GPUComputePipeline }
  readonly workgroups: Workgroups
  readonly groups: Map<string, GPUBindGroup>
}

export class Pipelines {
  /** The arguments that each pipeline was made for, in order. */
  readonly #asked: (readonly [kernel: Kernel<never>, size: never, halves: readonly number[], entry: Entry])[] = []
  /** By all that a pipeline depends on: two kernels of one name share nothing unless they are equal. */
  readonly #made = new Map<string, Entry>()
  /** By kernel, then by size and float16 bindings. */
  readonly #plans = new Map<Kernel<never>, Map<string, Plan>>()
  readonly #modules = new Map<string, GPUShaderModule>()
  readonly #uniformBuffers = new Map<string, GPUBuffer>()

  constructor(
    private readonly device: GPUDevice,
    private readonly stats: Stats,
  ) {}

  /** The plan of a kernel for this size, with its pipeline. @param halves numbers of the float16 bindings */
  plan<Size>(kernel: Kernel<Size>, size: Size, halves: readonly number[]): Plan {
    let plans = this.#plans.get(kernel)
    if (!plans) this.#plans.set(kernel, (plans = new Map()))
    const key = JSON.stringify([size, halves])
    let plan = plans.get(key)
    // JSON has one word for NaN and the infinities: the plans of such sizes are not reused.
    if (!plan || /null/.test(key)) {
      const entry = this.#entry(kernel, size, halves)
      entry.pipeline ??= this.device.createComputePipeline(entry.descriptor)
      plan = { entry: entry as Plan['entry'], workgroups: kernel.workgroups(size), groups: new Map() }
      plans.set(key, plan)
    }
    return plan
  }

  /** Compiles in parallel the pipelines that `like` has. If one fails, `plan` tries again and reports the error. */
  compile(like: Pipelines): Promise<unknown> {
    return Promise.allSettled(
      like.#asked.map(async ([kernel, size, halves]) => {
        const entry = this.#entry(kernel, size, halves)
        entry.pipeline ??= await this.device.createComputePipelineAsync(entry.descriptor)
      }),
    )
  }

  #entry<Size>(kernel: Kernel<Size>, size: Size, halves: readonly number[]): Entry {
    const constants = kernel.constants(size)
    const text = textOf(kernel, size)
    const key = JSON.stringify([kernel, kernel.uniforms && 1, constants, halves, text])
    const found = this.#made.get(key)
    if (found) return found
    for (const [name, value] of Object.entries(constants)) {
      if (!Number.isFinite(value)) throw new Error(`${kernel.name}: constant ${name} is ${value}, expected a number`)
    }
    const names = Object.keys(kernel.bindings)
    const most = this.device.limits.maxStorageBuffersPerShaderStage
    if (names.length > most) throw new Error(`${kernel.name}: ${names.length} bindings, this adapter has ${most}`)
    const bindings = names.map((name): Partial<GPUBindGroupLayoutEntry> => {
      const access = kernel.bindings[name]
      return typeof access === 'object'
        ? access
        : { buffer: { type: access === 'read' ? 'read-only-storage' : 'storage' } }
    })
    if (kernel.uniforms) bindings.push({ buffer: { type: 'uniform' } })
    const layout = this.device.createBindGroupLayout({
      label: kernel.name,
      entries: bindings.map((entry, binding) => ({ binding, visibility: COMPUTE_STAGE, ...entry })),
    })
    const descriptor = {
      label: kernel.name,
      layout: this.device.createPipelineLayout({ bindGroupLayouts: [layout] }),
      compute: {
        module: this.#module(kernel.name, halves.length ? named(kernel.name, () => storedAsF16(text, halves)) : text),
        entryPoint: 'main',
        constants,
      },
    }
    this.stats.pipelines++
    const entry: Entry = { descriptor, layout, names }
    this.#asked.push([kernel as Kernel<never>, size as never, halves, entry])
    this.#made.set(key, entry)
    return entry
  }

  bindGroup<Size>(
    { name: kernel, uniforms }: Kernel<Size>,
    size: Size,
    { entry: { names, layout }, groups }: Plan,
    bound: Readonly<Record<string, Bound>>,
  ): GPUBindGroup {
    let key = ''
    const given = Object.keys(bound)
    if (given.length !== names.length || names.some(name => !bound[name]))
      throw new Error(`${kernel}: it binds ${names.join(', ')}, got ${given.join(', ')}`)
    for (const name of names) {
      const tensor = bound[name]
      key += 'resource' in tensor ? ` r${tensor.id}` : ` ${tensor.storage.id}:${tensor.offset}:${tensor.bytes}`
    }
    const found = groups.get(key)
    if (found) return found
    const group = this.device.createBindGroup({
      label: kernel,
      layout,
      entries: [
        ...names.map((name, binding) => {
          const given = bound[name]
          return {
            binding,
            resource:
              'resource' in given
                ? given.resource
                : { buffer: given.storage.buffer, offset: given.offset, size: given.bytes },
          }
        }),
        ...(uniforms
          ? [{ binding: names.length, resource: { buffer: this.#uniformBuffer(kernel, uniforms(size)) } }]
          : []),
      ],
    })
    this.stats.bindGroups++
    groups.set(key, group)
    return group
  }

  /** Drops all plans, because their bind groups hold buffers. The pipelines stay. */
  trim(): void {
    this.#plans.clear()
  }

  /** A small buffer that always holds these numbers. */
  #uniformBuffer(label: string, values: Record<string, number>): GPUBuffer {
    const data = Uint32Array.from(Object.values(values))
    const key = data.join()
    let buffer = this.#uniformBuffers.get(key)
    if (!buffer) {
      buffer = this.device.createBuffer({
        label,
        size: Math.ceil(data.byteLength / 16) * 16,
        usage: BufferUsage.UNIFORM,
        mappedAtCreation: true,
      })
      new Uint32Array(buffer.getMappedRange()).set(data)
      buffer.unmap()
      this.#uniformBuffers.set(key, buffer)
    }
    return buffer
  }

  #module(label: string, code: string): GPUShaderModule {
    let module = this.#modules.get(code)
    if (!module) this.#modules.set(code, (module = this.device.createShaderModule({ label, code })))
    return module
  }
}

/** The WGSL of a kernel for this size. */
function textOf<Size>({ name, source }: Kernel<Size>, size: Size): string {
  return typeof source === 'string' ? source : named(name, () => source(size))
}

/** Runs `work`. The kernel's name begins the message of its errors. */
function named<T>(kernel: string, work: () => T): T {
  try {
    return work()
  } catch (error) {
    throw new Error(`${kernel}: ${(error as Error).message}`)
  }
}
