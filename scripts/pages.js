// Runs built test files in headless Chromium, each in a fresh document, and hands back what they printed.
import { readFileSync } from 'node:fs'
import { SourceMap } from 'node:module'
import { join, relative } from 'node:path'
import { openChromium } from './chromium.js'
import { serve } from './serve.js'

/**
 * Serves the repository and starts a browser when the first file comes.
 * `run` never rejects: a page that crashes or hangs fails its own file, and the next file gets a new browser.
 * @param {{ root: string, shared: string }} folders the repository, and the folder that tests see as shared/
 */
export async function openPages({ root, shared }) {
  const server = await serve({ '/': root, '/shared/': shared })
  /** Browsers that are free, each with one page: another window takes more work than most files. */
  const idle = []
  const take = async () => {
    if (idle.length) return idle.pop()
    const { browser, kill } = await openChromium()
    try {
      return { browser, kill, page: await browser.newPage() }
    } catch (error) {
      await kill()
      throw error
    }
  }

  async function run(file, limit) {
    const start = performance.now()
    const result = { code: 0, hung: false, output: '' }
    const print = text => (result.output += `${plain(text, root, server.url)}\n`)
    let opened
    let timer
    try {
      opened = await take()
      result.browser = `Chromium ${opened.browser.version()}`
      const { page } = opened
      page.on('console', message => print(message.text()))
      page.on('pageerror', error => {
        print(error.stack ?? error.message)
        result.code = 1
      })
      const crash = new Promise(resolve => page.on('crash', () => resolve('crash')))
      const time = new Promise(resolve => (timer = setTimeout(resolve, limit, 'hung')))
      const tests = page
        .goto(`${server.url}test/browser/page.html`)
        .then(() =>
          page.evaluate(
            async ([runner, url]) => (await import(runner)).runFile(url),
            [`${server.url}build/test/browser/page.js`, server.url + relative(root, file)],
          ),
        )
        .catch(error => {
          if (result.hung || result.signal) return
          print(error.message)
          result.code = 1
        })
      const end = await Promise.race([tests, crash, time])
      if (end === 'crash') result.signal = 'its page'
      else if (end === 'hung') result.hung = true
      else {
        // Ends what the file left: its devices, timers and modules.
        await page.goto('about:blank')
        page.removeAllListeners()
        idle.push(opened)
        opened = undefined
      }
    } catch (error) {
      print(error.message)
      result.code = 1
    } finally {
      clearTimeout(timer)
      await opened?.kill()
    }
    // In Node uvu sets the exit code; a page has none.
    if (/^ {2,3}FAIL /m.test(result.output)) result.code = 1
    return { ...result, seconds: (performance.now() - start) / 1000 }
  }

  return {
    run,
    async close() {
      await Promise.all(idle.map(({ kill }) => kill()))
      await server.close()
    },
  }
}

/** A text without colours, and with places in the sources in place of those in the bundle. */
function plain(text, root, url) {
  return text.replace(/\x1b\[[0-9;]*m/g, '').replace(/https?:\/\/[^\s()]+?\.js:\d+:\d+/g, place => {
    const [, path, line, column] = /^(.*):(\d+):(\d+)$/.exec(place)
    if (!path.startsWith(url)) return place
    try {
      const file = join(root, path.slice(url.length))
      const map = new SourceMap(JSON.parse(readFileSync(`${file}.map`, 'utf8')))
      const { originalSource, originalLine, originalColumn } = map.findEntry(line - 1, column - 1)
      return originalSource
        ? `${relative(root, join(file, '..', originalSource))}:${originalLine + 1}:${originalColumn + 1}`
        : place
    } catch {
      return place
    }
  })
}
