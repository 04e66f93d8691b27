// Median and quartiles.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { quantile, summarize } from '../../bench/statistics.js'

test('odd and even counts', () => {
  assert.equal(summarize([3, 1, 2]), { median: 2, spread: [1.5, 2.5] })
  assert.equal(summarize([4, 1, 3, 2]), { median: 2.5, spread: [1.75, 3.25] })
  assert.equal(summarize([7, 6, 5, 4, 3, 2, 1]), { median: 4, spread: [2.5, 5.5] })
})

test('one value is its own median and quartiles', () => {
  assert.equal(summarize([5]), { median: 5, spread: [5, 5] })
})

test('numbers are sorted as numbers, and the argument stays as it was', () => {
  const values = [10, 9, 100]
  assert.is(summarize(values).median, 10)
  assert.equal(values, [10, 9, 100])
})

test('extremes, and nothing at all', () => {
  assert.is(quantile([1, 2, 9], 0), 1)
  assert.is(quantile([1, 2, 9], 1), 9)
  assert.throws(() => summarize([]), /no values/)
})

test.run()
