// The suite for real on one tiny case, its time limit, what results look like, and the comparison of two.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { compareResults, pairRows, parseResult } from '../../bench/compare.js'
import { measure } from '../../bench/measure.js'
import { alignTable, digits, hostTable, report, type Result, resultName, rowsTable, size } from '../../bench/report.js'
import {
  coldStartRow,
  defaultLimit,
  Estimates,
  type Row,
  runCase,
  runSuite,
  type Start,
  startModel,
  toRow,
} from '../../bench/suite.js'
import { allCases } from '../../bench/cases.js'
import { compareVariants, variantsTable } from '../../bench/variants.js'
import { openEngine } from '../engine-under-test.js'
import { rootFolder } from '../files.js'

const peak = { gflops: 100, gbs: 10 }
const SOFTWARE = { isSoftware: true, features: [], subgroupMatrices: [] }
const tiny = allCases(SOFTWARE)[0]

test('one tiny case for real', async () => {
  const { measurement, peakBytes } = await runCase(tiny, { open: openEngine, repeats: 2, minimumMs: 2 })
  const row = toRow(tiny, measurement, peakBytes, peak)
  assert.is(row.case, tiny.name)
  assert.ok(row.medianMs > 0 && row.spread[0] <= row.medianMs && row.medianMs <= row.spread[1])
  // Beside those of the check that the adapter computes.
  const fresh = await openEngine()
  assert.is(row.peakBytes - fresh.stats.bytes, 3 * 256)
  fresh.close()
  assert.is(row.dispatches, 1)
  assert.is(row.repeats, 2)
  assert.ok(measurement.runs >= 1 && row.submits <= 1)
  assert.ok(row.hostMs > 0)
  assert.equal(Object.keys(row).sort(), [
    'bytes',
    'case',
    'dispatches',
    'flop',
    'gbs',
    'gflops',
    'hostMs',
    'medianMs',
    'peakBytes',
    'percentOfPeak',
    'repeats',
    'size',
    'spread',
    'submits',
  ])
  assert.equal(JSON.parse(JSON.stringify(row)), row)
})

test('all variants of a product, and how far the default is from the best', async () => {
  const rows = await compareVariants({
    open: openEngine,
    only: ['matmul forward NT 1088×64×256'],
    sizes: ['small'],
    repeats: 1,
  })
  assert.equal(
    rows.map(({ key }) => key),
    ['matmul NT 1088×64×256'],
  )
  const [{ milliseconds, standard, best, ratio }] = rows
  assert.ok(Object.keys(milliseconds).length > 1 && standard in milliseconds)
  assert.is(milliseconds[best], Math.min(...Object.values(milliseconds)))
  assert.is(ratio, milliseconds[standard] / milliseconds[best])
  const made = {
    size: 'small' as const,
    case: 'a',
    key: 'matmul NN 1×1×1',
    standard: 'x',
    best: 'y',
    ratio: 2,
    milliseconds: { x: 2, y: 1 },
  }
  assert.match(
    variantsTable([made, { ...made, standard: 'y', ratio: 1 }]),
    /small  matmul NN 1×1×1  x +y +2\.00 +1\.00 +2\.00 +2\n.*\n\ndefault within 10 % of the best: 1 of 2$/,
  )
  await compareVariants({ open: openEngine, only: ['swiglu'], sizes: ['middle'] }).then(
    () => assert.unreachable(),
    ({ message }) => assert.match(message, /has an operation with several kernels/),
  )
})

test('derivatives of operations run alone', async () => {
  const backward = allCases(SOFTWARE).find(({ name }) => name.startsWith('rmsnorm') && name.endsWith('backward'))!
  const { measurement } = await runCase(backward, { open: openEngine, repeats: 1, minimumMs: 1 })
  assert.is(measurement.dispatches, 1)
})

