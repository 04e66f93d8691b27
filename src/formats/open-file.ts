// Files of any size of which parts are read: in Node by a file handle, in a page by pieces of a Blob.

/** An open file, of which any part can be read. */
export interface OpenFile {
  /** Bytes. */
  readonly size: number
  /**
   * The `length` bytes from byte `at` on, all of them within `size`. They may share memory with the source. Rejects
   * when they cannot be read.
   */
  read(at: number, length: number): Promise<Uint8Array>
  /** Closes the file: nothing is read after it. */
  close?(): Promise<void>
}

/** A `File` or `Blob`, of which pieces are loaded when they are asked for, or bytes in memory. */
export function openSource(source: Blob | Uint8Array): OpenFile {
  if (source instanceof Uint8Array) {
    return { size: source.length, read: async (at, length) => source.subarray(at, at + length) }
  }
  const read = async (at: number, length: number) => new Uint8Array(await source.slice(at, at + length).arrayBuffer())
  return { size: source.size, read }
}
