// GPU objects that find accesses outside of tensors, by guards around buffers or checks of indices. No test is here.

/** Bytes of the guard on each side of a buffer; a multiple of the alignment of binding offsets. */
const GUARD = 16384

/** NaN as f32 and as each of two f16; as an integer, larger than any index. */
const PATTERN = 0x7fff7fff

const [MAP_READ, COPY_DST, STORAGE] = [0x1, 0x8, 0x80]

/** An object with some of its methods replaced; all others are called on the object itself. */
function replacing<T extends object>(target: T, own: Record<string, unknown>): T {
  return new Proxy(target, {
    get(_, name) {
      if (typeof name === 'string' && Object.hasOwn(own, name)) return own[name]
      const value: unknown = Reflect.get(target, name, target)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}

/** A GPU object whose devices are replaced by `watch`. */
const watching = (gpu: GPU, watch: (device: GPUDevice) => GPUDevice): GPU =>
  replacing(gpu, {
    requestAdapter: async (options: GPURequestAdapterOptions) => {
      const adapter = await gpu.requestAdapter(options)
      return (
        adapter &&
        replacing(adapter, {
          requestDevice: async (descriptor: GPUDeviceDescriptor) => watch(await adapter.requestDevice(descriptor)),
        })
      )
    },
  })

/** A `createComputePipeline` that notes the names of the kernels. */
const noting = (device: GPUDevice, kernels: Set<string>) => ({
  createComputePipeline(descriptor: GPUComputePipelineDescriptor) {
    kernels.add(descriptor.label!)
    return device.createComputePipeline(descriptor)
  },
})

type BufferBinding = Required<GPUBufferBinding>
const isBuffer = (resource: GPUBindingResource): resource is GPUBufferBinding =>
  typeof resource === 'object' && 'buffer' in resource

export interface Guarded {
  gpu: GPU
  /** Names of the kernels that were compiled. */
  kernels: Set<string>
  /** A line for each buffer with a write outside of all its bindings, copies and writes so far. Repairs the guards. */
  broken(): Promise<string[]>
}

/**
 * Puts buffers between guards. Their memory and the guards begin as NaN: a read outside makes the result NaN, and a
 * write outside is found. Bindings include the guard behind them, because some drivers check the end of a binding.
 */
export function guarded(gpu: GPU): Guarded {
  /** Bytes of a guarded buffer that belong to tensors: 0 … used. */
  const used = new Map<GPUBuffer, { label: string; size: number; used: number }>()
  const kernels = new Set<string>()
  let device: GPUDevice | undefined
  const shift = (buffer: GPUBuffer, offset: number, bytes: number): number => {
    const known = used.get(buffer)
    if (!known) return offset
    known.used = Math.max(known.used, offset + bytes)
    return offset + GUARD
  }
  const sizeOf = (buffer: GPUBuffer) => used.get(buffer)?.size ?? buffer.size
  const encoderOf = (encoder: GPUCommandEncoder): GPUCommandEncoder =>
    replacing(encoder, {
      clearBuffer: (buffer: GPUBuffer, offset = 0, size = sizeOf(buffer) - offset) =>
        encoder.clearBuffer(buffer, shift(buffer, offset, size), size),
      copyBufferToBuffer: (from: GPUBuffer, offset: number, to: GPUBuffer, at: number, size: number) =>
        encoder.copyBufferToBuffer(from, shift(from, offset, 0), to, shift(to, at, size), size),
      copyBufferToTexture: (from: GPUTexelCopyBufferInfo, to: GPUTexelCopyTextureInfo, size: GPUExtent3D) =>
        encoder.copyBufferToTexture({ ...from, offset: shift(from.buffer, from.offset ?? 0, 0) }, to, size),
    })
  const watch = (real: GPUDevice): GPUDevice => {
    device = real
    const { queue } = real
    return replacing(real, {
      queue: replacing(queue, {
        writeBuffer: (buffer: GPUBuffer, offset: number, data: ArrayBuffer, from: number, bytes: number) =>
          queue.writeBuffer(buffer, shift(buffer, offset, bytes), data, from, bytes),
      }),
      createBuffer(descriptor: GPUBufferDescriptor) {
        const { label = 'buffer', size, usage } = descriptor
        if (!(usage & STORAGE)) return real.createBuffer(descriptor)
        const buffer = real.createBuffer({ ...descriptor, size: size + 2 * GUARD, mappedAtCreation: true })
        new Uint32Array(buffer.getMappedRange()).fill(PATTERN)
        buffer.unmap()
        used.set(buffer, { label, size, used: 0 })
        return buffer
      },
      ...noting(real, kernels),
      createBindGroup(descriptor: GPUBindGroupDescriptor) {
        const entries = [...descriptor.entries]
        const bound = entries.flatMap(({ resource }) =>
          isBuffer(resource) && used.has(resource.buffer) ? [resource as BufferBinding] : [],
        )
        return real.createBindGroup({
          ...descriptor,
          entries: entries.map(entry => {
            const resource = entry.resource as BufferBinding
            if (!isBuffer(entry.resource) || !used.has(resource.buffer)) return entry
            const { buffer, offset, size } = resource
            const end = offset + size
            // Up to the next binding of the same buffer at most.
            const next = Math.min(
              sizeOf(buffer) + GUARD,
              ...bound.filter(other => other.buffer === buffer && other.offset >= end).map(other => other.offset),
            )
            return { ...entry, resource: { buffer, offset: shift(buffer, offset, size), size: next - offset } }
          }),
        })
      },
      createCommandEncoder: (descriptor: GPUCommandEncoderDescriptor) =>
        encoderOf(real.createCommandEncoder(descriptor)),
    })
  }
  return {
    gpu: watching(gpu, watch),
    kernels,
    async broken() {
      const lines: string[] = []
      const zones = [...used].flatMap(([buffer, { label, size, used: end }]) =>
        [
          [0, GUARD],
          [GUARD + end, GUARD + size - end],
        ].map(([from, bytes]) => ({ buffer, label, end, from, bytes })),
      )
      const copy = device!.createBuffer({
        size: zones.reduce((sum, { bytes }) => sum + bytes, 0),
        usage: MAP_READ | COPY_DST,
      })
      const encoder = device!.createCommandEncoder()
      let at = 0
      for (const { buffer, from, bytes } of zones) {
        encoder.copyBufferToBuffer(buffer, from, copy, at, bytes)
        at += bytes
      }
      device!.queue.submit([encoder.finish()])
      await copy.mapAsync(MAP_READ)
      const words = new Uint32Array(copy.getMappedRange().slice(0))
      copy.destroy()
      at = 0
      for (const { buffer, label, end, from, bytes } of zones) {
        const zone = words.subarray(at / 4, (at + bytes) / 4)
        at += bytes
        let first = 0
        while (first < zone.length && zone[first] === PATTERN) first++
        if (first === zone.length) continue
        lines.push(`${label}: byte ${from + 4 * first - GUARD} of ${end} was written`)
        device!.queue.writeBuffer(buffer, from, new Uint32Array(zone.length).fill(PATTERN))
      }
      return lines
    },
  }
}

/** The binding of the buffer in which a watched kernel notes an index that is outside. */
const NOTES = 900

export interface Indexed {
  gpu: GPU
  /** Names of the kernels that were compiled. */
  kernels: Set<string>
  /** The first index since the last call that was outside of its binding; undefined if all were inside. */
  outside(): Promise<string | undefined>
}

/**
 * Compares every index of a bound array with the length of the array before it is used, even if the value is not.
 * The first index outside is noted. Textures are not watched: they always check coordinates.
 */
export function indexed(gpu: GPU): Indexed {
  const arrays: string[] = []
  const kernels = new Set<string>()
  let device: GPUDevice | undefined
  let notes: GPUBuffer | undefined
  const instrument = (label: string, code: string): string => {
    let text = code.replace(/\/\/.*$/gm, '')
    // Some arrays have a fixed length; the length of the others is that of their binding.
    const lengths = new Map(
      [...text.matchAll(/@binding\(\d+\)\s*var<storage, ?\w+> ?(\w+): ?array<([^;]+)>;/g)].map(([, name, inner]) => [
        name,
        /, ?(\w+)$/.exec(inner)?.[1] ?? `arrayLength(&${name})`,
      ]),
    )
    const bound = [...lengths.keys()]
    const uses = bound
      .flatMap(name =>
        [...text.matchAll(new RegExp(`(?<![\\w.])${name}\\[`, 'g'))].map(({ index }) => ({ name, index })),
      )
      .sort((a, b) => b.index - a.index)
    const others = bound.filter(name => new RegExp(`& ?${name}\\b(?!\\[)`).test(text))
    if (others.length) throw new Error(`${label}: ${others.join(', ')} is used by its address, which is not watched`)
    // From the last use to the first: an inner index is changed before the expression around it.
    for (const { name, index } of uses) {
      const open = index + name.length
      let end = open
      for (let depth = 0; ; end++) {
        depth += text[end] === '[' ? 1 : text[end] === ']' ? -1 : 0
        if (depth === 0) break
      }
      const used = text.slice(open + 1, end)
      arrays.push(`${label}: ${name}[${used}]`)
      const checked = `watched_index(${arrays.length}u, u32(${used}), u32(${lengths.get(name)}))`
      text = `${text.slice(0, open)}[${checked}]${text.slice(end + 1)}`
    }
    // The notes must be written wherever the kernel returns: it becomes a function that the new entry point calls.
    const [entry, attributes, parameters] = /((?:@\w+(?:\([^)]*\))?\s*)+)fn main\(((?:[^()]|\([^()]*\))*)\)/.exec(text)!
    const names = [...parameters.matchAll(/(\w+) ?:/g)].map(([, name]) => name)
    return `${text.replace(entry, `fn watched_main(${parameters.replace(/@builtin\(\w+\) ?/g, '')})`)}
@group(0) @binding(${NOTES}) var<storage, read_write> watched_notes: array<atomic<u32>>;
var<private> watched_last: vec3u;
fn watched_index(place: u32, index: u32, length: u32) -> u32 {
  watched_last = select(watched_last, vec3u(place, index, length), index >= length);
  return min(index, length - 1u);
}
${attributes} fn main(${parameters}) {
  watched_main(${names});
  if (watched_last.x != 0u && atomicAdd(&watched_notes[0], 1u) == 0u) {
    for (var i = 0u; i < 3u; i++) { atomicStore(&watched_notes[i + 1u], watched_last[i]); }
  }
}
`
  }
  const watch = (real: GPUDevice): GPUDevice => {
    device = real
    notes = real.createBuffer({ label: 'notes', size: 16, usage: STORAGE | COPY_DST | 0x4 })
    return replacing(real, {
      ...noting(real, kernels),
      createShaderModule: ({ label = 'kernel', code }: GPUShaderModuleDescriptor) =>
        real.createShaderModule({ label, code: instrument(label, code) }),
      createBindGroupLayout: (descriptor: GPUBindGroupLayoutDescriptor) =>
        real.createBindGroupLayout({
          ...descriptor,
          entries: [...descriptor.entries, { binding: NOTES, visibility: 4, buffer: { type: 'storage' } }],
        }),
      createBindGroup: (descriptor: GPUBindGroupDescriptor) =>
        real.createBindGroup({
          ...descriptor,
          entries: [...descriptor.entries, { binding: NOTES, resource: { buffer: notes! } }],
        }),
    })
  }
  return {
    gpu: watching(gpu, watch),
    kernels,
    async outside() {
      const copy = device!.createBuffer({ size: 16, usage: MAP_READ | COPY_DST })
      const encoder = device!.createCommandEncoder()
      encoder.copyBufferToBuffer(notes!, 0, copy, 0, 16)
      encoder.clearBuffer(notes!)
      device!.queue.submit([encoder.finish()])
      await copy.mapAsync(MAP_READ)
      const [count, place, index, length] = new Uint32Array(copy.getMappedRange().slice(0))
      copy.destroy()
      return count ? `${arrays[place - 1]} is index ${index | 0} of ${length}, and ${count - 1} more` : undefined
    },
  }
}
