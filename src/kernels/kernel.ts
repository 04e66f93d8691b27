// What a kernel is before any device exists: WGSL text, bindings, constants and numbers of workgroups.
import { unroll } from './unroll.js'

/**
 * How a shader uses a binding: `read` binds the buffer of a tensor read-only, `write` binds it readable and writable.
 * A layout entry binds a resource that is not a tensor, such as a texture.
 */
export type Access =
  'read' | 'write' | Pick<GPUBindGroupLayoutEntry, 'storageTexture' | 'texture' | 'externalTexture' | 'sampler'>

/** Numbers of workgroups in x, y and z, each at most 65,535. */
export type Workgroups = readonly [number, number, number]

/**
 * A kernel blueprint: plain data and pure functions of a problem `size`: numbers, strings, booleans, records of these.
 * The same numbers feed the shader's `override` constants and the dispatch, so the two cannot disagree.
 */
export interface Kernel<Size = never> {
  readonly name: string
  /**
   * WGSL with one entry point `main`; `@group(0) @binding(i)` follows the order of `bindings`.
   * A function if the text depends on the size, such as by the lengths of register arrays: see `fill`.
   */
  readonly source: string | ((size: Size) => string)
  readonly bindings: Readonly<Record<string, Access>>
  /**
   * Numbers that the shader reads at run time, all u32, in the order of its struct `Uniforms`, the last binding.
   * For kernels that are slow to compile: one pipeline then serves every size.
   */
  readonly uniforms?: (size: Size) => Record<string, number>
  /** Values of all `override` constants of the shader, which has no defaults. */
  readonly constants: (size: Size) => Record<string, number>
  readonly workgroups: (size: Size) => Workgroups
}

/** Returns the blueprint unchanged; only its type is inferred. */
/* @__NO_SIDE_EFFECTS__ */
export function defineKernel<Size>(kernel: Kernel<Size>): Kernel<Size> {
  return kernel
}

/** The largest number of workgroups in one dimension that every WebGPU adapter offers. */
export const MAX_WORKGROUPS = 65535

/**
 * `count` workgroups in one dimension, or in x and y if there are more than 65,535.
 * The index of a workgroup is `group.x + group.y * groups.x`. A shader must return if it is out of range.
 * @throws unless 1 ≤ count ≤ 65,535²
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

/** Filled texts, by the values and the original. */
const filled = new Map<string, string>()

/**
 * Puts values into the lines `const NAME = 4;` and `alias NAME = f32;` of a shader. Those in the file are examples.
 * For lengths of register arrays: WGSL does not take these from an `override`.
 * @param unrolled also unroll the marked loops, see unroll.ts
 * @returns the text; the same values give the same string object
 * @throws when the text has no such line
 */
export function fill(
  text: string,
  values: Readonly<Record<string, number | string | boolean>>,
  unrolled = true,
): string {
  const key = [unrolled, ...Object.values(values), text].join()
  let result = filled.get(key)
  if (result === undefined) {
    result = text
    for (const [name, value] of Object.entries(values)) {
      const line = new RegExp(`^(const|alias) ${name} = [^;]+;`, 'm')
      if (!line.test(result)) throw new Error(`no line "const ${name} = …;" or "alias ${name} = …;" in its shader`)
      result = result.replace(line, `$1 ${name} = ${value};`)
    }
    filled.set(key, (result = unrolled ? unroll(result) : result))
  }
  return result
}

/**
 * The plan of an elementwise kernel: `alias Value` is vec4f if all `counts` are multiples of 4, else f32.
 * @param counts values of override constants, by name, in elements; the first one is the number of elements to compute
 * @returns the constants, with the counts in units of Value
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
  // For long tensors a thread computes several elements: that costs less than more workgroups.
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

/** The smallest power of two that is at least `n`, but at most `limit`, a power of two itself. */
export function powerOfTwo(n: number, limit: number): number {
  let p = 1
  while (p < n && p < limit) p *= 2
  return p
}
