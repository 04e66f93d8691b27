// Two trainings give the same bits in Node, on Chromium's SwiftShader, and in headless Chromium, by one built module.
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { chromiumDriver, findChromium, openChromium } from '../../scripts/chromium.js'
import { serve } from '../../scripts/serve.js'
import { rootFolder } from '../files.js'

type Module = typeof import('./trainings.js')
type Options = NonNullable<Parameters<Module['trainings']>[0]>

const MODULE = 'build/test/browser/trainings.js'
const program = findChromium()
const driver = chromiumDriver(program)

if (program && driver) {
  const root = await rootFolder()
  const { trainings, differences, STEPS } = (await import(pathToFileURL(join(root, MODULE)).href)) as Module
  const { url, close } = await serve({ '/': root })
  const { browser, kill } = await openChromium({ program })
  test.after(async () => {
    await kill()
    await close()
  })

  async function inPage(options: Options = {}): ReturnType<Module['trainings']> {
    const page = await browser.newPage()
    try {
      await page.goto(`${url}test/browser/page.html`)
      return await page.evaluate(async ([module, given]) => ((await import(module)) as Module).trainings(given), [
        url + MODULE,
        options,
      ] as const)
    } finally {
      await page.close()
    }
  }

  async function inNode(options: Options = {}): ReturnType<Module['trainings']> {
    // Before the first opening: the Vulkan loader reads them once.
    for (const name of ['VK_DRIVER_FILES', 'VK_ICD_FILENAMES']) process.env[name] = driver
    delete process.env.TRM_ADAPTER
    return trainings(options)
  }

  const [node, page] = [await inNode(), await inPage()]

  test('the same metrics at every step, the same checkpoint', () => {
    assert.match(node.adapter.toLowerCase(), /swiftshader/)
    assert.match(page.adapter.toLowerCase(), /swiftshader/)
    for (const { steps, checkpoint } of [...Object.values(node.traces), ...Object.values(page.traces)]) {
      assert.is(steps.length, STEPS)
      assert.match(checkpoint, /^[0-9a-f]{64}$/)
    }
    assert.equal(Object.keys(page.traces), ['mlp', 'attention'])
    assert.ok(node.traces.mlp!.steps[0].loss > node.traces.mlp!.steps[STEPS - 1].loss, 'it trains')
    console.log(
      `Node on ${node.adapter}, and Chromium ${browser.version()} on ${page.adapter}: loss ${Object.values(page.traces)
        .map(({ steps }) => steps.at(-1)!.loss)
        .join(' and ')} at step ${STEPS}`,
    )
    assert.equal(differences(node.traces, page.traces), [])
  })

  test('one constant of one kernel that differs by a hundredth is found', async () => {
    const found = differences(node.traces, (await inPage({ epsilonFactor: 1.01, models: ['mlp'] })).traces)
    console.log(found.join('\n'))
    assert.match(found[0], /^mlp: step \d+: loss /)
    assert.match(found[1], /^mlp: checkpoint /)
  })
} else {
  console.log(
    `skipped: the same bits in Node and in a page` +
      ` — ${program ? `no SwiftShader beside ${program}` : 'no Chromium on this machine'}`,
  )
  test.skip('the same metrics at every step, the same checkpoint')
  test.skip('one constant of one kernel that differs by a hundredth is found')
}

test.run()
