// Takes the pictures of the playground for the README, in headless Chromium, after `npm run demo`: its training stands in for one made in the page.
//   node scripts/screenshots.js        writes docs/playground-*.jpg
import { mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { buildPlayground, root } from './build.js'
import { openChromium } from './chromium.js'
import { serve } from './serve.js'

const demo = file => readFileSync(join(root, 'runs/demo', file))

/** The demo's training as the page keeps one. It learned the very puzzles that the page makes, so it could be resumed there. */
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

const wide = { width: 1120, height: 800 }
const narrow = { width: 390, height: 800 }

/** What is shown, and what is done before. */
const pictures = [
  { name: 'solve-light-wide', tab: 'solve', colorScheme: 'light', viewport: wide, act: solve },
  { name: 'solve-dark-narrow', tab: 'solve', colorScheme: 'dark', viewport: narrow, act: solve },
  { name: 'train-dark-wide', tab: 'train', colorScheme: 'dark', viewport: wide, act: train },
  { name: 'train-light-narrow', tab: 'train', colorScheme: 'light', viewport: narrow, act: train },
  { name: 'measure-light-wide', tab: 'measure', colorScheme: 'light', viewport: wide, act: verify },
  { name: 'measure-dark-narrow', tab: 'measure', colorScheme: 'dark', viewport: narrow, act: async () => {} },
]

async function solve(page) {
  await page.click('#solve')
  await page.waitForFunction(() => /solved$|broken$/.test(document.getElementById('verdict').textContent))
  await page.focus('#scrub')
  await page.keyboard.press('Home')
  await page.keyboard.press('ArrowRight')
  await page.evaluate(() => document.activeElement.blur())
}

async function train(page) {
  await page.evaluate(keep, demoTraining())
  await page.reload()
  await page.waitForSelector('#stored:not([hidden])')
}

async function verify(page) {
  await page.click('#verify')
  await page.waitForFunction(
    () => /^(yes|no|could)/.test(document.getElementById('verify-verdict').textContent),
    undefined,
    { timeout: 300_000 },
  )
}

const { url, close } = await serve({ '/': await buildPlayground() })
const { browser, kill } = await openChromium()
mkdirSync(join(root, 'docs'), { recursive: true })
try {
  const only = process.argv.slice(2)
  for (const { name, tab, colorScheme, viewport, act } of pictures) {
    if (only.length && !only.includes(name)) continue
    const page = await browser.newPage({ viewport, colorScheme, reducedMotion: 'reduce' })
    page.setDefaultTimeout(120_000)
    await page.goto(`${url}#/${tab}`)
    await page.waitForSelector('#bench:not(:disabled)', { state: 'attached' })
    await act(page)
    await page.waitForTimeout(1000)
    await page.screenshot({ path: join(root, `docs/playground-${name}.jpg`), type: 'jpeg', quality: 65 })
    console.log(`docs/playground-${name}.jpg`)
    await page.close()
  }
} finally {
  await kill()
  await close()
}
