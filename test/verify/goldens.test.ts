// The model against goldens of the published code, whole and in micro-batches.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type Verification, verify } from '../../src/verify/verify.js'
import { golden } from '../files.js'
import { openEngine } from '../engine-under-test.js'

const engine = await openEngine()
test.after(() => engine.close())

/** Fails with the rows whose error is larger than allowed. */
function passes({ ok, rows, file }: Verification): void {
  const over = rows.filter(({ error, allowed }) => !(error <= allowed))
  assert.equal(over, [], file)
  assert.ok(ok && rows.length > 100, `${file}: ${rows.length} rows`)
}

for (const name of ['trm-mlp', 'trm-att-rope', 'trm-att-learned', 'trm-no-puzzle-emb']) {
  test(name, async () => passes(await verify(engine, await golden(name), { file: name })))
}

for (const name of ['trm-mlp', 'trm-att-rope']) {
  for (const microBatch of [2, 4]) {
    test(`${name} in micro-batches of ${microBatch}`, async () =>
      passes(await verify(engine, await golden(name), { file: name, microBatch })))
  }
}

test.run()
