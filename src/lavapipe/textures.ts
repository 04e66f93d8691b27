// Scratch textures through which kernels read tensors: on lavapipe a texel of four values costs little more than one.
import type { Engine } from '../engine/engine.js'
import type { Resource, Tensor } from '../engine/tensor.js'
import type { Access, Kernel } from '../kernels/kernel.js'

/** Texels in a row of such a texture; shaders have a line for it. */
export const TEXELS_PER_ROW = 1024

/** Binds a read-only copy of the f32 values of a tensor, four in a texel. */
export const TEXELS = { storageTexture: { format: 'rgba32float', access: 'read-only' } } as const satisfies Access

/** The same with one value in a texel. */
export const VALUES = { storageTexture: { format: 'r32float', access: 'read-only' } } as const satisfies Access

const LAYOUTS = [TEXELS, VALUES] as const

type Layout = (typeof LAYOUTS)[number]

const valuesOf = (layout: Layout) => (layout === TEXELS ? 4 : 1)

/** Bits of GPUTextureUsage; the global constants exist in browsers only. */
const TEXTURE_USAGE = { COPY_DST: 0x2, STORAGE_BINDING: 0x8 } as const

interface Scratch extends Resource {
  readonly texture: GPUTexture
  readonly bytes: number
}

/** A texture for each name of a binding and each power of two of rows. All stay until `trim`, as do bind groups. */
const scratches = new WeakMap<Engine, Map<string, Scratch>>()

/** The textures of an engine. `trim` destroys them. */
function scratchesOf(engine: Engine): Map<string, Scratch> {
  const found = scratches.get(engine)
  if (found) return found
  const made = new Map<string, Scratch>()
  scratches.set(engine, made)
  engine.onTrim.push(() => {
    for (const { texture, bytes } of made.values()) {
      texture.destroy()
      engine.stats.bytes -= bytes
    }
    made.clear()
  })
  return made
}

/** A texture for `size` values under this name. It still has the values of its last use. */
function scratchFor(
  { device, stats }: Engine,
  made: Map<string, Scratch>,
  name: string,
  layout: Layout,
  size: number,
): Scratch {
  const values = valuesOf(layout)
  const rows = 2 ** Math.ceil(Math.log2(Math.ceil(size / values / TEXELS_PER_ROW)))
  const { format } = layout.storageTexture
  const key = `${name} ${format} ${rows}`
  const found = made.get(key)
  if (found) return found
  const maxRows = device.limits.maxTextureDimension2D
  if (rows > maxRows)
    throw new Error(`${name}: ${size} values do not fit into a texture of this adapter, which has ${maxRows} rows`)
  const usage = TEXTURE_USAGE.COPY_DST | TEXTURE_USAGE.STORAGE_BINDING
  const texture = device.createTexture({ label: name, size: [TEXELS_PER_ROW, rows], format, usage })
  const bytes = TEXELS_PER_ROW * rows * values * 4
  const scratch: Scratch = { id: made.size + 1, texture, resource: texture.createView(), bytes }
  stats.buffers++
  stats.bytes += bytes
  made.set(key, scratch)
  return scratch
}

/**
 * Dispatches a kernel that reads textures, after the tensors are copied into them.
 * The last texel may include padding behind the tensor.
 * @throws when a tensor has more values than a texture of the adapter
 */
export function runByTextures<Size>(
  engine: Engine,
  kernel: Kernel<Size>,
  tensors: Readonly<Record<string, Tensor>>,
  size: Size,
): void {
  const made = scratchesOf(engine)
  const bound: Record<string, Tensor | Resource> = {}
  for (const [name, access] of Object.entries(kernel.bindings)) {
    const layout = LAYOUTS.find(layout => layout === access)
    const tensor = tensors[name]
    bound[name] = tensor
    if (!layout) continue
    const scratch = scratchFor(engine, made, name, layout, tensor.size)
    const { buffer } = tensor.storage
    for (const { offset, row, width, height } of pieces(tensor.size, valuesOf(layout))) {
      const from = {
        buffer,
        offset: tensor.offset + offset,
        ...(height > 1 && { bytesPerRow: width * valuesOf(layout) * 4 }),
      }
      engine.encode(encoder =>
        encoder.copyBufferToTexture(from, { texture: scratch.texture, origin: [0, row] }, [width, height]),
      )
    }
    bound[name] = scratch
  }
  engine.dispatch(kernel, bound, size)
}

/** The copies that bring a tensor into a texture: whole rows, then the rest. Offsets in bytes, sizes in texels. */
function pieces(size: number, values: number): { offset: number; row: number; width: number; height: number }[] {
  const texels = Math.ceil(size / values)
  const rows = Math.floor(texels / TEXELS_PER_ROW)
  const rest = texels % TEXELS_PER_ROW
  return [
    ...(rows ? [{ offset: 0, row: 0, width: TEXELS_PER_ROW, height: rows }] : []),
    ...(rest ? [{ offset: rows * TEXELS_PER_ROW * values * 4, row: rows, width: rest, height: 1 }] : []),
  ]
}
