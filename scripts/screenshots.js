// Takes pictures of the playground in headless Chromium.
//   node scripts/screenshots.js [NAME…]    docs/playground-NAME.jpg, all or those named; train-… need `npm run demo`
//   node scripts/screenshots.js --kinds    every kind of puzzle, wide and narrow, whole pages: build/screenshots/*.png
import { mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { buildPlayground, root } from './build.js'
import { openChromium } from './chromium.js'
import { serve } from './serve.js'

const demo = file => readFileSync(join(root, 'runs/demo', file))

/**
 * The demo's training in the form in which the page keeps a training.
 * The page makes the same puzzles, so the training could be resumed there.
 */
function demoTraining() {
  const rows = demo('metrics.jsonl')
    .toString()
    .trim()
    .split('\n')
    .map(line => JSON.parse(line))
  const heldOut = new Map(rows.filter(row => row.evaluation).map(row => [row.step, row.evaluation.exactAccuracy]))
  const points = rows
    .filter(row => row.loss !== undefined)
    .map(({ step, loss, count, exactAccuracy }) => ({
      step,
      loss,
      exact: count ? exactAccuracy : null,
      heldOut: heldOut.get(step) ?? null,
    }))
  const { step } = points.at(-1)
  const setup = { title: 'Sudoku 4×4', data: { task: 'sudoku', size: 4 }, preset: 'tiny', settings: {}, seed: 0 }
  return {
    training: { setup, step, totalSteps: step, savedAt: Date.now(), points },
    files: { state: [...demo('training.safetensors')], checkpoint: [...demo('model.safetensors')] },
  }
}

/** Runs in the page: puts a training where `playground/storage.ts` keeps one. */
function keep({ training, files }) {
  const record = { ...training, state: Uint8Array.from(files.state), checkpoint: Uint8Array.from(files.checkpoint) }
  return new Promise((resolve, reject) => {
    const request = indexedDB.open('webgpu-trm playground', 1)
    request.onupgradeneeded = () => request.result.createObjectStore('kept')
    request.onerror = () => reject(request.error)
    request.onsuccess = () => {
      const transaction = request.result.transaction('kept', 'readwrite')
      transaction.objectStore('kept').put(record, 'training')
      transaction.oncomplete = () => resolve(request.result.close())
    }
  })
}

const WIDE = { width: 1120, height: 800 }
const NARROW = { width: 390, height: 800 }
/** High enough for a board and the strip of its steps. */
const TALL = { width: 1120, height: 1160 }

/** For the documents: what is shown, and what is done before. */
const PICTURES = [
  { name: 'solve-light-wide', tab: 'solve', colorScheme: 'light', viewport: TALL, act: page => solve(page, 3, 1) },
  { name: 'solve-dark-narrow', tab: 'solve', colorScheme: 'dark', viewport: NARROW, act: page => solve(page, 4, 1) },
  { name: 'train-dark-wide', tab: 'train', colorScheme: 'dark', viewport: WIDE, act: train },
  { name: 'measure-light-wide', tab: 'measure', colorScheme: 'light', viewport: WIDE, act: verify },
]

/** Every kind of puzzle by its place in the page. */
const KINDS = [1, 2, 3, 4, 5].flatMap(kind => [
  { name: `kind-${kind}-wide`, tab: 'solve', colorScheme: 'light', viewport: WIDE, act: page => solve(page, kind) },
  { name: `kind-${kind}-narrow`, tab: 'solve', colorScheme: 'dark', viewport: NARROW, act: page => solve(page, kind) },
])

/**
 * Solves the first example of a kind, and shows the first step.
 * @param instead the kind that is solved where the model of that one does not lie beside the page; without it, none is
 */
async function solve(page, kind, instead) {
  const chip = page.locator(`#kinds button:nth-child(${kind})`)
  await chip.click()
  if (await chip.evaluate(node => node.classList.contains('unfit'))) {
    console.log(`  kind ${kind}: no model`)
    return instead && solve(page, instead)
  }
  await page.waitForSelector('#solve:not(:disabled)')
  await page.click('#solve')
  await page.waitForFunction(() => /solved$|broken$/.test(document.getElementById('verdict').textContent))
  console.log(`  kind ${kind}: ${await page.textContent('#verdict')}`)
  await page.focus('#scrub')
  await page.keyboard.press('Home')
  await page.keyboard.press('ArrowRight')
  await page.evaluate(() => document.activeElement.blur())
}

async function train(page) {
  await page.evaluate(keep, demoTraining())
  await page.reload()
  await page.waitForSelector('#stored:not([hidden])')
  await page.waitForFunction(() => /take about/.test(document.getElementById('estimate').textContent))
}

async function verify(page) {
  await page.click('#verify')
  await page.waitForFunction(
    () => /^(yes|no|could)/.test(document.getElementById('verify-verdict').textContent),
    undefined,
    { timeout: 300_000 },
  )
}

async function take(browser, url, { name, tab, colorScheme, viewport, act }, target) {
  const page = await browser.newPage({ viewport, colorScheme, reducedMotion: 'reduce' })
  page.setDefaultTimeout(300_000)
  await page.goto(`${url}#/${tab}`)
  await page.waitForSelector('#bench:not(:disabled)', { state: 'attached' })
  await act(page)
  await page.waitForTimeout(1000)
  await page.screenshot(target(name))
  console.log(target(name).path)
  await page.close()
}

const { values, positionals } = parseArgs({ allowPositionals: true, options: { kinds: { type: 'boolean' } } })
const unknown = positionals.find(name => !PICTURES.some(picture => picture.name === name))
if (unknown) {
  console.error(`screenshots: no picture ${unknown}, expected one of ${PICTURES.map(({ name }) => name).join(', ')}`)
  process.exit(2)
}
const folder = join(root, values.kinds ? 'build/screenshots' : 'docs')
const target = values.kinds
  ? name => ({ path: join(folder, `${name}.png`), fullPage: true })
  : name => ({ path: join(folder, `playground-${name}.jpg`), type: 'jpeg', quality: 65 })
const chosen = PICTURES.filter(({ name }) => !positionals.length || positionals.includes(name))

const { url, close } = await serve({ '/': await buildPlayground() })
const { browser, kill } = await openChromium()
mkdirSync(folder, { recursive: true })
try {
  for (const picture of values.kinds ? KINDS : chosen) await take(browser, url, picture, target)
} finally {
  await kill()
  await close()
}
