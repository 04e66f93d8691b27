// The Train tab in headless Chromium: half a minute of learning, pause, reload, resume, and a lost device.
import { existsSync, readFileSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { findChromium } from '../../scripts/chromium.js'
import { parseSafetensors } from '../../src/formats/safetensors.js'
import { decodeSudoku, generateSudoku } from '../../src/data/sudoku.js'
import { readCheckpointConfig } from '../../src/trm/published/checkpoint.js'
import { awaitText, download, drop, PATIENCE, textOf, visit, type Visit } from './visit.js'

/** Half a minute of learning, in milliseconds; on a slow machine up to two minutes, for this many steps. */
const [LEARNING, MOST, LEAST_STEPS] = [30_000, 120_000, 16]

/** The longest that the page may be blocked, in milliseconds. */
const MOST_BLOCKED = 100

/** Milliseconds between two beats of the page's timer, and from which on a gap between them is kept. */
const [BEAT, GAP] = [10, 40]

if (!findChromium()) console.log('skipped: no Chromium on this machine')
const browserTest = findChromium() ? test : test.skip

type Gap = [from: number, to: number]

/** In the page: frames are counted, and its thread beats; gaps in milliseconds since 1970. */
function watch([every, least]: readonly [number, number]): void {
  const [gaps, frames]: [Gap[], number[]] = [[], []]
  let lastFrame = performance.now()
  const frame = (now: number) => {
    frames.push(now - lastFrame)
    lastFrame = now
    requestAnimationFrame(frame)
  }
  requestAnimationFrame(frame)
  let lastBeat = Date.now()
  setInterval(() => {
    const now = Date.now()
    if (now - lastBeat - every > least) gaps.push([lastBeat + every, now])
    lastBeat = now
  }, every)
  Object.assign(globalThis, { watched: { gaps, frames } })
}

declare const watched: { gaps: Gap[]; frames: number[] }

/**
 * Samples how long the threads of pages waited while the machine ran other threads: the second number of Linux's
 * schedstat, 0 elsewhere.
 * @returns a function that ends the sampling; for a gap it returns how long the page blocked itself, without that wait
 */
async function watchMachine({ page }: Visit): Promise<() => (gap: Gap) => number> {
  const session = await page.context().browser()!.newBrowserCDPSession()
  const { processInfo } = await session.send('SystemInfo.getProcessInfo')
  const threads = processInfo
    .filter(({ type }) => type === 'renderer')
    .map(({ id }) => `/proc/${id}/task/${id}/schedstat`)
    .filter(path => existsSync(path))
  const samples: [at: number, waited: number][] = []
  const sample = () => {
    const waited = threads.reduce((sum, path) => sum + Number(readFileSync(path, 'utf8').split(' ')[1]) / 1e6, 0)
    samples.push([Date.now(), waited])
  }
  sample()
  const timer = setInterval(sample, 20)
  return () => {
    clearInterval(timer)
    sample()
    return ([from, to]) => {
      const [before, after] = [
        samples.findLast(([at]) => at <= from) ?? samples[0],
        samples.find(([at]) => at >= to) ?? samples.at(-1)!,
      ]
      return to - from - (after[1] - before[1])
    }
  }
}

let here: Visit
test.before(async () => {
  if (findChromium()) here = await visit({ tab: 'train' })
})
test.after(() => here?.leave())

const step = async () => Number(/^[\d,]+/.exec(await textOf(here.page, 'figure-step'))?.[0].replace(',', '') ?? 0)
const kept = async () =>
  Number(await here.page.evaluate(() => document.getElementById('panel-train')!.dataset.kept ?? 0))
const awaitStep = async (least: number) => {
  const end = performance.now() + 2 * PATIENCE
  while ((await step()) < least) {
    assert.ok(
      performance.now() < end,
      `step ${await step()}, expected ${least}; ` +
        `${await textOf(here.page, 'train-state')} ${await textOf(here.page, 'train-error')}`,
    )
    await here.page.waitForTimeout(200)
  }
}

browserTest('before a training starts, a measured step says how long it will take', async () => {
  const { page } = here
  const steps = () => page.locator('#train-steps').inputValue()
  const told = await awaitText(page, 'estimate', /^400 steps take about .* a step was measured/)
  const [, milliseconds] = /measured, ([\d.]+) (?:ms|s)\./.exec(told)!
  assert.ok(Number(milliseconds) > 0, told)
  for (const [title, expected] of [
    ['Sudoku 6×6', '1000'],
    ['Sudoku 9×9', '1500'],
    ['Sudoku 4×4', '400'],
  ]) {
    await page.selectOption('#task', { label: title })
    assert.is(await steps(), expected)
  }
  assert.is(await textOf(page, 'estimate'), told, 'what is known is not measured again')
  await page.fill('#train-steps', '800')
  assert.match(await textOf(page, 'estimate'), /^800 steps take about /)
  await page.fill('#train-steps', '400')
})

browserTest(
  'half a minute of learning 4×4 Sudokus: the loss falls, and the page is never blocked for 100 ms',
  async () => {
    const { page } = here
    await page.evaluate(watch, [BEAT, GAP] as const)
    const endWatch = await watchMachine(here)
    await page.click('#train-start')
    await awaitText(page, 'train-state', /^learning/)
    const losses: number[] = []
    const start = performance.now()
    let seen = 0
    while (performance.now() - start < LEARNING || (seen < LEAST_STEPS && performance.now() - start < MOST)) {
      await page.waitForTimeout(100)
      const now = await step()
      if (now === seen) continue
      seen = now
      losses.push(Number(await textOf(page, 'figure-loss')))
    }
    const { gaps, frames } = await page.evaluate(() => watched)
    const heldUp = endWatch()
    const mean = (values: number[]) => values.reduce((a, b) => a + b, 0) / values.length
    const part = Math.max(1, Math.floor(losses.length / 5))
    const [first, last] = [mean(losses.slice(0, part)), mean(losses.slice(-part))]
    const longest = Math.max(0, ...gaps.map(heldUp))
    frames.sort((a, b) => a - b)
    const withOthers = Math.max(0, ...gaps.map(([from, to]) => to - from))
    const half = frames[frames.length >> 1]
    console.log(
      `share: ${seen} steps, loss ${first.toFixed(3)} → ${last.toFixed(3)}, ` +
        `page blocked for ${longest.toFixed(0)} ms at most ` +
        `(with the machine's other work ${withOthers.toFixed(0)} ms), ` +
        `${frames.length} frames, half within ${half.toFixed(0)} ms`,
    )
    assert.ok(losses.length >= 5, `${losses.length} reports`)
    assert.ok(last < 0.97 * first, `loss ${first} → ${last}`)
    assert.ok(longest <= MOST_BLOCKED, `the page was blocked for ${longest.toFixed(0)} ms`)
  },
)

browserTest('paused, reloaded, resumed: it goes on where it was', async () => {
  const { page } = here
  await page.click('#train-pause')
  await awaitText(page, 'train-state', /^paused/)
  const paused = await step()
  const loss = await textOf(page, 'figure-loss')
  assert.is(await kept(), paused)
  await page.waitForTimeout(1500)
  assert.is(await step(), paused, 'it rests')
  await page.reload()
  await page.locator('#stored').waitFor({ state: 'visible' })
  assert.match(await textOf(page, 'stored-text'), new RegExp(`^Sudoku 4×4, step ${paused} of 400`))
  assert.is(await textOf(page, 'figure-loss'), loss, 'the curve is there again')
  await page.click('#stored-resume')
  await awaitText(page, 'train-state', new RegExp(`from step ${paused}`))
  await awaitStep(paused + 1)
})

browserTest('a lost device is told; only the steps since the last kept state are lost', async () => {
  const { page } = here
  await page.waitForFunction(() => document.getElementById('panel-train')!.dataset.kept !== undefined, undefined, {
    timeout: PATIENCE,
  })
  const keptBefore = await kept()
  await page.evaluate(() => document.getElementById('lose')!.click())
  await awaitText(page, 'notices', /the GPU was lost \(destroyed on purpose\).*goes on from its last kept state/)
  // It was resumed from an earlier step than this state's: so that is what it goes on from.
  await page.waitForFunction(
    least => Number(/from step (\d+)/.exec(document.getElementById('train-state')!.textContent!)?.[1]) >= least,
    keptBefore,
  )
  await awaitStep(keptBefore + 1)
})

browserTest('the checkpoint downloads, and the model goes to Solve', async () => {
  const { page } = here
  const { bytes } = await download(page, '#train-download')
  const { config, metadata } = readCheckpointConfig(bytes)
  assert.is(config.cells, 16)
  assert.is(metadata.task, 'Sudoku 4×4')
  assert.ok(Number(metadata.step) > 0)
  const { tensors } = parseSafetensors(bytes)
  assert.ok([...tensors.values()].every(({ data }) => (data as Float32Array).every(Number.isFinite)))
  await page.click('#train-stop')
  await awaitText(page, 'train-state', /^stopped at step/)
  await page.click('#train-solve')
  await awaitText(page, 'model-name', /^Sudoku 4×4, trained here$/)
  await page.click('#solve')
  await awaitText(page, 'verdict', /^(not )?solved/)
})

browserTest("a table of one's own is learned, and a broken one is refused in words", async () => {
  const { page } = here
  const table = (rows: string[]) => new TextEncoder().encode(rows.join('\n'))
  await page.click('#tab-train')
  await drop(page, '#panel-train', 'broken.csv', table(['a,b', '1,2']))
  await page.click('#train-start')
  await awaitText(page, 'train-error', /^broken\.csv:1: expected a header with a column of puzzles/)
  const { train } = generateSudoku({ size: 4, train: 20, test: 1, seed: 5 })
  const grid = (tokens: ArrayLike<number>, i: number) => decodeSudoku(Array.from(tokens).slice(16 * i, 16 * i + 16))
  const row = (i: number) => `x,${grid(train.inputs, i)},${grid(train.labels, i)},0`
  await drop(
    page,
    '#panel-train',
    'own.csv',
    table(['source,question,answer,rating', ...Array.from({ length: 20 }, (_, i) => row(i))]),
  )
  await page.fill('#train-steps', '2')
  await page.fill('#batch', '4')
  await page.click('#train-start')
  await awaitText(page, 'train-state', /^done: 2 steps$/)
  assert.match(await textOf(page, 'figure-heldout'), /%$/)
  await awaitText(page, 'stored-text', /^own\.csv, step 2 of 2/)
  assert.equal(here.troubles, [])
})

test.run()
