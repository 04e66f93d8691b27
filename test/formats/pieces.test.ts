// Text that comes in pieces: gzip, encodings, and what is damaged or no text.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { piecesOf, textOf, unpack } from '../../src/formats/pieces.js'
import { mutate } from '../mutations.js'
import { Random } from '../../src/data/random.js'

const bytes = (text: string) => new TextEncoder().encode(text)

async function packed(text: string): Promise<Uint8Array<ArrayBuffer>> {
  return new Uint8Array(
    await new Response(new Blob([text]).stream().pipeThrough(new CompressionStream('gzip'))).arrayBuffer(),
  )
}

/** The bytes in pieces of so many. */
async function* cut(source: Uint8Array, size: number): AsyncGenerator<Uint8Array, void> {
  for (let i = 0; i < source.length; i += size) yield source.subarray(i, i + size)
}

async function text(source: Uint8Array, size = source.length || 1): Promise<string> {
  let all = ''
  for await (const piece of textOf(cut(source, size), 't.csv')) all += piece
  return all
}

const refusal = (source: Uint8Array, size?: number) =>
  text(source, size).then(
    () => 'read',
    (error: Error) => error.message,
  )

test('text in UTF-8 and UTF-16, cut anywhere', async () => {
  const written = 'question,ä€😀\n1,2\n'
  const wide = new Uint8Array(
    Uint16Array.from({ length: written.length + 1 }, (_, i) => `\ufeff${written}`.charCodeAt(i)).buffer,
  )
  for (const source of [bytes(written), bytes(`\ufeff${written}`), wide, await packed(written)]) {
    for (const size of [1, 2, 3, 5, 1000]) assert.is(await text(source, size), written)
  }
  assert.is(await text(new Uint8Array()), '')
})

test('bytes that are no text, and damaged gzip, give an error of one line', async () => {
  const whole = await packed('a,b\n'.repeat(5000))
  assert.match(
    await refusal(whole.subarray(0, whole.length - 9)),
    /^t\.csv: expected a gzip file, got one that is damaged or cut off/,
  )
  assert.match(await refusal(whole.subarray(0, 3)), /^t\.csv: expected a gzip file/)
  const flipped = whole.slice()
  flipped[whole.length - 6] ^= 1
  assert.match(await refusal(flipped, 7), /^t\.csv: expected a gzip file/)
  assert.match(
    await refusal(Uint8Array.of(80, 65, 82, 49, 0, 1, 2)),
    /^t\.csv: expected a table as text, got other bytes/,
  )
  assert.match(await refusal(Uint8Array.of(1, 2, 0, 7)), /^t\.csv: expected a table as text, got other bytes/)
  await unpack(flipped, 'p').then(
    () => assert.unreachable(),
    (error: Error) => assert.match(error.message, /^p: expected a gzip file/),
  )
})

test('mutations of a gzip load or give an error of one line', async () => {
  const whole = await packed(Array.from({ length: 300 }, (_, i) => `${i * i},x\n`).join(''))
  const random = new Random(4)
  let refused = 0
  for (let i = 0; i < 60; i++) {
    const message = await refusal(mutate(whole, random), 100)
    if (message === 'read') continue
    assert.match(message, /^t\.csv: .*$/)
    refused++
  }
  assert.ok(refused > 20)
})

test('pieces of a file can be asked for again, bytes are unpacked where they are packed', async () => {
  const pieces = piecesOf(new Blob([await packed('once')]))
  for (let i = 0; i < 2; i++) {
    let all = ''
    for await (const piece of textOf(pieces(), 't')) all += piece
    assert.is(all, 'once')
  }
  assert.equal(await unpack(await packed('twice'), 't'), bytes('twice'))
  assert.equal(await unpack(bytes('plain') as Uint8Array<ArrayBuffer>, 't'), bytes('plain'))
})

test.run()
