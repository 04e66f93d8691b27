// Writes files that torch.load reads, also with weights_only=True.
import type { StoredTensor } from './safetensors.js'
import { contiguousStrides, isCount, STORAGES } from './torch-storage.js'
import { writeZip } from './zip.js'

/**
 * Writes a file that torch.load reads, also with weights_only=True: an OrderedDict of contiguous tensors, each with a
 * storage of its own. The same input always gives the same bytes.
 * @throws when `data` is not the typed array of its dtype, its length does not fit its shape, or the file would pass 4
 * GiB
 */
export function writeTorch(
  tensors: Map<string, StoredTensor> | Iterable<readonly [string, StoredTensor]>,
): Uint8Array<ArrayBuffer> {
  const storages: Uint8Array[] = []
  const out = new Opcodes()
  out.bytes(0x80, 2)
  out.emptyDict()
  out.op('(')
  const seen = new Set<string>()
  for (const [name, { dtype, shape, data }] of tensors) {
    const where = `torch: tensor "${name}"`
    if (seen.has(name)) throw new Error(`${where}: expected a new name, got one that is taken`)
    seen.add(name)
    const found = Object.entries(STORAGES).find(([, [known]]) => known === dtype)
    if (!found)
      throw new Error(
        `${where}: expected dtype ${Object.values(STORAGES)
          .map(([known]) => known)
          .join(', ')}, got ${JSON.stringify(dtype)}`,
      )
    const [storageName, [, Type]] = found
    if (!(data instanceof Type))
      throw new Error(`${where}: expected ${Type.name} for dtype ${dtype}, got ${(data as object).constructor.name}`)
    const length = shape.reduce((product, size) => product * size, 1)
    if (!shape.every(isCount) || length !== data.length)
      throw new Error(`${where}: expected ${length} elements for shape (${shape.join(', ')}), got ${data.length}`)
    // name: torch._utils._rebuild_tensor_v2(storage, offset, shape, strides, requires_grad, hooks)
    out.text(name)
    out.global('torch._utils', '_rebuild_tensor_v2')
    out.op('((')
    out.text('storage')
    out.global('torch', storageName)
    out.text(String(storages.length))
    out.text('cpu')
    out.integer(length)
    out.op('tQ')
    out.integer(0)
    out.integers(shape)
    out.integers(contiguousStrides(shape))
    out.bytes(0x89)
    out.emptyDict()
    out.op('tR')
    storages.push(new Uint8Array(data.buffer, data.byteOffset, data.byteLength))
  }
  out.op('u.')
  const text = (value: string) => new TextEncoder().encode(value)
  return writeZip([
    ['archive/data.pkl', out.finish()],
    ['archive/byteorder', text('little')],
    ...storages.map((storage, key) => [`archive/data/${key}`, storage] as const),
    ['archive/version', text('3\n')],
  ])
}

/** Collects the bytes of a pickle of protocol 2. */
class Opcodes {
  #parts: number[] = []
  #encoder = new TextEncoder()

  bytes(...values: number[]): void {
    this.#parts.push(...values)
  }

  op(codes: string): void {
    for (let i = 0; i < codes.length; i++) this.#parts.push(codes.charCodeAt(i))
  }

  text(value: string): void {
    const data = this.#encoder.encode(value)
    this.op('X')
    this.bytes(...littleEndian(data.length, 4))
    for (const byte of data) this.#parts.push(byte)
  }

  global(module: string, name: string): void {
    this.op(`c${module}\n${name}\n`)
  }

  emptyDict(): void {
    this.global('collections', 'OrderedDict')
    this.op(')R')
  }

  integer(value: number): void {
    if (value < 256) this.bytes(0x4b, value)
    else if (value < 2 ** 31) this.bytes(0x4a, ...littleEndian(value, 4))
    else this.bytes(0x8a, 8, ...littleEndian(value, 8))
  }

  /** A tuple. */
  integers(values: readonly number[]): void {
    this.op('(')
    for (const value of values) this.integer(value)
    this.op('t')
  }

  finish(): Uint8Array {
    return Uint8Array.from(this.#parts)
  }
}

function littleEndian(value: number, width: number): number[] {
  return Array.from({ length: width }, (_, i) => Math.floor(value / 256 ** i) % 256)
}