test('short work is repeated, the first round does not count, long work is repeated less often', async () => {
  const engine = await openEngine()
  // The work itself moves the clock on.
  let now = 0
  const timed = (ms: number) => {
    let calls = 0
    return {
      work: () => void (now += calls++ === 0 ? 500 : ms),
      options: { clock: { now: () => now, cpu: () => now / 2 } },
    }
  }
  const short = timed(3)
  const { median, spread, runs, repeats, cpuMs, cpuSpread } = await measure(engine, short.work, short.options)
  assert.equal([median, spread, cpuMs, cpuSpread], [3, [3, 3], 1.5, [1.5, 1.5]])
  assert.is(repeats, 7)
  assert.ok(runs * 3 >= 20 && runs * 3 < 40)
  const long = timed(2000)
  assert.is((await measure(engine, long.work, long.options)).repeats, 3)
  assert.is((await measure(engine, long.work, { ...long.options, repeats: 5 })).repeats, 5)
  // Of 5 s half a second is gone with the first round, then two runs of 2 s; a third would not fit.
  const cut = async (ms: number, limitMs: number, repeats?: number) => {
    const { work, options } = timed(ms)
    const measurement = await measure(engine, work, { ...options, limitMs, repeats })
    return [measurement.repeats, measurement.limited, measurement.median]
  }
  assert.equal(await cut(2000, 5000), [2, 'repeats', 2000])
  assert.equal(await cut(2000, 6500), [3, undefined, 2000])
  // The first repeat is run although it takes longer than what is left, but not if nothing is left.
  assert.equal(await cut(2000, 501), [1, 'repeats', 2000])
  assert.equal(await cut(2000, 501, 1), [1, undefined, 2000])
  assert.equal(await cut(2000, 500), [1, 'first run', 500])
  engine.close()
})

test('how long a case takes is estimated by the best of its kind', () => {
  const products = (flop: number) => ({ work: { flop, bytes: 1, products: flop } })
  const estimates = new Estimates({ ...peak, matrixGflops: 1000 })
  // At the peak, 10¹² FLOP take 10 s at 100 GFLOP/s.
  assert.is(estimates.of(products(1e12)), 1e4)
  estimates.learn(products(1e9), 100)
  assert.is(estimates.of(products(1e12)), 1e5)
  estimates.learn(products(1e9), 40)
  estimates.learn(products(1e9), 80)
  assert.is(estimates.of(products(1e12)), 4e4)
  // What is shorter than a millisecond, or of another kind, says nothing.
  estimates.learn(products(1e5), 0.5)
  estimates.learn({ work: { flop: 1, bytes: 1e9, products: 0 } }, 200)
  assert.is(estimates.of({ work: { flop: 1e12, bytes: 1, products: 0 } }), 1e4)
  assert.is(estimates.of({ ...products(1e12), usesMatrices: true }), 1e3)
  assert.is(estimates.of({ work: { flop: 1, bytes: 1e10, products: 0 } }), 2e3)
})

test('a case that would take too long is skipped, and says so', async () => {
  const only = [tiny.name, 'swiglu 1088']
  const result = await runSuite({ open: openEngine, only, sizes: ['small'], repeats: 1, minimumMs: 0, limitMs: 0.05 })
  // The sums of 64 values take less than that at the peak, the gates more.
  const [row] = result.rows
  assert.equal([result.rows.length, row.case, row.repeats, row.limited], [1, tiny.name, 1, 'first run'])
  assert.equal(
    result.skipped!.map(({ case: name }) => name),
    ['swiglu 1088×256', 'swiglu 1088×256 backward'],
  )
  assert.ok(result.skipped!.every(({ estimatedMs }) => estimatedMs > 0.05))
  assert.is(result.limitMs, 0.05)
  assert.ok(result.peak.gflops > 0 && result.peak.gbs > 0)
  const date = '2030-01-02T03:04:05.000Z'
  const text = report({ ...result, commit: null, date, node: '20.0.0', load: { before: 0, after: 1, cores: 4 } })
  assert.match(text, /small  dispatch of 64 sums .* 1 repeat, compiling included$/m)
  assert.match(text, /^small swiglu 1088×256 skipped: would take some .* s at the best rate seen so far, the limit/m)
  assert.equal(
    [true, false].map(isSoftware => defaultLimit({ isSoftware })),
    [60000, 10000],
  )
})

const row = (name: string, medianMs: number, more: Partial<Row> = {}): Row => ({
  case: name,
  size: 'small',
  medianMs,
  spread: [medianMs * 0.9, medianMs * 1.1],
  flop: 1e6,
  bytes: 1e4,
  gflops: 1 / medianMs,
  gbs: 0.01 / medianMs,
  percentOfPeak: 1,
  peakBytes: 256,
  repeats: 7,
  hostMs: 0.01,
  dispatches: 1,
  submits: 0.1,
  ...more,
})
const result = (rows: Row[], more: Partial<Result> = {}): Result => ({
  adapter: 'Some GPU: driver 1.2',
  features: [],
  commit: 'abc1234',
  date: '2030-01-02T03:04:05.000Z',
  node: '20.0.0',
  load: { before: 0, after: 1, cores: 4 },
  peak: { ...peak, before: peak, after: peak },
  rows,
  ...more,
})

