// The bytes of buffers, files, addresses and streams; whole or not at all.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { readAll } from '../../src/formats/source.js'

const bytes = Uint8Array.from({ length: 300_000 }, (_, i) => (i * 7) % 251)

/** A stream of pieces of growing length. */
function stream(): ReadableStream<Uint8Array> {
  let [at, size] = [0, 1]
  return new ReadableStream({
    pull(controller) {
      if (at >= bytes.length) return controller.close()
      controller.enqueue(bytes.slice(at, at + size))
      at += size
      size *= 3
    },
  })
}

test('every kind of source gives the same bytes', async () => {
  const part = new Uint8Array(bytes.length + 8)
  part.set(bytes, 8)
  const url = new URL(`data:application/octet-stream;base64,${btoa(String.fromCharCode(...bytes.subarray(0, 1000)))}`)
  assert.equal(await readAll(url), bytes.slice(0, 1000))
  for (const source of [
    bytes.slice().buffer,
    bytes,
    part.subarray(8),
    new DataView(part.buffer, 8),
    new Blob([bytes]),
    new Response(bytes),
    stream(),
    new Response(stream()),
  ]) {
    assert.equal(await readAll(source), bytes, source.constructor.name)
  }
  assert.is((await readAll(bytes)).buffer, bytes.buffer, 'a buffer is not copied')
  assert.is((await readAll(new Blob([]))).length, 0)
})

test('progress is reported, with the length where it is known', async () => {
  const reported: [number, number | undefined][] = []
  const onProgress = (received: number, total: number | undefined) => void reported.push([received, total])
  await readAll(new Blob([bytes]), { onProgress })
  assert.equal(reported.at(-1), [bytes.length, bytes.length])
  reported.length = 0
  await readAll(stream(), { onProgress })
  assert.equal(reported.at(-1), [bytes.length, undefined])
  assert.ok(reported.length > 5 && reported.every(([received], i) => i === 0 || received > reported[i - 1][0]))
})

test('a source that cannot be read gives an error of one line that names it', async () => {
  const rejects = async (source: Parameters<typeof readAll>[0], pattern: RegExp, name?: string) => {
    try {
      await readAll(source, { name })
    } catch (error) {
      assert.match((error as Error).message, pattern)
      assert.not.match((error as Error).message, /\n/)
      return
    }
    assert.unreachable(String(pattern))
  }
  await rejects(
    new Response('gone', { status: 404, statusText: 'Not Found' }),
    /^weights: the server answered 404 Not Found$/,
    'weights',
  )
  await rejects(
    new Response(bytes.slice(0, 10), { headers: { 'content-length': '20' } }),
    /^source: expected 20 bytes, got 10 — the transfer was cut off$/,
  )
  await rejects(new URL('http://127.0.0.1:9/none'), /^http:\/\/127\.0\.0\.1:9\/none: it cannot be read — /)
  await rejects(
    new ReadableStream({ start: controller => controller.error(new Error('unplugged')) }),
    /^source: it cannot be read — unplugged$/,
  )
})

test.run()
