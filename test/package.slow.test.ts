// The package as embedders get it: packed, installed in an empty project, used by Node, Vite, esbuild and TypeScript.
// Its sizes. Needs Node.
import { execFileSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { findChromium, openChromium } from '../scripts/chromium.js'
import { serve } from '../scripts/serve.js'
import { rootFolder } from './files.js'

const root = await rootFolder()
const work = mkdtempSync(join(tmpdir(), 'webgpu-trm-'))
const project = join(work, 'project')
const installed = join(project, 'node_modules/webgpu-trm')
test.after(() => rmSync(work, { recursive: true, force: true }))

/** Runs a command. @throws with its output when it fails */
function run(command: string, args: string[], cwd: string): string {
  try {
    return execFileSync(command, args, {
      cwd,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, NO_COLOR: '1', npm_config_update_notifier: 'false' },
      maxBuffer: 2 ** 26,
    })
  } catch (error) {
    const { stdout, stderr } = error as { stdout: string; stderr: string }
    throw new Error(`${command} ${args.join(' ')}:\n${stdout}${stderr}`, { cause: error })
  }
}

/** A tool of the repository, run in the project. */
const tool = (path: string, ...args: string[]) =>
  run(process.execPath, [join(root, 'node_modules', path), ...args], project)
const put = (file: string, text: string) => {
  mkdirSync(join(project, file, '..'), { recursive: true })
  writeFileSync(join(project, file), text)
}

/** Packs a copy of the sources, so that the build of the repository is not touched, and installs it without network. */
function install(): void {
  const source = join(work, 'source')
  for (const name of [
    'src',
    'shaders',
    'scripts',
    'package.json',
    'tsconfig.json',
    'tsconfig.build.json',
    'README.md',
    'LICENSE',
    ...readdirSync(root).filter(name => name === 'bench'),
  ])
    cpSync(join(root, name), join(source, name), { recursive: true })
  symlinkSync(join(root, 'node_modules'), join(source, 'node_modules'))
  const tarball = run('npm', ['pack', '--pack-destination', work], source).trim().split('\n').at(-1)!
  put('package.json', '{ "name": "throw-away", "private": true, "type": "module" }')
  run('npm', ['install', '--offline', '--omit=optional', '--no-audit', '--no-fund', join(work, tarball)], project)
  // Dawn, the optional dependency, where npm would install it.
  symlinkSync(join(root, 'node_modules/webgpu'), join(project, 'node_modules/webgpu'))
}

install()

/** An app for Node and pages: trains two steps, answers a puzzle, and returns a summary. */
const APP = `
import { DEFAULTS, loadCheckpoint, saveCheckpoint, solve, train, Trm } from 'webgpu-trm'
import { generateSudoku } from 'webgpu-trm/data'

export async function app(engine) {
  const puzzles = generateSudoku({ size: 4, train: 8, test: 2, clues: 8, seed: 0 })
  const model = Trm.create(engine, {
    ...DEFAULTS, vocabulary: 6, cells: 16, puzzles: 1, hidden: 16, heads: 2, expansion: 1, cycles: 1, latentSteps: 1,
    supervisionSteps: 2, positions: 'none', tokenMixing: true, puzzleWidth: 16, prefix: 1,
  }, { seed: 0 })
  let steps = 0
  const options = { batchSize: 4, steps: 2, logInterval: 1, learningRate: 1e-3, seed: 0 }
  for await (const { step, loss } of train(model, puzzles.train, options)) {
    if (!(loss > 0)) throw new Error('loss ' + loss)
    steps = step
  }
  const again = loadCheckpoint(engine, await saveCheckpoint(model))
  let answer
  for await (const given of solve(again, puzzles.test.inputs.slice(0, 16))) answer = given.answer
  engine.close()
  return \`trained \${steps} steps, answered \${answer.length} cells\`
}
`
const PAGE_APP = `
import { Engine } from 'webgpu-trm/engine'
import { app } from './app.js'
const show = text => { document.body.textContent = text }
Engine.open().then(app).then(show, error => show('failed: ' + error.message))
`
const EXPECTED = 'trained 2 steps, answered 16 cells'
put('app.js', APP)
put('matrices.js', `export { offerMatrices } from 'webgpu-trm/matrices'`)
put('page.js', PAGE_APP)
put(
  'index.html',
  '<!doctype html><meta charset="utf-8"><title>app</title><body><script type="module" src="/page.js"></script></body>',
)

