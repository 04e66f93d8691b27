// Storages of PyTorch and tensors as views of them: element types, sizes, strides.
import type { SafetensorsData, SafetensorsDtype } from './safetensors.js'
import { type Fail, shown } from './shown.js'
import { gatherStrided } from './strided.js'

/** PyTorch's storage types, the dtypes here, and their arrays. */
export const STORAGES = {
  DoubleStorage: ['F64', Float64Array],
  FloatStorage: ['F32', Float32Array],
  HalfStorage: ['F16', Uint16Array],
  BFloat16Storage: ['BF16', Uint16Array],
  LongStorage: ['I64', BigInt64Array],
  IntStorage: ['I32', Int32Array],
  ShortStorage: ['I16', Int16Array],
  CharStorage: ['I8', Int8Array],
  ByteStorage: ['U8', Uint8Array],
  BoolStorage: ['BOOL', Uint8Array],
} as const satisfies Record<string, readonly [SafetensorsDtype, unknown]>

export type StorageName = keyof typeof STORAGES

/** The elements that tensors are views of. */
export class Storage {
  constructor(
    readonly key: string,
    readonly dtype: SafetensorsDtype,
    readonly data: SafetensorsData,
  ) {}
}

/**
 * A tensor of the pickle: a view of a storage. Element (i, j, …) lies at offset + i · strides[0] + j · strides[1] + …
 */
export class View {
  constructor(
    readonly storage: Storage,
    readonly offset: number,
    readonly shape: number[],
    readonly strides: number[],
  ) {}
}

/** A storage as the pickle describes it. */
export interface StorageId {
  storageName: StorageName
  key: string
  /** Elements. */
  length: number
}

/** The number of a tensor's elements. Fails when they do not lie within the `stored` elements of its storage. */
export function lengthOf(
  { storage, offset, shape, strides }: View,
  stored: number,
  where: () => string,
  fail: Fail,
): number {
  const length = shape.reduce((product, size) => product * size, 1)
  const last = length === 0 ? offset - 1 : shape.reduce((sum, size, axis) => sum + (size - 1) * strides[axis], offset)
  if (!Number.isSafeInteger(length) || !(last < stored) || offset > stored) {
    fail(
      `${where()}: expected elements within the ${stored} of storage ${shown(storage.key)}, ` +
        `got shape (${shape.join(', ')}), strides (${strides.join(', ')}) from ${offset} on — the file is damaged`,
    )
  }
  return length
}

export function isContiguous(shape: readonly number[], strides: readonly number[]): boolean {
  if (shape.includes(0)) return true
  const wanted = contiguousStrides(shape)
  return shape.every((size, axis) => size === 1 || strides[axis] === wanted[axis])
}

export function contiguousStrides(shape: readonly number[]): number[] {
  const strides = shape.map(() => 1)
  for (let axis = shape.length - 2; axis >= 0; axis--) strides[axis] = strides[axis + 1] * Math.max(1, shape[axis + 1])
  return strides
}

/** The elements of a view in row-major order. */
export function gather({ storage, offset, shape, strides }: View, length: number): SafetensorsData {
  const source = storage.data
  const out = new (source.constructor as new (length: number) => SafetensorsData)(length)
  return gatherStrided(source, out, shape, strides, offset)
}

export function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
}
