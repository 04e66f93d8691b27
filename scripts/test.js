// Builds and type-checks everything, then runs every test file, in Node and in a page of headless Chromium.
//   node scripts/test.js [PART…]      only files whose path contains one of the parts, e.g. kernels/ or matmul
//   --home node|browser               only in Node, or only in the browser
import { spawn } from 'node:child_process'
import { join, relative } from 'node:path'
import { parseArgs } from 'node:util'
import { buildPackage, buildPlayground, buildScripts, root } from './build.js'
import { findChromium } from './chromium.js'
import { openPages } from './pages.js'

/** Milliseconds that a file may run; a long file ten times as much. TRM_TEST_LIMIT sets it in seconds. */
const LIMIT = 1000 * Number(process.env.TRM_TEST_LIMIT || 300)
const limitOf = file => (file.endsWith('.long.test.js') ? 10 * LIMIT : LIMIT)

const sum = { passed: 0, failed: 0, skipped: 0 }
const adapters = {}

/** Runs Node; resolves with all that it printed, and never rejects. */
function run(args, limit = LIMIT) {
  const start = performance.now()
  const child = spawn(process.execPath, args, {
    cwd: root,
    env: { ...process.env, NO_COLOR: '1', FORCE_COLOR: '0' },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', text => (output += text))
  let hung = false
  const timer = setTimeout(() => {
    hung = true
    child.kill('SIGKILL')
  }, limit)
  return new Promise(resolve => {
    child.on('error', error => (output += error.message))
    child.on('close', (code, signal) => {
      clearTimeout(timer)
      resolve({ code, signal, hung, output, seconds: (performance.now() - start) / 1000 })
    })
  })
}

/** The counts of uvu's summary, and troubles other than failed tests. */
function judge({ code, signal, hung, output }) {
  const total = name => Number(new RegExp(`^  ${name}: +(\\d+)$`, 'm').exec(output)?.[1] ?? 0)
  const [all, passed, skipped] = [total('Total'), total('Passed'), total('Skipped')]
  let trouble = ''
  if (hung) trouble = 'killed: it took longer than a file may'
  else if (signal) trouble = `crashed with ${signal}`
  else if (all + skipped === 0)
    trouble = code === 0 ? 'ran no test: is test.run() missing?' : `crashed with exit code ${code}`
  else if (passed < all && code === 0) trouble = 'a hook failed'
  else if (passed === all && code !== 0) trouble = `exit code ${code} although all tests passed`
  return { passed, skipped, failed: Math.max(all - passed, trouble ? 1 : 0), trouble }
}

/** The output without warnings that Dawn always prints. */
const tidy = output =>
  output
    .split('\n')
    .filter(line => !/artificially reduced|^npm warn/.test(line))
    .join('\n')
    .trim()

const resultLine = (failed, title, counts, seconds) =>
  `${failed ? 'FAILED' : '    ok'}  ${title.padEnd(44)} ${counts.padStart(4)} tests ${seconds.toFixed(1).padStart(6)} s`

function report(name, home, result) {
  const { passed, failed, skipped, trouble } = judge(result)
  sum.passed += passed
  sum.failed += failed
  sum.skipped += skipped
  const lines = result.output.split('\n')
  const found = lines.find(line => line.startsWith('adapter: '))
  if (found && !adapters[home]) console.log((adapters[home] = home === 'node' ? found : `${found} — ${result.browser}`))
  const shares = [...result.output.matchAll(/share: (.+)$/gm)].map(([, share]) => share)
  const counts = `${passed}${failed ? ` of ${passed + failed}` : ''}${skipped ? ` (+${skipped} skipped)` : ''}`
  const title = home === 'browser' ? `${name} (browser)` : name
  const remark = shares.length ? `   ${shares.join(', ')}` : ''
  console.log(resultLine(failed, title, counts, result.seconds) + remark)
  for (const line of lines)
    for (const said of ['skipped: ', 'figure: '])
      if (line.includes(said)) console.log(`        ${line.slice(line.indexOf(said))}`)
  if (failed) console.log(`\n${tidy(result.output)}\n${trouble ? `${name}: ${trouble}\n` : ''}`)
}

/** Runs a program of a development dependency, which must succeed; it counts as one test. */
async function check(name, script, ...args) {
  const result = await run([join(root, 'node_modules', script), ...args])
  const failed = result.code !== 0
  sum[failed ? 'failed' : 'passed']++
  const line = resultLine(failed, name, '1', result.seconds)
  console.log(failed ? `${line}\n\n${result.output.trim()}\n` : line)
}

const nameOf = file => relative(join(root, 'build/test'), file).replace(/\.test\.js$/, '')

/** Runs the jobs of a group, `width` at a time, in order. */
async function runAll(jobs, width, pages) {
  const queue = jobs.slice()
  const worker = async () => {
    for (let job = queue.shift(); job; job = queue.shift()) {
      const { file, home } = job
      const result =
        home === 'node'
          ? await run(['--enable-source-maps', file], limitOf(file))
          : await pages.run(file, limitOf(file))
      report(nameOf(file), home, result)
    }
  }
  await Promise.all(Array.from({ length: width }, worker))
}

const isLong = ({ file }) => file.endsWith('.long.test.js')
const isSlow = ({ file }) => file.endsWith('.slow.test.js')
/** Tests that measure how long a page is blocked have the machine to themselves. */
const isAlone = ({ file }) => file.endsWith('.alone.test.js')
const namesOf = files => files.map(({ file }) => nameOf(file)).join(', ')

/** Builds everything; returns the built test files whose path contains one of the parts. */
async function buildAll(parts) {
  await buildPackage()
  await buildPlayground()
  await buildScripts('examples', '.ts')
  const all = await buildScripts('test', '.test.ts', ['test/browser/page.ts', 'test/browser/trainings.ts'])
  const files = all.filter(({ file }) => !parts.length || parts.some(part => relative(root, file).includes(part)))
  if (!files.length) throw new Error(`no test file has ${parts.join(' or ')} in its path`)
  return files
}

/** Fails tests of engine, kernels and model that could not run in a page. */
function checkHomes(files) {
  for (const { file, needsNode } of files) {
    const name = nameOf(file)
    if (!needsNode || !/^(engine|kernels|trm|verify)\//.test(name)) continue
    sum.failed++
    const rule = 'tests of engine, kernels and model run in a page too'
    console.log(`FAILED  ${name} imports ${needsNode}: ${rule} — test/files.ts reads files in both`)
  }
}

/** Which file runs in which home, [{ file, home }]; says which files are left out. */
function plan(files, parts, homes) {
  // Long files run only where a part names them.
  const long = parts.length ? [] : files.filter(isLong)
  if (long.length) console.log(`left out: ${namesOf(long)} — minutes by itself; node scripts/test.js long runs it`)
  // Files that need no Node run in both homes; those of the slow group in a page only where that is asked for.
  const tooSlow = homes.length > 1 ? files.filter(job => isSlow(job) && !job.needsNode) : []
  const inPages = files.filter(job => !job.needsNode && !tooSlow.includes(job))
  if (tooSlow.length) {
    const reason = 'the slow group takes several times longer there; node scripts/test.js --home browser slow runs it'
    console.log(`left out: in a page ${namesOf(tooSlow)} — ${reason}`)
  }
  return homes.flatMap(home => {
    const all = home === 'node' ? files : inPages
    return all.filter(job => !long.includes(job)).map(({ file }) => ({ file, home }))
  })
}

async function main({ parts, homes }) {
  const files = await buildAll(parts)
  checkHomes(files)
  const jobs = plan(files, parts, homes)
  const shared = process.env.TRM_SHARED ?? join(root, '../shared')
  const pages = homes.includes('browser') ? await openPages({ root, shared }) : undefined
  try {
    await Promise.all([
      check('types', 'typescript/bin/tsc', '-p', 'tsconfig.json', '--noEmit'),
      parts.length || check('format', 'prettier/bin/prettier.cjs', '--check', '--log-level', 'warn', '.'),
    ])
    const together = jobs.filter(job => !isAlone(job))
    await runAll([...together.filter(job => !isSlow(job)), ...together.filter(isSlow)], 2, pages)
    await runAll(jobs.filter(isAlone), 1, pages)
  } finally {
    await pages?.close()
  }
}

/** What the command line asks for, and the homes that this machine has. */
function read(args) {
  const {
    values: { home },
    positionals: parts,
  } = parseArgs({ args, allowPositionals: true, options: { home: { type: 'string' } } })
  if (home && !['node', 'browser'].includes(home)) throw new Error(`--home ${home}: expected node or browser`)
  const missing = findChromium() ? '' : 'no Chromium on this machine'
  if (home === 'browser' && missing)
    throw new Error(
      `--home browser: ${missing} — install Debian's package chromium, or name the program in TRM_CHROMIUM`,
    )
  if (!home && missing) console.log(`left out: the tests in a page, ${missing}`)
  return { parts, homes: home ? [home] : ['node', ...(missing ? [] : ['browser'])] }
}

try {
  await main(read(process.argv.slice(2)))
} catch (error) {
  sum.failed++
  console.log(error.message)
}
console.log(`${sum.passed} passed, ${sum.failed} failed${sum.skipped ? `, ${sum.skipped} skipped` : ''}`)
process.exitCode = sum.failed ? 1 : 0
