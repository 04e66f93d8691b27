// Scratch textures through which kernels read tensors, for adapters where a texture is faster than a buffer.
import { type Access, TEXELS_PER_ROW } from '../kernels/kernel.js'
import type { Stats } from './stats.js'
import type { Tensor } from './tensor.js'

/** GPUTextureUsage bits; the global constants exist in browsers only. */
const TextureUsage = { COPY_DST: 0x2, STORAGE_BINDING: 0x8 } as const

/** A format, and the f32 values of a texel. */
export interface TextureFormat {
  readonly format: GPUTextureFormat
  readonly values: number
}

export const TEXTURE_FORMATS: Partial<Record<Access, TextureFormat>> = {
  texels: { format: 'rgba32float', values: 4 },
  values: { format: 'r32float', values: 1 },
}

export interface Scratch {
  readonly id: number
  readonly texture: GPUTexture
  readonly view: GPUTextureView
}

/** A texture for each name of a binding and each power of two of rows: none is ever replaced, so bind groups stay good. */
export class Textures {
  private readonly made = new Map<string, Scratch>()

  constructor(
    private readonly device: GPUDevice,
    private readonly stats: Stats,
  ) {}

  /** A texture for a tensor of `size` values under this name; its content is whatever its last user left. */
  private get(name: string, { format, values }: TextureFormat, size: number): Scratch {
    const rows = 2 ** Math.ceil(Math.log2(Math.ceil(size / values / TEXELS_PER_ROW)))
    const key = `${name} ${format} ${rows}`
    const found = this.made.get(key)
    if (found) return found
    if (rows > this.device.limits.maxTextureDimension2D) throw new Error(`${name}: ${size} values do not fit a texture of this adapter, which has ${this.device.limits.maxTextureDimension2D} rows`)
    const texture = this.device.createTexture({ label: name, size: [TEXELS_PER_ROW, rows], format, usage: TextureUsage.COPY_DST | TextureUsage.STORAGE_BINDING })
    const scratch: Scratch = { id: this.made.size + 1, texture, view: texture.createView() }
    this.stats.buffers++
    this.stats.bytes += TEXELS_PER_ROW * rows * values * 4
    this.made.set(key, scratch)
    return scratch
  }

  /** Copies each tensor that its binding wants as a texture, with an encoder outside of a pass; by binding. A last texel may reach into the padding behind the tensor. */
  copies(bindings: Readonly<Record<string, Access>>, tensors: Readonly<Record<string, Tensor>>, encoder: () => GPUCommandEncoder): ReadonlyMap<string, Scratch> {
    const textures = new Map<string, Scratch>()
    for (const [name, access] of Object.entries(bindings)) {
      const format = TEXTURE_FORMATS[access]
      const tensor = tensors[name]
      if (!format || !tensor) continue
      const scratch = this.get(name, format, tensor.size)
      for (const { offset, row, width, height } of pieces(tensor.size, format.values)) {
        const buffer = { buffer: tensor.storage.buffer, offset: tensor.offset + offset, ...(height > 1 && { bytesPerRow: width * format.values * 4 }) }
        encoder().copyBufferToTexture(buffer, { texture: scratch.texture, origin: [0, row] }, [width, height])
      }
      textures.set(name, scratch)
    }
    return textures
  }

  destroy(): void {
    for (const { texture } of this.made.values()) texture.destroy()
    this.made.clear()
  }
}

/** The pieces in which a tensor lies in a texture: whole rows, then the rest of one. Offsets in bytes, sizes in texels. */
function pieces(size: number, values: number): { offset: number; row: number; width: number; height: number }[] {
  const texels = Math.ceil(size / values)
  const rows = Math.floor(texels / TEXELS_PER_ROW)
  const rest = texels % TEXELS_PER_ROW
  return [
    ...(rows ? [{ offset: 0, row: 0, width: TEXELS_PER_ROW, height: rows }] : []),
    ...(rest ? [{ offset: rows * TEXELS_PER_ROW * values * 4, row: rows, width: rest, height: 1 }] : []),
  ]
}
