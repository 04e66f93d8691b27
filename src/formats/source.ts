// The bytes of a picked or dropped file, an address, a stream or a buffer.

/** Where bytes can come from. A `File` is a `Blob`. */
export type ByteSource = ArrayBuffer | ArrayBufferView | Blob | URL | Response | ReadableStream<Uint8Array>

export interface ReadAllOptions {
  /** The name in messages; by default the name of the file or the address. */
  name?: string
  /** Called as bytes arrive. `total` is undefined where the length of the source is unknown. */
  onProgress?: (received: number, total: number | undefined) => void
}

/**
 * All bytes of a source, for the readers of checkpoints, goldens, tables and arrays. Files, addresses and streams are
 * read piece by piece, and a buffer is not copied.
 * @throws one line that names the source when it cannot be read, an address answers with an error, or it ends too early
 */
export async function readAll(
  source: ByteSource,
  { name = nameOf(source), onProgress }: ReadAllOptions = {},
): Promise<Uint8Array<ArrayBuffer>> {
  if (source instanceof ArrayBuffer) return new Uint8Array(source)
  if (ArrayBuffer.isView(source))
    return new Uint8Array(source.buffer as ArrayBuffer, source.byteOffset, source.byteLength)
  const fail = (message: string): never => {
    throw new Error(`${name}: ${message}`)
  }
  try {
    const response = source instanceof URL ? await fetch(source) : source
    if (response instanceof Response && !response.ok)
      fail(`the server answered ${response.status} ${response.statusText}`.trimEnd())
    const [stream, total] =
      response instanceof Response
        ? [response.body, lengthOf(response)]
        : response instanceof Blob
          ? [response.stream(), response.size]
          : [response, undefined]
    return await collect(stream, total, fail, onProgress)
  } catch (error) {
    const { message } = error as Error
    if (message.startsWith(`${name}: `)) throw error
    return fail(`it cannot be read — ${message}`)
  }
}

/** The announced length of the decoded body; of a compressed one it is unknown. */
function lengthOf({ headers }: Response): number | undefined {
  const length = headers.get('content-length')
  return length === null || headers.has('content-encoding') ? undefined : Number(length)
}

async function collect(
  stream: ReadableStream<Uint8Array> | null,
  total: number | undefined,
  fail: (message: string) => never,
  onProgress: ReadAllOptions['onProgress'],
): Promise<Uint8Array<ArrayBuffer>> {
  const reader = stream?.getReader()
  let bytes = new Uint8Array(total ?? 1 << 16)
  let received = 0
  for (let piece = await reader?.read(); piece?.value; piece = await reader!.read()) {
    const { value } = piece
    if (received + value.length > bytes.length) {
      const larger = new Uint8Array(Math.max(2 * bytes.length, received + value.length))
      larger.set(bytes.subarray(0, received))
      bytes = larger
    }
    bytes.set(value, received)
    received += value.length
    onProgress?.(received, total)
  }
  if (total !== undefined && received !== total)
    fail(`expected ${total} bytes, got ${received} — the transfer was cut off`)
  return bytes.subarray(0, received)
}

function nameOf(source: ByteSource): string {
  if (source instanceof URL) return source.href
  return (source as { name?: string; url?: string }).name || (source as Response).url || 'source'
}