test('the share of the peak is that of what limits: arithmetic or memory', () => {
  const measurement = {
    median: 2,
    spread: [2, 2] as [number, number],
    leastMs: 2,
    hostMs: 0,
    dispatches: 1,
    submits: 1,
    repeats: 1,
    runs: 1,
  }
  const share = (flop: number, bytes: number) =>
    toRow({ name: 'a', size: 'small', work: { flop, bytes, products: 0 } }, measurement, 0, peak).percentOfPeak
  // 100 GFLOP/s do 10⁸ FLOP in 1 ms, 10 GB/s move 10⁷ bytes in 1 ms; it took 2 ms.
  assert.is(share(1e8, 1e6), 50)
  assert.is(share(1e7, 1e7), 50)
  const cpu = toRow(
    { name: 'a', size: 'small', work: { flop: 1e8, bytes: 0, products: 0 } },
    { ...measurement, cpuMs: 1.25 },
    0,
    { ...peak, gflopsCpu: 200, gbsCpu: 20 },
  )
  assert.is(cpu.percentOfPeakCpu, 40)
  // Where matrices do 400 GFLOP/s, work in float16 that may use them goes by these; other work does not.
  const matrices = { ...peak, matrixGflops: 400 }
  const half = (usesMatrices: boolean, bytes: number) => {
    const work = { flop: 2e8, bytes, products: 2e8 }
    return toRow({ name: 'a', size: 'small', work, usesMatrices }, measurement, 0, matrices)
  }
  assert.equal([half(true, 0).percentOfPeak, half(true, 0).percentOfMatrixPeak], [25, 25])
  assert.equal([half(true, 1e7).percentOfPeak, half(true, 1e7).percentOfMatrixPeak], [50, 25])
  assert.equal([half(false, 0).percentOfPeak, half(false, 0).percentOfMatrixPeak], [100, undefined])
})

test('a comparison begins with what changed most, for better or worse', () => {
  const a = [
    row('same', 10),
    row('better', 10),
    row('worse', 10),
    row('gone', 1),
    row('by cpu', 10, { cpuMs: 10, cpuSpread: [9, 11] }),
  ]
  const b = [
    row('worse', 80),
    row('same', 10.5),
    row('better', 5),
    row('new', 1),
    row('by cpu', 10, { cpuMs: 2.5, cpuSpread: [2, 3] }),
  ]
  const { pairs, onlyA, onlyB } = pairRows(a, b)
  assert.equal(
    pairs.map(pair => [pair.a.case, pair.ratio, pair.isUnclear]),
    [
      ['worse', 0.125, false],
      ['by cpu', 1, false],
      ['better', 2, false],
      ['same', 10 / 10.5, true],
    ],
  )
  assert.equal([onlyA, onlyB], [['small gone'], ['small new']])
  const lines = compareResults(result(a), result(b, { adapter: 'Other' })).split('\n')
  const at = (part: string) => lines.findIndex(line => line.includes(part))
  assert.ok(at('worse') < at('better') && at('better') < at('same'))
  assert.match(lines[at('worse')], /0\.125 .* B slower$/)
  assert.match(lines[at('better')], /2\.00 .* B faster$/)
  assert.match(lines[at('same')], /quartiles overlap$/)
  assert.ok(at('adapters differ') > 0 && at('only in A: small gone') > 0 && at('only in B: small new') > 0)
  assert.throws(() => compareResults(result([row('a', 1)]), result([row('b', 1)])), /no case in common/)
})

