// Bundles the package, the tests, the benches, the examples and the playground: the only place that names bundler options.
//   node scripts/build.js [--types] [--watch]
import { execFileSync } from 'node:child_process'
import { copyFileSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { build } from 'esbuild'
import { minifyWgsl } from './wgsl.js'

export const root = fileURLToPath(new URL('..', import.meta.url))

const shared = {
  absWorkingDir: root,
  bundle: true,
  format: 'esm',
  target: 'es2022',
  loader: { '.wgsl': 'text' },
  sourcemap: true,
  splitting: true,
  legalComments: 'none',
  logLevel: 'warning',
  // Node's built-ins, Dawn and the tools of tests are never bundled; the browser entries must not reach them at all (a test checks).
  external: ['node:*', 'webgpu', 'playwright-core'],
  define: { FOR_BROWSERS: 'false' },
}

/** What goes to browsers comes without the kernels that no browser can run, and without what only they need; see src/kernels/wgsl.d.ts. */
const forBrowsers = { define: { FOR_BROWSERS: 'true' } }

/**
 * Shaders without comments and needless space, as embedders send them over networks, and one after the other: what they have in common
 * then lies within the 32 KB that gzip looks back.
 */
const smallShaders = {
  plugins: [{
    name: 'small-shaders',
    setup({ onLoad, onResolve }) {
      onLoad({ filter: /\.wgsl$/ }, ({ path }) => ({ contents: minifyWgsl(readFileSync(path, 'utf8')), loader: 'text' }))
      onResolve({ filter: /^all shaders$/ }, ({ path }) => ({ path, namespace: 'order' }))
      const imports = readdirSync(join(root, 'shaders')).sort().map(file => `import './shaders/${file}'`)
      onLoad({ filter: /./, namespace: 'order' }, () => ({ contents: imports.join('\n'), resolveDir: root }))
    },
  }],
  // Imported by every entry first, for the order alone: shaders that nothing uses are left out as before.
  inject: ['all shaders'],
  logOverride: { 'ignored-bare-import': 'silent' },
}

const library = { index: 'src/index.ts', engine: 'src/engine/index.ts', data: 'src/data/index.ts' }

/** The package: library entries for Node and, without what only Node's adapters use, for browsers; the Node door, the command line. */
export async function buildPackage() {
  rmSync(join(root, 'dist'), { recursive: true, force: true })
  const options = { ...shared, ...smallShaders, chunkNames: 'chunks/[name]-[hash]', mainFields: ['module', 'main'], conditions: ['import', 'browser'] }
  await build({ ...options, outdir: 'dist', entryPoints: { ...library, node: 'src/node.ts', cli: 'src/cli/main.ts' } })
  await build({ ...options, ...forBrowsers, outdir: 'dist/browser', entryPoints: library })
}

/**
 * Every file below `folder` that ends in `suffix`, and `more` that they shall share modules with, bundled to build/, paths kept.
 * Returns [{ file, needsNode }]: where the built file lies, and the Node built-in or the door that it imports, if any.
 * A file that needs no Node runs in a page as it is. What is imported only when the need arises, by import(), does not count.
 */
export async function buildScripts(folder, suffix, more = []) {
  const entries = readdirSync(join(root, folder), { recursive: true })
    .map(String)
    .filter(file => file.endsWith(suffix) && !file.includes('node_modules'))
    .sort()
    .map(file => join(folder, file))
  const { metafile } = await build({
    ...shared,
    metafile: true,
    outdir: 'build',
    outbase: '.',
    entryPoints: [...entries, ...more],
    chunkNames: `${folder}/chunks/[name]-[hash]`,
    mainFields: ['module', 'main'],
    conditions: ['import', 'browser'],
  })
  return entries.map(entry => ({ file: join(root, 'build', entry.replace(/\.ts$/, '.js')), needsNode: needsNode(entry, metafile.inputs) }))
}

/** The first import of something of Node's that `entry` reaches: 'node:fs in test/cli/trm.ts'; undefined where there is none. */
function needsNode(entry, inputs) {
  const seen = new Set([entry])
  for (const file of seen) {
    for (const { path, kind, external } of inputs[file]?.imports ?? []) {
      if (kind === 'dynamic-import') continue
      if (external && path.startsWith('node:')) return `${path} in ${file}`
      seen.add(path)
    }
  }
  return undefined
}

/** Goldens that lie beside the playground: those up to this many bytes, and that of the token-mixing network, which has none so small. */
const GOLDEN_BYTES = 1e6
const LARGER_GOLDENS = ['trm-mlp.safetensors']

/** The playground as plain files that can lie anywhere: page, worker, a checkpoint, goldens. Returns their folder. */
export async function buildPlayground() {
  const out = join(root, 'build/playground')
  rmSync(out, { recursive: true, force: true })
  await build({
    ...shared,
    ...forBrowsers,
    ...smallShaders,
    outdir: out,
    entryPoints: ['playground/page.ts', 'playground/worker.ts', 'playground/page.css'],
    splitting: false,
    minify: true,
    mainFields: ['module', 'main'],
    conditions: ['import', 'browser'],
  })
  for (const file of ['index.html', 'sudoku-4x4.safetensors']) copyFileSync(join(root, 'playground', file), join(out, file))
  const goldens = join(root, 'test/goldens')
  const chosen = readdirSync(goldens).filter(file => statSync(join(goldens, file)).size <= GOLDEN_BYTES || LARGER_GOLDENS.includes(file)).sort()
  mkdirSync(join(out, 'goldens'))
  for (const file of chosen) copyFileSync(join(goldens, file), join(out, 'goldens', file))
  writeFileSync(join(out, 'goldens/index.json'), JSON.stringify(chosen))
  return out
}

export function buildTypes() {
  execFileSync(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', 'tsconfig.build.json'], { cwd: root, stdio: 'inherit' })
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  await buildPackage()
  if (process.argv.includes('--types')) buildTypes()
}
