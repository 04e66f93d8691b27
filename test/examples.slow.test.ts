// The examples run and do what they say; the demo's loop is tested with its commands.
import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'

test('a two-layer network learns the sine', () => {
  const file = 'build/examples/fit-a-function.js'
  assert.ok(existsSync(file), `${file} is built by scripts/test.js`)
  const output = execFileSync(process.execPath, [file], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
  const errors = [...output.matchAll(/mean squared error ([\d.]+)/g)].map(([, error]) => Number(error))
  assert.is(errors.length, 5)
  assert.ok(errors.at(-1)! < 0.001, output)
})

test.run()
