// Text and bytes of files larger than memory, piece by piece; gzip is unpacked on the way.
import { type ByteSource, readAll } from './source.js'

/** Gives the pieces of a source, each time from its beginning. */
export type Pieces = () => AsyncIterable<Uint8Array>

/** The pieces of a source. A `Blob` is read anew each time; a source that can be read only once is kept in memory. */
export function piecesOf(source: ByteSource): Pieces {
  if (source instanceof Blob) return () => streamed(source.stream())
  let bytes: Promise<Uint8Array> | undefined
  return async function* () {
    yield await (bytes ??= readAll(source))
  }
}

/**
 * The text of a source, piece by piece. Gzip is known by its first bytes; text is UTF-8, or UTF-16 where a byte-order
 * mark says so.
 * @param onStart called with the first bytes, unpacked
 * @throws one line that begins with `name` when it is no text, or the gzip is damaged or cut off
 */
export async function* textOf(
  pieces: AsyncIterable<Uint8Array>,
  name: string,
  onStart?: (bytes: Uint8Array<ArrayBuffer>) => void,
): AsyncGenerator<string, void> {
  let decoder: TextDecoder | undefined
  for await (const piece of unpacked(pieces, name)) {
    if (!decoder) {
      onStart?.(piece.slice(0, 4096) as Uint8Array<ArrayBuffer>)
      decoder = new TextDecoder(encodingOf(piece))
      if (decoder.encoding === 'utf-8' && piece.subarray(0, 4096).includes(0)) {
        throw new Error(`${name}: expected a table as text, got other bytes — is this the right file?`)
      }
    }
    yield decoder.decode(piece, { stream: true })
  }
  if (decoder) yield decoder.decode()
}

/** All bytes, unpacked where they are gzip. @throws one line that begins with `name` when it is damaged */
export async function unpack(bytes: Uint8Array<ArrayBuffer>, name: string): Promise<Uint8Array<ArrayBuffer>> {
  if (!isGzip(bytes)) return bytes
  const pieces: Uint8Array<ArrayBuffer>[] = []
  for await (const piece of unpacked(piecesOf(bytes)(), name)) pieces.push(piece as Uint8Array<ArrayBuffer>)
  return new Uint8Array(await new Blob(pieces).arrayBuffer())
}

const isGzip = (bytes: Uint8Array) => bytes[0] === 0x1f && bytes[1] === 0x8b

function encodingOf([first, second]: Uint8Array): string {
  if (first === 0xff && second === 0xfe) return 'utf-16le'
  return first === 0xfe && second === 0xff ? 'utf-16be' : 'utf-8'
}

/**
 * The same bytes, unpacked where they are gzip. The first piece has at least two bytes, unless the source is shorter.
 */
async function* unpacked(pieces: AsyncIterable<Uint8Array>, name: string): AsyncGenerator<Uint8Array, void> {
  const filled = fillFirst(pieces)
  const first = await filled.next()
  if (first.done) return
  const whole = (async function* () {
    yield first.value
    yield* filled
  })()
  yield* isGzip(first.value) ? gunzip(whole, name) : whole
}

async function* fillFirst(pieces: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void> {
  let first: Uint8Array | undefined = new Uint8Array()
  for await (const piece of pieces) {
    if (!first) {
      yield piece
      continue
    }
    first = first.length ? Uint8Array.of(...first, ...piece) : piece
    if (first.length < 2) continue
    yield first
    first = undefined
  }
  if (first?.length) yield first
}

async function* gunzip(pieces: AsyncGenerator<Uint8Array, void>, name: string): AsyncGenerator<Uint8Array, void> {
  let trouble: unknown
  const packed = new ReadableStream<Uint8Array<ArrayBuffer>>(
    {
      async pull(controller) {
        const { done, value } = await pieces.next().catch(error => {
          throw (trouble = error)
        })
        if (done) controller.close()
        else controller.enqueue(value as Uint8Array<ArrayBuffer>)
      },
      async cancel() {
        await pieces.return()
      },
    },
    { highWaterMark: 1 },
  )
  try {
    yield* streamed(packed.pipeThrough(new DecompressionStream('gzip')))
  } catch (error) {
    throw (
      trouble ??
      new Error(`${name}: expected a gzip file, got one that is damaged or cut off — ${(error as Error).message}`)
    )
  }
}

async function* streamed(stream: ReadableStream<Uint8Array>): AsyncGenerator<Uint8Array, void> {
  const reader = stream.getReader()
  try {
    for (let piece = await reader.read(); !piece.done; piece = await reader.read()) yield piece.value
  } finally {
    await reader.cancel().catch(() => {})
  }
}
