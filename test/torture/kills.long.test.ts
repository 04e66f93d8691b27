// A training that is killed twenty times at random and resumed has the bits of one that never was. npm run torture
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { killed } from './kills.js'

test('twenty times', async () => {
  const died = await killed(20, 200, 11)
  const text = Object.entries(died)
    .map(([way, times]) => `${times} ${way}`)
    .join(', ')
  console.log(`figure: killed 20 times (${text}) and resumed: the same bytes`)
  assert.ok(
    Object.values(died).every(times => times >= 3),
    text,
  )
})

test.run()
