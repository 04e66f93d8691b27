// Ten thousand mutations over all readers: each a clear error of one line or a valid load, none slow. npm run torture
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { openEngine } from '../engine-under-test.js'
import { mutations } from '../mutations.js'
import { openReaders } from './readers.js'

const engine = await openEngine()
const { readers, release } = await openReaders(engine)
test.after(() => {
  release()
  engine.close()
})

const EACH = Math.ceil(11_000 / readers.length)
const all = { loaded: 0, refused: 0, slowest: 0 }

for (const [i, { name, sample, read, clear, within }] of readers.entries()) {
  test(`${EACH} mutations: ${name}`, async () => {
    const { loaded, refused, slowest } = await mutations(sample, read, clear, { count: EACH, seed: 1000 + i, within })
    console.log(`figure: ${name}: ${loaded} loaded, ${refused} refused, slowest ${slowest.toFixed(0)} ms`)
    all.loaded += loaded
    all.refused += refused
    all.slowest = Math.max(all.slowest, slowest)
  })
}

test('ten thousand in all', () => {
  console.log(
    `figure: ${readers.length} readers, ${all.loaded + all.refused} mutations` +
      `: ${all.loaded} loaded, ${all.refused} refused, slowest ${all.slowest.toFixed(0)} ms`,
  )
  assert.ok(all.loaded + all.refused >= 10_000)
})

test.run()
