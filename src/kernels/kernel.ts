// What a kernel is before any device exists: WGSL text, its bindings, its constants and how many workgroups it needs.
import { unroll } from './unroll.js'

/**
 * How a shader uses what is bound: `read` binds a tensor's buffer read-only, `write` binds it readable and writable.
 * A layout entry binds something else than a tensor, such as a texture.
 */
export type Access =
  'read' | 'write' | Pick<GPUBindGroupLayoutEntry, 'storageTexture' | 'texture' | 'externalTexture' | 'sampler'>

/** Workgroup counts in x, y and z, each at most 65,535. */
export type Workgroups = readonly [number, number, number]

/**
 * A kernel blueprint: plain data and pure functions of a problem `size`.
 * The same numbers feed the shader's `override` constants and the dispatch, so the two cannot disagree.
 */
export interface Kernel<Size = never> {
  readonly name: string
  /**
   * WGSL with one entry point `main`; `@group(0) @binding(i)` follows the order of `bindings`.
   * A function where the text depends on the size, such as the lengths of register arrays: see `fill`.
   */
  readonly source: string | ((size: Size) => string)
  readonly bindings: Readonly<Record<string, Access>>
  /**
   * Numbers that the shader reads at run time, all u32, in the order of its uniform struct `Uniforms`, which is bound after
   * the tensors. For kernels that are slow to compile: one pipeline then serves every size.
   */
  readonly uniforms?: (size: Size) => Record<string, number>
  /** Values of the shader's `override` constants; all of them, as the shaders have no defaults. */
  readonly constants: (size: Size) => Record<string, number>
  readonly workgroups: (size: Size) => Workgroups
}

/** Types a blueprint; gives it back unchanged. */
/* @__NO_SIDE_EFFECTS__ */
export function defineKernel<Size>(kernel: Kernel<Size>): Kernel<Size> {
  return kernel
}

/** Upper bound of one dispatch dimension that every WebGPU adapter offers. */
export const MAX_WORKGROUPS = 65535

/**
 * `count` workgroups in one dimension, folded into y beyond 65,535.
 * Shaders find their index with `group.x + group.y * groups.x` and return when it is out of range.
 */
export function grid(count: number): Workgroups {
  if (!Number.isInteger(count) || count < 1)
    throw new Error(`grid: expected a positive number of workgroups, got ${count}`)
  if (count <= MAX_WORKGROUPS) return [count, 1, 1]
  const rows = Math.ceil(count / MAX_WORKGROUPS)
  if (rows > MAX_WORKGROUPS)
    throw new Error(`grid: ${count} workgroups are more than one dispatch can hold — use a smaller batch`)
  return [Math.ceil(count / rows), rows, 1]
}

/** Texts that were filled, by the original and the values. */
const filled = new Map<string, Map<string, string>>()

/**
 * The text of a shader with the values of its lines `const NAME = 4;` and `alias NAME = f32;`, marked loops `unrolled` (see unroll.ts).
 * WGSL takes no `override` for the length of a register array. What stands in the file is an example. The same values give the same string object.
 * @throws when the text has no such line
 */
export function fill(
  text: string,
  values: Readonly<Record<string, number | string | boolean>>,
  unrolled = true,
): string {
  let texts = filled.get(text)
  if (!texts) filled.set(text, (texts = new Map()))
  const key = [unrolled, ...Object.values(values)].join()
  let result = texts.get(key)
  if (result === undefined) {
    result = text
    for (const [name, value] of Object.entries(values)) {
      const line = new RegExp(`^(const|alias) ${name} = [^;]+;`, 'm')
      if (!line.test(result)) throw new Error(`no line "const ${name} = …;" or "alias ${name} = …;" in its shader`)
      result = result.replace(line, `$1 ${name} = ${value};`)
    }
    texts.set(key, (result = unrolled ? unroll(result) : result))
  }
  return result
}

/**
 * How a kernel that treats elements one by one goes about it: `alias Value` is vec4f where all of `counts`
 * are multiples of 4, and the counts, which name override constants, are in units of it.
 * @param counts the first one is the number of elements to compute
 */
export function elementwise<Name extends string>(
  counts: Record<Name, number>,
): {
  constants: Record<Name | 'THREADS' | 'PER_THREAD', number>
  values: { Value: 'f32' | 'vec4f' }
  workgroups: Workgroups
} {
  const values = Object.values<number>(counts)
  const width = values.every(n => n % 4 === 0) ? 4 : 1
  const scaled = Object.fromEntries(Object.entries<number>(counts).map(([name, n]) => [name, n / width])) as Record<
    Name,
    number
  >
  const total = values[0] / width
  const THREADS = 64
  // Long tensors give a thread several elements, which costs less than more workgroups.
  const PER_THREAD = Math.max(1, Math.min(8, Math.floor(total / (THREADS * 64))))
  return {
    constants: { ...scaled, THREADS, PER_THREAD },
    values: { Value: width === 4 ? 'vec4f' : 'f32' },
    workgroups: grid(divideUp(total, THREADS * PER_THREAD)),
  }
}

/** `ceil(a / b)`. */
export function divideUp(a: number, b: number): number {
  return Math.ceil(a / b)
}

/** The smallest power of two that is at least `n`, at most `limit`. */
export function powerOfTwo(n: number, limit: number): number {
  let p = 1
  while (p < n && p < limit) p *= 2
  return p
}
