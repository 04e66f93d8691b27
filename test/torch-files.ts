// Writes files as torch.save does, of any content: dicts, lists, numbers, text, tensors, raw opcodes. No test is here.
import type { StoredTensor } from '../src/formats/safetensors.js'
import { writeZip } from '../src/formats/zip.js'

/** Opcodes as text, one byte per character. */
export class Raw {
  constructor(readonly opcodes: string) {}
}

/** The content of a file; objects and maps become dicts. */
export type Content =
  | null
  | boolean
  | number
  | string
  | Raw
  | StoredTensor
  | readonly Content[]
  | ReadonlyMap<string | number, Content>
  | { readonly [key: string]: Content }

const STORAGES: Record<string, string> = {
  F32: 'FloatStorage',
  BF16: 'BFloat16Storage',
  U8: 'ByteStorage',
  I32: 'IntStorage',
  I64: 'LongStorage',
}
const latin = (text: string) => Uint8Array.from(text, char => char.charCodeAt(0))
const int32 = (value: number) =>
  String.fromCharCode(value & 255, (value >> 8) & 255, (value >> 16) & 255, (value >>> 24) & 255)
const bytesOf = (text: string) => String.fromCharCode(...new TextEncoder().encode(text))
export const string = (text: string) => `X${int32(bytesOf(text).length)}${bytesOf(text)}`
const tuple = (values: readonly number[]) => `(${values.map(value => `J${int32(value)}`).join('')}t`

const isTensor = (value: unknown): value is StoredTensor =>
  typeof value === 'object' && value !== null && 'dtype' in value && 'data' in value

/** The bytes of the file. Tensors are contiguous; each has its own storage. */
export function torchFile(content: Content): Uint8Array {
  const storages: Uint8Array[] = []
  const opcodes = (value: Content): string => {
    if (value === null) return 'N'
    if (typeof value === 'boolean') return value ? '\x88' : '\x89'
    if (typeof value === 'number') return `J${int32(value)}`
    if (typeof value === 'string') return string(value)
    if (value instanceof Raw) return value.opcodes
    if (Array.isArray(value)) return `](${value.map(opcodes).join('')}e`
    if (isTensor(value)) {
      const { dtype, shape, data } = value
      const key = storages.push(new Uint8Array(data.buffer, data.byteOffset, data.byteLength)) - 1
      const strides = shape.map((_, axis) => shape.slice(axis + 1).reduce((a, b) => a * b, 1))
      const storage =
        `(${string('storage')}ctorch\n${STORAGES[dtype]}\n${string(String(key))}` +
        `${string('cpu')}J${int32(data.length)}tQ`
      return `ctorch._utils\n_rebuild_tensor_v2\n(${storage}K\0${tuple(shape)}${tuple(strides)}\x89}tR`
    }
    const entries = value instanceof Map ? [...value] : Object.entries(value)
    return `}(${entries.map(([key, entry]) => opcodes(key as Content) + opcodes(entry as Content)).join('')}u`
  }
  const pickle = `\x80\x02${opcodes(content)}.`
  return writeZip([
    ['archive/data.pkl', latin(pickle)],
    ...storages.map((data, key) => [`archive/data/${key}`, data] as const),
    ['archive/version', latin('3\n')],
  ])
}