/** Checks that a bundle for browsers has no trace of Node. */
function checkForBrowsers(text: string): void {
  assert.not.match(text, /["'`]node:/)
  assert.not.match(
    text,
    /(import|from|require)\s*\(?\s*["'`](webgpu|fs|path|os|module|child_process|url|worker_threads)["'`]/,
  )
}

/** Opens the built app in Chromium, if there is one, and waits for its text. */
async function visit(folder: string): Promise<void> {
  if (!findChromium()) {
    console.log('skipped: the built app in a page — no Chromium on this machine')
    return
  }
  const { url, close } = await serve({ '/': folder })
  const { browser, kill } = await openChromium()
  try {
    const page = await browser.newPage()
    await page.goto(url)
    await page.waitForFunction(() => document.body.textContent!.trim() !== '', undefined, { timeout: 240_000 })
    assert.is((await page.textContent('body'))!.trim(), EXPECTED)
  } finally {
    await kill()
    await close()
  }
}

test('the tarball holds what is published, and publint finds nothing to say', () => {
  const entries = readdirSync(installed).sort()
  assert.equal(entries, ['LICENSE', 'README.md', 'dist', 'package.json', 'scripts', 'src'])
  const printed = tool('publint/src/cli.js', 'run', installed, '--strict', '--level=suggestion')
  console.log(`publint: ${printed.trim().split('\n').at(-1)}`)
  assert.match(printed, /All good!/)
})

test('a Node script, and the program', () => {
  put(
    'script.js',
    `
import { openEngine } from 'webgpu-trm/node'
import { app } from './app.js'
console.log(await app(await openEngine()))
`,
  )
  assert.is(run(process.execPath, ['script.js'], project).trim(), EXPECTED)
  assert.match(run(join(project, 'node_modules/.bin/trm'), ['--help'], project), /^ *train /m)
})

/** Compiles every variant of the operations that have several, in float32 and float16, on the null backend. */
const COMPILING = `
import { attention, defineKernel, linear, mlpBlock, ropeTable } from 'webgpu-trm/engine'
import { openEngine } from 'webgpu-trm/node'

const operations = [
  ...[4, 16, 32, 64, 128].flatMap(headDim => [false, true].map(hasRope => (engine, dtype) => {
    const qkv = engine.zeros([2, 33, 6 * headDim], dtype)
    const rope = hasRope ? engine.from(ropeTable(33, headDim, 10000), [33, headDim / 2, 2]) : undefined
    return [[qkv], () => attention(qkv, 2, { rope })]
  })),
  ...[[96, 128], [2, 256], [64, 33]].flatMap(([out, width]) => [-1, -2].map(axis => (engine, dtype) => {
    const x = engine.zeros(axis === -1 ? [300, width] : [3, width, 64], dtype)
    const weight = engine.zeros([out, width], dtype)
    return [[x, weight], () => linear(x, weight, { axis })]
  })),
  ...[[-1, 64], [-2, 17]].map(([axis, over]) => (engine, dtype) => {
    const [h, gateUp, down] = [[2, 17, 64], [128, over], [over, 64]].map(shape => engine.zeros(shape, dtype))
    return [[h, gateUp, down], () => mlpBlock(h, gateUp, down, { axis, epsilon: 1e-5 })]
  }),
]
const compiled = new Set()

/** Runs an operation and its gradients; returns the variants of the families that it asked for, by name. */
async function compile(engine, operation, dtype, forced) {
  if (forced) engine.variants.force(...forced)
  const [inputs, compute] = operation(engine, dtype)
  engine.scope(() => compute())
  engine.scope(() => engine.gradients(inputs, () => [compute()].map(y => [y, engine.zeros(y.shape, y.dtype)])))
  await engine.finish()
  const { asked } = engine.variants
  for (const { family, variant } of asked) compiled.add(family.name + ': ' + variant)
  if (forced) engine.variants.force(forced[0], undefined)
  return new Map(asked.map(({ family }) => [family.name, family.variants]))
}

const matrices = { subgroupSize: 32, subgroupMatrices: [{ component: 'f16', m: 16, n: 16, k: 16 }] }
const lavapipe = { isSoftware: true, subgroupSize: 8 }
const both = ['f32', 'f16']
for (const [like, dtypes] of [[{}, both], [lavapipe, both], [matrices, ['f16']]]) {
  // The adapter as it is, or as if it were lavapipe or had subgroup matrices. Its engine compiles each kernel once.
  const engine = await openEngine({ adapter: 'null' })
  Object.assign(engine.adapter, like)
  for (const dtype of dtypes) {
    for (const operation of operations) {
      for (const [family, variants] of await compile(engine, operation, dtype)) {
        for (const { name } of variants) await compile(engine, operation, dtype, [family, name])
      }
    }
  }
  engine.close()
}
const broken = defineKernel({
  name: 'broken',
  source: '@compute @workgroup_size(1) fn main() { let x = nothing; }',
  bindings: {},
  constants: () => ({}),
  workgroups: () => [1, 1, 1],
})
const engine = await openEngine({ adapter: 'null' })
let found = 'nothing'
try {
  engine.dispatch(broken, {}, {})
  await engine.finish()
} catch (error) {
  found = error.message
}
console.log(JSON.stringify({ compiled: [...compiled].sort(), found }))
process.exit()
`

test('the shaders of the package compile, in every variant that a compiler without a GPU knows', () => {
  put('compile.js', COMPILING)
  const { compiled, found } = JSON.parse(run(process.execPath, ['compile.js'], project).trim().split('\n').at(-1)!) as {
    compiled: string[]
    found: string
  }
  console.log(`compiled ${compiled.join(', ')}`)
  for (const name of [
    'attention: tiled',
    'attention: textures',
    'attention: thread',
    'matmul: tiled 128×128',
    'matmul: textures 32×32',
    'matmul: vec4 8×16',
    'gated: tiled 64×64',
    'mlp block: textures',
    'matmul: matrices 64×64',
    'gated: matrices 64×64',
    'attention: matrices',
    'mlp block: matrices',
  ])
    assert.ok(compiled.includes(name), name)
  assert.match(found, /nothing/)
  assert.is.not(found, 'nothing')
})

test('an app built by Vite', async () => {
  put('vite.config.js', 'export default { logLevel: "info", build: { outDir: "vite-app" } }')
  const printed = tool('vite/bin/vite.js', 'build')
  assert.not.match(printed, /externalized|warning|warn/i)
  const assets = join(project, 'vite-app/assets')
  for (const file of readdirSync(assets)) checkForBrowsers(readFileSync(join(assets, file), 'utf8'))
  await visit(join(project, 'vite-app'))
})

/** Bundles and minifies by esbuild, without any option for Node. */
function esbuild(entry: string, outfile: string): string {
  const printed = run(
    join(root, 'node_modules/.bin/esbuild'),
    [entry, '--bundle', '--minify', '--format=esm', '--target=es2022', `--outfile=${outfile}`, '--log-level=warning'],
    project,
  )
  assert.is(printed, '')
  const text = readFileSync(join(project, outfile), 'utf8')
  checkForBrowsers(text)
  return text
}

test('an app built by esbuild', async () => {
  esbuild('page.js', 'esbuild-app/page.js')
  cpSync(join(project, 'index.html'), join(project, 'esbuild-app/index.html'))
  await visit(join(project, 'esbuild-app'))
})

for (const [name, options] of Object.entries({
  bundler: { module: 'esnext', moduleResolution: 'bundler' },
  nodenext: { module: 'nodenext', moduleResolution: 'nodenext' },
})) {
  test(`TypeScript, moduleResolution ${name}: all entries, the package's types checked too`, () => {
    const folder = `types-${name}`
    put(
      `${folder}/use.ts`,
      `
import { Engine, linear, type Tensor } from 'webgpu-trm/engine'
import { DEFAULTS, solve, train, Trm, type TrmConfig } from 'webgpu-trm'
import { generateSudoku } from 'webgpu-trm/data'
import { openEngine } from 'webgpu-trm/node'

const config: TrmConfig = { ...DEFAULTS, vocabulary: 6, cells: 16, puzzles: 1 }
const engines: Engine[] = [await Engine.open(), await openEngine({ adapter: 'auto' })]
const model: Trm = Trm.create(engines[0], config, { seed: 0 })
const puzzles = generateSudoku({ size: 4, train: 8, test: 2, clues: 8, seed: 0 })
for await (const { step, loss } of train(model, puzzles.train, { batchSize: 4, steps: 2 })) {
  const text: string = step.toFixed() + loss.toFixed()
  console.log(text)
}
for await (const { answer } of solve(model, new Int32Array(16))) console.log(answer.length)
// @ts-expect-error a shape is no tensor
const wrong: Tensor = [1, 2]
console.log(wrong, linear)
`,
    )
    put(
      `${folder}/tsconfig.json`,
      JSON.stringify({
        compilerOptions: {
          ...options,
          target: 'es2022',
          lib: ['es2023', 'dom', 'dom.asynciterable'],
          types: [],
          strict: true,
          noEmit: true,
          skipLibCheck: false,
        },
        files: ['use.ts'],
      }),
    )
    tool('typescript/bin/tsc', '-p', folder)
  })
}

/** What programs built on the engine import most: its size is bounded. */
const ENGINE = [
  ...['Engine', 'DeviceLost', 'OutOfMemory', 'Tensor', 'Parameters', 'Adam', 'SparseSignSgd', 'learningRate'],
  ...['LossScaler', 'offer', 'Random', 'truncatedNormal', 'defineKernel', 'fill', 'grid', 'ropeTable'],
  ...['add', 'attention', 'embedding', 'firstPosition', 'gated', 'linear', 'mlpBlock', 'rmsnorm', 'rope'],
  ...['squaredError', 'swiglu'],
]

/** Operations for other networks: a bundle holds those that are imported. */
const OTHERS = [
  ...['batchMatmul', 'crossEntropy', 'dropout', 'gelu', 'maskedAttention', 'mean', 'mul', 'relu', 'reshape'],
  ...['scale', 'softmax', 'sum', 'transpose'],
]

test('the two lists are all that the engine exports', () => {
  put('names.js', `import * as engine from 'webgpu-trm/engine'\nconsole.log(Object.keys(engine).sort().join())`)
  const exported = run(process.execPath, ['names.js'], project).trim()
  assert.is([...ENGINE, ...OTHERS].sort().join(), exported)
})

test('sizes, minified and gzipped: the engine at most 25 KB, with training and inference of TRM at most 45 KB', () => {
  const size = (name: string, code: string) => {
    put(`${name}.js`, code)
    const bytes = gzipSync(esbuild(`${name}.js`, `sizes/${name}.js`), { level: 9 }).length
    console.log(`${name} ${(bytes / 1000).toFixed(1)} KB`)
    return bytes
  }
  const core = `export { ${ENGINE} } from 'webgpu-trm/engine'`
  const engine = size('engine', core)
  const training = size(
    'engine-and-trm',
    `${core}\nexport { Trm, DEFAULTS, train, evaluate, solve, loadCheckpoint, saveCheckpoint } from 'webgpu-trm'`,
  )
  size('engine-with-all-operations', `export * from 'webgpu-trm/engine'`)
  size('everything', `export * from 'webgpu-trm/engine'\nexport * from 'webgpu-trm'`)
  assert.ok(engine <= 25_000, `engine ${engine} bytes`)
  assert.ok(training <= 45_000, `engine, training and inference ${training} bytes`)
})

test('an operation that is not imported is in no bundle', () => {
  const kernels = ['pointwise', 'softmax', 'cross_entropy', 'sum_backward', 'transpose', 'dropout']
  const [core, all] = ['engine', 'engine-with-all-operations'].map(name =>
    readFileSync(join(project, `sizes/${name}.js`), 'utf8'),
  )
  for (const name of kernels) {
    assert.ok(all.includes(`name:"${name}"`), name)
    assert.not.ok(core.includes(`name:"${name}"`), name)
  }
})

test('the engine comes without TRM', () => {
  const text = readFileSync(join(project, 'sizes/engine.js'), 'utf8')
  const whole = readFileSync(join(project, 'sizes/everything.js'), 'utf8')
  // Names of kernels of the model; minifying keeps them.
  for (const name of ['supervision_loss', 'reset_state', 'input_embedding', 'stablemax']) {
    assert.ok(whole.includes(name), name)
    assert.not.ok(text.includes(name), name)
  }
})

test('the engine comes without the wings: no bundle has kernels that only some adapters can run', () => {
  for (const name of ['engine', 'everything']) {
    const text = readFileSync(join(project, `sizes/${name}.js`), 'utf8')
    for (const word of ['textureLoad', 'subgroupShuffle', 'subgroupMatrixLoad'])
      assert.not.ok(text.includes(word), `${name}: ${word}`)
  }
  esbuild('matrices.js', 'sizes/matrices.js')
  assert.ok(readFileSync(join(project, 'sizes/matrices.js'), 'utf8').includes('subgroupMatrixLoad'))
})

test.run()
