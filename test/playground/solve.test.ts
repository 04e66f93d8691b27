// The Solve tab in headless Chromium: the page's models and other checkpoints, links, broken files, a lost device.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { findChromium } from '../../scripts/chromium.js'
import { decodeSudoku, encodeSudoku, solveSudoku } from '../../src/data/sudoku.js'
import { OFFERS } from '../../playground/offers.js'
import { golden, rootFolder } from '../files.js'
import { awaitText, download, drop, textOf, visit, type Visit } from './visit.js'

/** The list of the models beside the page. */
const MODELS = 'build/playground/models/index.json'

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
  assert.is(await page.locator('#strip .step').count(), 4)
  assert.match(await textOf(page, 'step-text'), /^step 4 of 4: \d+ cells? changed, no rule broken, \d+\.\d % sure$/)
  assert.match(await textOf(page, 'curve-text'), /^No rule is broken from step [1-4] on\.$/)
  await page.focus('#scrub')
  await page.keyboard.press('Home')
  assert.is(await cells(), PUZZLE)
  await page.keyboard.press('ArrowRight')
  assert.match(await textOf(page, 'step-text'), /^step 1 of 4/)
  assert.ok((await page.locator('#grid .changed').count()) > 5)
})

/** Waits until the answer after so many steps is there. */
const awaitSteps = async (count: number) => {
  await awaitText(here.page, 'step-text', new RegExp(`^step ${count} of ${count}:`))
  await awaitText(here.page, 'verdict', /^(not )?solved/)
}

browserTest('thinking goes on beyond the trained steps, and plays as a film', async () => {
  const { page } = here
  const solution = await page.evaluate(() => document.querySelector('#strip li:last-child')!.textContent)
  await page.click('#further')
  await awaitSteps(12)
  assert.is(await page.locator('#strip .step').count(), 12)
  assert.is(await page.locator('#strip .beyond').count(), 8)
  assert.match(await textOf(page, 'curve-trained'), /4 steps in training/)
  // The first four steps are those of before: thinking goes on, it does not begin again.
  assert.is(await page.evaluate(() => document.querySelectorAll('#strip li')[4].textContent), solution)
  await page.evaluate(() => {
    const seen: string[] = []
    Object.assign(globalThis, { seen })
    new MutationObserver(() => seen.push(document.getElementById('step-text')!.textContent!)).observe(
      document.getElementById('step-text')!,
      { childList: true },
    )
  })
  await page.click('#play')
  await page.waitForFunction(() => (globalThis as unknown as { seen: string[] }).seen.length > 3)
  await page.click('#play')
  const seen = await page.evaluate(() => (globalThis as unknown as { seen: string[] }).seen)
  assert.equal(
    [...new Set(seen)].slice(0, 3).map(text => text.replace(/:.*/, '')),
    ['the puzzle as given', 'step 1 of 12', 'step 2 of 12'],
  )
})

browserTest('the strip is saved as a picture', async () => {
  const { page } = here
  const { name, bytes } = await download(page, '#save-strip')
  assert.is(name, 'sudoku-4x4-12-steps.png')
  assert.is(new TextDecoder('latin1').decode(bytes.subarray(1, 4)), 'PNG')
  const header = new DataView(bytes.buffer)
  const [width, height] = [header.getUint32(16), header.getUint32(20)]
  assert.ok(width > 400 && height > 300 && bytes.length > 4000, `${width}×${height}, ${bytes.length} bytes`)
})

browserTest('the switches ask for more steps and for tries with noise', async () => {
  const { page } = here
  const value = (id: string) => page.locator(`#${id}`).inputValue()
  await page.click('#longer')
  assert.is(await value('steps'), '16')
  await page.click('#longer')
  assert.is(await value('steps'), '4')
  await page.click('#tries')
  assert.equal([await value('rollouts'), await value('noise')], ['8', '0.2'])
  await page.click('#solve')
  await awaitSteps(4)
  assert.match(await textOf(page, 'step-text'), /% sure, try [1-8], [1-8] agree$/)
  await page.click('#tries')
  assert.equal([await value('rollouts'), await value('noise')], ['1', '0'])
  assert.not(await page.locator('#longer').isChecked())
})

