// The matrix product for software adapters with subgroups of 8 threads, operands in textures; not in the package for browsers.
import texels from '../../shaders/matmul_texels.wgsl'
import { defineKernel, type Kernel, TEXELS_PER_ROW } from './kernel.js'
import { type MatmulSize, parameters, tiles } from './matmul.js'

/** How the values of an operand lie in texels: four of k, four rows of a or columns of b, or each in one of its own. */
const FORMS = { k: 0, side: 1, values: 2 } as const

/** For software adapters whose subgroups have 8 threads: operands in textures, tiles of `rows` × `columns`, multiples of 8 and 32. Undefined where b's rows do not divide into texels. */
export function matmulTexels({ transposeA = false, transposeB = false, m, n, k }: MatmulSize, rows: number, columns: number): Kernel<MatmulSize> | undefined {
  if ((transposeB ? k : n) % 4) return undefined
  const a = (transposeA ? m : k) % 4 ? 'values' : transposeA ? 'side' : 'k'
  const b = transposeB ? 'k' : 'side'
  const name = `matmul_texels ${a} ${b} ${rows}×${columns}`
  let kernel = texelKernels.get(name)
  if (!kernel) {
    kernel = defineKernel<MatmulSize>({
      name,
      source: texels,
      bindings: { a: a === 'values' ? 'values' : 'texels', b: 'texels', c: 'write' },
      parameters,
      constants: () => ({}),
      lines: () => ({ TEXELS_PER_ROW, GROUPS: rows / 8, SETS: columns / 32, FORM_A: FORMS[a], FORM_B: FORMS[b], TextureA: `texture_storage_2d<${a === 'values' ? 'r32float' : 'rgba32float'}, read>` }),
      workgroups: size => tiles(size, rows, columns),
    })
    texelKernels.set(name, kernel)
  }
  return kernel
}

const texelKernels = new Map<string, Kernel<MatmulSize>>()
