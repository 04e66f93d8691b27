// The Solve tab in headless Chromium: the bundled model, other checkpoints, broken files, a lost device, and no WebGPU at all.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { findChromium } from '../../scripts/chromium.js'
import { decodeSudoku, encodeSudoku, solveSudoku } from '../../src/data/sudoku.js'
import { golden, rootFolder } from '../files.js'
import { awaitText, drop, textOf, visit, type Visit } from './visit.js'

/** Held out of the bundled model's training: the demo prints it. */
const PUZZLE = '2........4.2.2.1'

if (!findChromium()) console.log('skipped: no Chromium on this machine')
const browserTest = findChromium() ? test : test.skip

let here: Visit
test.before(async () => {
  if (findChromium()) here = await visit()
})
test.after(() => here?.leave())

const cells = () =>
  here.page.evaluate(() => [...document.querySelectorAll('#grid .cell')].map(cell => cell.textContent || '.').join(''))

browserTest('the bundled model solves a typed puzzle step by step', async () => {
  const { page } = here
  await page.fill('#puzzle-text', PUZZLE.match(/..../g)!.join('\n'))
  assert.is(await cells(), PUZZLE)
  await page.click('#solve')
  await awaitText(page, 'verdict', /^(not )?solved/)
  const [solution, ...others] = solveSudoku(encodeSudoku(PUZZLE), 4)
  assert.is(others.length, 0)
  assert.is(await textOf(page, 'verdict'), 'solved')
  assert.is(await cells(), decodeSudoku(solution))
  // Every supervision step can be seen again: the puzzle, then what changed.
  assert.is(await page.locator('#confidence .bar').count(), 4)
  assert.match(await textOf(page, 'step-text'), /^step 4 of 4: \d+ cells? changed, \d+\.\d % sure$/)
  await page.focus('#scrub')
  await page.keyboard.press('Home')
  assert.is(await cells(), PUZZLE)
  await page.keyboard.press('ArrowRight')
  assert.match(await textOf(page, 'step-text'), /^step 1 of 4/)
  assert.ok((await page.locator('#grid .changed').count()) > 5)
})

browserTest('a puzzle is written with the keyboard, and a broken rule is marked', async () => {
  const { page } = here
  await page.click('#clear-puzzle')
  await page.locator('#grid .cell').first().focus()
  await page.keyboard.press('1')
  await page.keyboard.press('ArrowRight')
  await page.keyboard.press('1')
  assert.is(await cells(), '1.1.............')
  assert.is(await page.locator('#grid .wrong').count(), 2)
  assert.match(await textOf(page, 'rules'), /2 times 1 in row 1/)
  await page.keyboard.press('ArrowLeft')
  await page.keyboard.press('Backspace')
  assert.is(await cells(), '1...............')
  assert.is(await page.locator('#grid .wrong').count(), 0)
})

browserTest('puzzles of other kinds are shown, and what model they need', async () => {
  const { page } = here
  for (const [text, title, count] of [
    ['53..7....6..195....98....6.8...6...34..8.3..17...2...6.6....28....419..5....8..79', 'Sudoku 9×9', 81],
    ['S #\n  #\n# G', 'Maze 3×3', 9],
    ['[[1,2],[3,4],[0,5]]', 'ARC grid', 6],
  ] as const) {
    await page.fill('#puzzle-text', text)
    assert.is(await textOf(page, 'puzzle-title'), title)
    assert.is(await page.locator('#grid .cell').count(), count)
    assert.match(await textOf(page, 'puzzle-error'), /does not fit this puzzle/)
    assert.ok(await page.locator('#solve').isDisabled())
  }
  await page.fill('#puzzle-text', '12345')
  assert.match(await textOf(page, 'puzzle-error'), /expected .*5/)
  await page.fill('#puzzle-text', PUZZLE)
  assert.is(await page.locator('#puzzle-error').isVisible(), false)
})

