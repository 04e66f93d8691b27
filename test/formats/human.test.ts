// Times, shares and sizes as people read them.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { briefly, duration, megabytes, percent } from '../../src/formats/human.js'

test('seconds: whole ones, and to two digits without an exponent', () => {
  assert.equal([4.4, 59.6, 200, 7500, NaN].map(duration), ['4 s', '1 min 0 s', '3 min 20 s', '2 h 5 min', '?'])
  const short = [0.000412, 0.0851, 0.1, 0.412, 0.996, 1, 1.24, 12.6, 130]
  assert.equal(short.map(briefly), [
    ...['0.41 ms', '85 ms', '100 ms', '410 ms', '1000 ms'],
    ...['1 s', '1.2 s', '13 s', '130 s'],
  ])
})

test('shares and bytes', () => {
  assert.equal([0.5, 1, null].map(percent), ['50.0 %', '100.0 %', '–'])
  assert.equal([1.5e6, 1.2e8, 2.34e9].map(megabytes), ['1.5 MB', '120 MB', '2.3 GB'])
})

test.run()
