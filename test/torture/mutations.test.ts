// A few mutations of every reader's file: each gives an error of one line or a valid load. See mutations.long.test.ts.
import { test } from 'uvu'
import { openEngine } from '../engine-under-test.js'
import { mutations } from '../mutations.js'
import { openReaders } from './readers.js'

const engine = await openEngine()
const { readers, release } = await openReaders(engine)
test.after(() => {
  release()
  engine.close()
})

for (const { name, sample, read, clear, within } of readers) {
  test(name, async () => void (await mutations(sample, read, clear, { count: 12, seed: 7, within })))
}

test.run()