browserTest('broken files are refused in words, and the model before them stays', async () => {
  const { page } = here
  const whole = await golden('trm-mlp')
  for (const [name, bytes, pattern] of [
    ['torn.safetensors', whole.subarray(0, 5000), /^torn\.safetensors: .*(truncated|header)/],
    ['noise.safetensors', whole.subarray(50_000, 60_000), /^noise\.safetensors: .*not a safetensors file/],
    [
      'pointer.safetensors',
      new TextEncoder().encode('version https://git-lfs.github.com/spec/v1\noid sha256:1\n'),
      /^pointer\.safetensors: this is a Git LFS pointer, expected a checkpoint/,
    ],
    ['broken.pt', Uint8Array.from([0x50, 0x4b, 3, 4, 9, 9, 9, 9]), /^broken\.pt: /],
  ] as const) {
    await drop(page, '#model-drop', name, bytes)
    const message = await awaitText(page, 'model-error', pattern)
    assert.not.match(message, /\n/)
    assert.match(await textOf(page, 'model-name'), /bundled/)
  }
})

browserTest('a golden is a checkpoint, and so is a file of PyTorch once its configuration is told', async () => {
  const { page } = here
  await page.setInputFiles('#model-file', {
    name: 'trm-mlp.safetensors',
    mimeType: '',
    buffer: Buffer.from(await golden('trm-mlp')),
  })
  await awaitText(page, 'model-facts', /^for Sudoku 4×4 · token-mixing MLP · .* · 3 cycles of/)
  assert.is(await textOf(page, 'model-name'), 'trm-mlp.safetensors')
  assert.is(await page.locator('#model-error').isVisible(), false)
  await page.fill('#puzzle-text', PUZZLE)
  await page.click('#solve')
  // It was trained for a few steps only; what counts is that it answers, and that the page says it is wrong.
  await awaitText(page, 'verdict', /^(not )?solved/)
  const steps = Number(await page.locator('#steps').inputValue())
  assert.is(await page.locator('#confidence .bar').count(), steps)

  await page.setInputFiles('#model-file', join(await rootFolder(), 'test/formats/fixtures/trm-attention.pt'))
  await page.locator('#model-config').waitFor({ state: 'visible' })
  assert.match(
    await textOf(page, 'model-config-reason'),
    /tensors do not tell num_heads, H_cycles, L_cycles, halt_max_steps, puzzle_emb_len$/,
  )
  await page.selectOption('#model-preset', '')
  await page.fill('#model-fields', 'num_heads=2 H_cycles=2 L_cycles=2 halt_max_steps=3 puzzle_emb_len=1')
  await page.click('#model-config button')
  await awaitText(page, 'model-facts', /attention · .* · 2 cycles of 2 latent steps/)
  await page.click('#bundled')
  await awaitText(page, 'model-facts', /400 training steps/)
})

browserTest('a lost device is told, and the model answers on a new one', async () => {
  const { page } = here
  await page.fill('#puzzle-text', PUZZLE)
  await page.click('#tab-measure')
  await page.click('#lose')
  await awaitText(page, 'notices', /the GPU was lost \(destroyed on purpose\)/)
  await page.click('#tab-solve')
  await page.click('#solve')
  await awaitText(page, 'verdict', /^solved$/)
})

browserTest('nothing went wrong behind the page, and nothing was asked of the network', () =>
  assert.equal(here.troubles, []),
)

browserTest('without WebGPU the page says so, and what to do', async () => {
  const visitor = await visit({
    expectGpu: false,
    before: () => Object.defineProperty(Navigator.prototype, 'gpu', { get: () => undefined }),
  })
  try {
    await visitor.page.locator('#no-gpu').waitFor({ state: 'visible' })
    assert.match(await textOf(visitor.page, 'no-gpu'), /does not offer WebGPU.*chrome:\/\/flags/s)
    assert.equal(visitor.troubles, [])
  } finally {
    await visitor.leave()
  }
})

browserTest("the bundled checkpoint is one of the demo's", async () => {
  const bytes = readFileSync(join(await rootFolder(), 'playground/sudoku-4x4.safetensors'))
  assert.ok(bytes.length < 320_000 && bytes.includes('"step":"400"'), `${bytes.length} bytes`)
})

test.run()