test('a comparison with a result of before there were limits and peaks of matrices', () => {
  const old = result([row('f16', 10), row('f32', 10)])
  const newer = result([row('f16', 5, { percentOfMatrixPeak: 30, limited: 'repeats', repeats: 1 }), row('f32', 10)], {
    peak: { ...peak, matrixGflops: 640, before: peak, after: peak },
    limitMs: 1000,
    skipped: [{ size: 'large', case: 'slow', estimatedMs: 2000 }],
  })
  const text = compareResults(old, newer)
  assert.match(text, /^ +peak 100 GFLOP\/s, 10\.0 GB\/s\n/m)
  assert.match(text, /10\.0 GB\/s, by float16 matrices 640 GFLOP\/s$/m)
  assert.match(text, /^A has no peak of matrices: .*$/m)
  assert.match(text, /small  f16 .* – +30\.0 +B faster; B 1 repeat$/m)
  assert.match(text, /small  f32 .* – +– +quartiles overlap$/m)
  assert.match(text, /^skipped in B: large slow$/m)
  // Two old ones look as they always did.
  assert.not.match(compareResults(old, old), /matrices|skipped|repeat/)
})

test('files that are no results are refused by name', () => {
  const whole = result([row('a', 1)])
  assert.equal(parseResult(JSON.stringify(whole), 'a.json'), whole)
  assert.throws(() => parseResult('{', 'a.json'), /a\.json: not JSON/)
  for (const text of ['null', '[]', '{"rows":[]}', '{"peak":{"gflops":1}}'])
    assert.throws(() => parseResult(text, 'a.json'), /a\.json: no rows or no peak/)
})

const start = {
  openMs: 1,
  modelMs: 2,
  recordMs: 3,
  finishMs: 4,
  totalMs: 10,
  pipelines: 5,
  dispatches: 20,
  submits: 2,
  bytes: 1000,
  processMs: 50,
  cpuMs: 60,
}

test('the models of cold starts', () => {
  const gpu = { isSoftware: false, features: ['shader-f16'] }
  const named = (size: Start, adapter: typeof gpu) => {
    const row = coldStartRow('shader cache off', [start], peak, startModel(size, adapter))
    return [row.size, row.case, row.medianMs]
  }
  assert.equal(named('small', gpu), ['small', 'cold start, shader cache off', 10])
  assert.equal(named('official', gpu), ['official', 'cold start, MLP f16, shader cache off', 10])
  assert.equal(named('official', { ...gpu, features: [] }), ['official', 'cold start, MLP f32, shader cache off', 10])
  assert.is(startModel('official', gpu).batchSize, 768)
  assert.is(startModel('official', SOFTWARE).batchSize, 2)
})

test('the report', () => {
  const rows = [
    row('a', 1.2345),
    row('training step, batch 64', 100, { dispatches: 199, hostMs: 10 }),
    coldStartRow('shader cache off', [start], peak, startModel('small', SOFTWARE)),
  ]
  const text = report(result(rows, { coldStarts: { 'cold start, shader cache off': [start] } }))
  for (const part of [
    'Some GPU',
    'abc1234',
    'load 0 before and 1.00 after, on 4 cores',
    'peak before',
    'peak after',
    'cold start, shader cache off: 10.0 ms',
  ])
    assert.ok(text.includes(part), part)
  assert.match(rowsTable(rows), /small  a +1\.23  1\.11 … 1\.36/)
  assert.match(hostTable(rows), /199 +< 1 +10\.0 +50\.3 +10\.0/)
  assert.not.match(hostTable(rows), /small  a /)
  assert.is(hostTable([row('a', 1)]), '')
})

test('numbers, sizes, tables, file names', () => {
  assert.equal([1234.5, 12.345, 1.2345, 0.012345, 0, NaN].map(digits), ['1235', '12.3', '1.23', '0.0123', '0', '–'])
  assert.equal([12, 1500, 2.5e6, 3e9].map(size), ['12.0 B', '1.50 kB', '2.50 MB', '3.00 GB'])
  assert.is(
    alignTable([
      ['a', 'bb'],
      ['ccc', 'd'],
    ]),
    'a    bb\nccc   d',
  )
  assert.is(
    resultName({ adapter: 'NVIDIA GPU (driver: 1.2)', date: '2030-01-02T03:04:05.000Z' }),
    'nvidia-gpu-driver-1-2-2030-01-02.json',
  )
})

test('the suite knows no Node', async () => {
  const folder = join(await rootFolder(), 'bench')
  const files = readdirSync(folder).filter(file => file.endsWith('.ts'))
  assert.ok(files.length >= 7)
  for (const file of files)
    assert.not.match(
      readFileSync(join(folder, file), 'utf8'),
      /from 'node:|\bprocess\.|from '\.\.\/src\/(cli|node|adapters)/,
      file,
    )
})

test.run()