browserTest('each kind of puzzle is solved by its own model, or the page says that there is none', async () => {
  const { page } = here
  const files = Object.keys(JSON.parse(readFileSync(join(await rootFolder(), MODELS), 'utf8')))
  assert.ok(files.includes('sudoku-4x4'))
  for (const { title, model } of [...OFFERS].reverse()) {
    await page.click(`#kinds button:text-is("${title}")`)
    assert.is(await textOf(page, 'puzzle-title'), title === 'ARC' ? 'ARC grid' : title)
    if (!model) continue
    if (!files.includes(model)) {
      await awaitText(
        page,
        'fit-error',
        new RegExp(`^No model for ${title} .*models/${model}\\.safetensors.*checkpoint`),
      )
      assert.ok(await page.locator('#solve').isDisabled())
      continue
    }
    await awaitText(page, 'model-facts', new RegExp(`^for ${title} `))
    await page.click('#solve')
    await awaitText(page, 'verdict', /^(not )?solved/)
    assert.is(await textOf(page, 'verdict'), 'solved', title)
  }
})

browserTest('a new puzzle has as many clues as chosen, and the model of its kind stays', async () => {
  const { page } = here
  await page.selectOption('#draw', { label: '8 clues' })
  await page.click('#new-puzzle')
  await page.waitForFunction(() => document.querySelectorAll('#grid .given').length === 8)
  assert.ok(await page.locator('#solve').isEnabled())
})

browserTest('a puzzle is shared by link, and opened in a second page', async () => {
  const { page, url } = here
  await page.fill('#puzzle-text', PUZZLE)
  await page.click('#share')
  await awaitText(page, 'share-text', /link (is copied|stands in the address bar)/)
  assert.is(page.url(), `${url}#/solve/sudoku/${PUZZLE}`)
  const second = await (await page.context().browser()!.newContext()).newPage()
  // There no model lies beside the page.
  await second.route('**/models/index.json', route => route.fulfill({ json: {} }))
  await second.goto(page.url())
  const shown = () =>
    second.evaluate(() => [...document.querySelectorAll('#grid .cell')].map(cell => cell.textContent || '.').join(''))
  assert.is(await shown(), PUZZLE)
  await awaitText(second, 'fit-error', /^No model for Sudoku 4×4 lies beside this page/)
  assert.ok(await second.locator('#solve').isDisabled())
  await second.goto(`${url}#/solve/sudoku/12345`)
  assert.match(await awaitText(second, 'puzzle-error', /./), /^link: sudoku: expected 16, 36 or 81 cells, got 5$/)
  assert.is(await shown(), PUZZLE)
  await second.context().close()
  // Another puzzle does not keep the address of this one.
  await page.click('#clear-puzzle')
  assert.is(page.url(), `${url}#/solve`)
})

browserTest('a puzzle is pasted anywhere in the tab', async () => {
  const { page } = here
  const paste = (text: string) =>
    page.evaluate(text => {
      const clipboardData = new DataTransfer()
      clipboardData.setData('text/plain', text)
      const event = new ClipboardEvent('paste', { clipboardData, bubbles: true, cancelable: true })
      document.querySelector('#grid .cell')!.dispatchEvent(event)
    }, text)
  await paste('1 2 . .\n. . . .\n3 . 1 .\n. . 4 .')
  assert.is(await cells(), '12......3.1...4.')
  await paste('12 apples')
  assert.match(await textOf(page, 'puzzle-error'), /expected/)
  assert.is(await cells(), '12......3.1...4.')
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
    ['S####\n    #\n### #\n    #\nG####', 'Maze 5×5', 25],
    ['S #\n  #\n# G', 'Maze 3×3', 9],
    ['[[1,2],[3,4],[0,5]]', 'ARC grid', 6],
  ] as const) {
    await page.fill('#puzzle-text', text)
    assert.is(await textOf(page, 'puzzle-title'), title)
    assert.is(await page.locator('#grid .cell').count(), count)
    assert.match(await textOf(page, 'fit-error'), /does not fit this puzzle/)
    assert.ok(await page.locator('#solve').isDisabled())
  }
  await page.fill('#puzzle-text', '12345')
  assert.match(await textOf(page, 'puzzle-error'), /expected .*5/)
  await page.fill('#puzzle-text', PUZZLE)
  assert.is(await page.locator('#puzzle-error').isVisible(), false)
  assert.is(await page.locator('#fit-error').isVisible(), false)
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
  assert.is(await page.locator('#strip .step').count(), steps)

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
  await awaitText(page, 'model-facts', /400 steps in its last training/)
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
  // An answer that is lost with its device is computed anew before it goes on.
  const before = await page.locator('#strip li').allTextContents()
  await page.evaluate(() => document.getElementById('lose')!.click())
  await page.click('#further')
  await awaitSteps(12)
  const after = await page.locator('#strip li').allTextContents()
  assert.equal([before.length, after.length], [5, 13])
  assert.equal(after.slice(0, 5), before)
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
  const bytes = readFileSync(join(await rootFolder(), 'build/playground/models/sudoku-4x4.safetensors'))
  assert.ok(bytes.length < 320_000 && bytes.includes('"step":"400"'), `${bytes.length} bytes`)
})

test.run()
