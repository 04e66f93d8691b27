// Builds and type-checks everything, then runs every test file in a process of its own and sums up.
//   node scripts/test.js [PART…]      only files whose path contains one of the parts, e.g. kernels/ or matmul
import { spawn } from 'node:child_process'
import { join, relative } from 'node:path'
import { buildPackage, buildScripts, root } from './build.js'

/** A file that runs longer than this, in milliseconds, hangs; TRM_TEST_LIMIT names other seconds for slow machines. */
const LIMIT = 1000 * Number(process.env.TRM_TEST_LIMIT || 300)

const sum = { passed: 0, failed: 0, skipped: 0 }
let adapter = ''

/** Runs a command; resolves with all that it printed, and never rejects. */
function run(args, limit = LIMIT) {
  const start = performance.now()
  const child = spawn(process.execPath, args, { cwd: root, env: { ...process.env, NO_COLOR: '1', FORCE_COLOR: '0' }, stdio: ['ignore', 'pipe', 'pipe'] })
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

/** What uvu's summary says, and what is wrong beyond failed tests. */
function judge({ code, signal, hung, output }) {
  const total = name => Number(new RegExp(`^  ${name}: +(\\d+)$`, 'm').exec(output)?.[1] ?? 0)
  const [all, passed, skipped] = [total('Total'), total('Passed'), total('Skipped')]
  let trouble = ''
  if (hung) trouble = `killed after ${LIMIT / 1000} s`
  else if (signal) trouble = `crashed with ${signal}`
  else if (all + skipped === 0) trouble = code === 0 ? 'ran no test: is test.run() missing?' : `crashed with exit code ${code}`
  else if (passed < all && code === 0) trouble = 'a hook failed'
  else if (passed === all && code !== 0) trouble = `exit code ${code} although all tests passed`
  return { passed, skipped, failed: Math.max(all - passed, trouble ? 1 : 0), trouble }
}

/** Dawn's own warnings are no news. */
const tidy = output => output.split('\n').filter(line => !/artificially reduced|^npm warn/.test(line)).join('\n').trim()

function report(name, result) {
  const { passed, failed, skipped, trouble } = judge(result)
  sum.passed += passed
  sum.failed += failed
  sum.skipped += skipped
  const lines = result.output.split('\n')
  const found = lines.find(line => line.startsWith('adapter: '))
  if (found && !adapter) console.log((adapter = found))
  const shares = [...result.output.matchAll(/share: (.+)$/gm)].map(([, share]) => share)
  const counts = `${passed}${failed ? ` of ${passed + failed}` : ''}${skipped ? ` (+${skipped} skipped)` : ''}`
  console.log(`${failed ? 'FAILED' : '    ok'}  ${name.padEnd(38)} ${counts.padStart(4)} tests ${result.seconds.toFixed(1).padStart(6)} s${shares.length ? `   ${shares.join(', ')}` : ''}`)
  for (const line of lines) if (line.includes('skipped: ')) console.log(`        ${line.slice(line.indexOf('skipped: '))}`)
  if (failed) console.log(`\n${tidy(result.output)}\n${trouble ? `${name}: ${trouble}\n` : ''}`)
}

async function checkTypes() {
  const result = await run([join(root, 'node_modules/typescript/bin/tsc'), '-p', 'tsconfig.json', '--noEmit'])
  const failed = result.code !== 0
  sum[failed ? 'failed' : 'passed']++
  console.log(`${failed ? 'FAILED' : '    ok'}  ${'types'.padEnd(38)}    1 tests ${result.seconds.toFixed(1).padStart(6)} s${failed ? `\n\n${result.output.trim()}\n` : ''}`)
}

/** Runs the files of a group, `width` at a time, in order. */
async function runAll(files, width) {
  const queue = files.slice()
  const worker = async () => {
    for (let file = queue.shift(); file; file = queue.shift()) report(relative(join(root, 'build/test'), file).replace(/\.test\.js$/, ''), await run(['--enable-source-maps', file]))
  }
  await Promise.all(Array.from({ length: width }, worker))
}

async function main(parts) {
  await buildPackage()
  await buildScripts('examples', '.ts')
  const files = (await buildScripts('test', '.test.ts')).filter(file => !parts.length || parts.some(part => relative(root, file).includes(part)))
  if (!files.length) throw new Error(`no test file has ${parts.join(' or ')} in its path`)
  const isSlow = file => file.endsWith('.slow.test.js')
  // Models keep a GPU, and all cores of a software one, busy by themselves.
  const isHeavy = file => isSlow(file) || file.startsWith(join(root, 'build/test/trm/'))
  await checkTypes()
  await runAll(files.filter(file => !isHeavy(file)), 2)
  await runAll(files.filter(file => isHeavy(file) && !isSlow(file)), 1)
  await runAll(files.filter(isSlow), 1)
}

try {
  await main(process.argv.slice(2))
} catch (error) {
  sum.failed++
  console.log(error.message)
}
console.log(`${sum.passed} passed, ${sum.failed} failed${sum.skipped ? `, ${sum.skipped} skipped` : ''}`)
process.exitCode = sum.failed ? 1 : 0
