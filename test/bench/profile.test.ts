// Each dispatch of a case is timed, and the device records as before afterwards.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { allCases } from '../../bench/cases.js'
import { profileCases, profileTable } from '../../bench/profile.js'
import type { Engine } from '../../src/engine/index.js'
import { openEngine } from '../engine-under-test.js'
import { inPage } from '../files.js'

/** In a page a whole step takes half a minute. */
const NAME = inPage ? 'supervision loss' : 'supervision step, inference'

test('all dispatches of a step, by kernel, with times of the adapter', async () => {
  const opened: Engine[] = []
  const open = async () => {
    const engine = await openEngine()
    opened.push(engine)
    return engine
  }
  const [profile, ...others] = await profileCases({ open, only: [NAME], sizes: ['small'], repeats: 2 })
  assert.is(others.length, 0)
  const { rows, wallMs } = profile
  const { adapter } = opened[0]
  const engine = await openEngine()
  const work = allCases(adapter)
    .find(({ size, name }) => size === 'small' && name.startsWith(NAME))!
    .prepare(engine)
  const before = engine.stats.dispatches
  work()
  await engine.finish()
  assert.is(
    rows.reduce((sum, { dispatches }) => sum + dispatches, 0),
    engine.stats.dispatches - before,
  )
  engine.close()
  for (const { kernel, workgroups, ms } of rows) {
    assert.match(kernel, /^\w+/)
    assert.ok(workgroups >= 1 && ms >= 0, `${kernel}: ${workgroups} workgroups, ${ms} ms`)
  }
  const times = rows.map(({ ms }) => ms)
  assert.equal(
    times,
    times.toSorted((a, b) => b - a),
  )
  const sum = times.reduce((a, b) => a + b)
  // On a software adapter the dispatches take most of the time of the step. Other programs disturb both.
  assert.ok(sum > 0 && sum < 20 * wallMs, `${sum} ms of dispatches, ${wallMs} ms a step`)
  assert.match(profileTable(profile), /^small supervision .*\n+kernel +workgroups +dispatches +ms +µs each +%\n/)
})

test('what cannot be profiled is an error', async () => {
  const error = async (work: Promise<unknown>) =>
    work.then(
      () => 'none',
      ({ message }: Error) => message,
    )
  assert.match(
    await error(profileCases({ open: openEngine, only: ['no such case'], sizes: ['small'] })),
    /^bench profile: no case of size small has "no such case" in its name — /,
  )
  const without = async () => {
    const engine = await openEngine()
    return Object.assign(engine, { adapter: { ...engine.adapter, features: [] } })
  }
  assert.match(await error(profileCases({ open: without, sizes: ['small'] })), /has no feature timestamp-query/)
})

test.run()
