// Bundles the package, tests, benches, examples and the playground; bundler options stand nowhere else.
//   node scripts/build.js [--types] [--watch]
import { execFileSync } from 'node:child_process'
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { build } from 'esbuild'
import { minifyWgsl, moduleNames } from './wgsl.js'

export const root = fileURLToPath(new URL('..', import.meta.url))

const shared = {
  absWorkingDir: root,
  bundle: true,
  format: 'esm',
  target: 'es2022',
  sourcemap: true,
  splitting: true,
  legalComments: 'none',
  logLevel: 'warning',
  // Node's built-ins, Dawn and the tools of tests are never bundled. A test checks that no browser entry reaches them.
  external: ['node:*', 'webgpu', 'playwright-core'],
  plugins: [wgsl(text => text)],
}

/**
 * Shaders as modules of their text. A line `#import FILE.wgsl` stands for that file, which is in a bundle once even if
 * several shaders import it.
 * @param change applied to the text of each file
 */
function wgsl(change) {
  return {
    name: 'wgsl',
    setup({ onLoad }) {
      onLoad({ filter: /\.wgsl$/ }, ({ path }) => {
        const text = change(readFileSync(path, 'utf8'))
        const [, before, file, after] = /^([^]*?)^#import (\S+)\n?([^]*)$/m.exec(text) ?? []
        if (file === undefined) return { contents: text, loader: 'text' }
        if (/^#import/m.test(after))
          throw new Error(`${path}: two lines #import, expected one — let the imported file import the other`)
        const parts = [before && JSON.stringify(before.trim()), 'imported', JSON.stringify(after)].filter(Boolean)
        const from = JSON.stringify(file.startsWith('.') ? file : `./${file}`)
        return {
          contents: `import imported from ${from}\nexport default /* @__PURE__ */ [${parts}].join('\\n')`,
          loader: 'js',
        }
      })
    },
  }
}

/** Bundlers leave out a kernel that nothing uses where its definition says that it has no other effect. */
const pureKernels = {
  name: 'pure kernels',
  setup({ onLoad }) {
    onLoad({ filter: /src[\\/]kernels[\\/].*\.ts$/ }, ({ path }) => ({
      contents: readFileSync(path, 'utf8').replace(/^(export const \w+ = )(?=defineKernel\b)/gm, '$1/* @__PURE__ */ '),
      loader: 'ts',
    }))
  },
}

const shaders = readdirSync(join(root, 'shaders'), { recursive: true })
  .map(String)
  .filter(file => file.endsWith('.wgsl'))
const textOf = file => readFileSync(join(root, 'shaders', file), 'utf8')

/**
 * Shaders without comments and needless space, because embedders send them over networks. They lie one after the other,
 * so that what they have in common is within the 32 KB that gzip looks back.
 */
const smallShaders = {
  plugins: [
    wgsl(text => minifyWgsl(text, moduleNames(shaders.map(textOf)))),
    pureKernels,
    {
      name: 'order',
      setup({ onLoad, onResolve }) {
        onResolve({ filter: /^all shaders$/ }, ({ path }) => ({ path, namespace: 'order' }))
        // The shortest first: this puts similar shaders side by side.
        const sizeOf = file => statSync(join(root, 'shaders', file)).size
        const inOrder = [...shaders].sort((a, b) => sizeOf(a) - sizeOf(b) || (a < b ? -1 : 1))
        const contents = inOrder.map(file => `import './shaders/${file}'`).join('\n')
        onLoad({ filter: /./, namespace: 'order' }, () => ({ contents, resolveDir: root }))
      },
    },
  ],
  // Every entry imports it first, for the order alone: shaders that nothing uses are still left out.
  inject: ['all shaders'],
  logOverride: { 'ignored-bare-import': 'silent' },
}

const library = {
  index: 'src/index.ts',
  engine: 'src/engine/index.ts',
  tune: 'src/engine/tune.ts',
  matrices: 'src/matrices/index.ts',
  data: 'src/data/index.ts',
  models: 'src/models/index.ts',
}

/** The package: library entries, which browsers use too; the Node door, the command line. */
export async function buildPackage() {
  rmSync(join(root, 'dist'), { recursive: true, force: true })
  const options = {
    ...shared,
    ...smallShaders,
    chunkNames: 'chunks/[name]-[hash]',
    mainFields: ['module', 'main'],
    conditions: ['import', 'browser'],
  }
  await build({
    ...options,
    outdir: 'dist',
    entryPoints: { ...library, node: 'src/node.ts', 'models-node': 'src/models/node.ts', cli: 'src/cli/main.ts' },
  })
}

/**
 * Bundles every file below `folder` that ends in `suffix` to build/, with the same path. The files in `more` are
 * bundled with them and share their modules.
 * Returns [{ file, needsNode }]: the built file, and the first Node built-in that it imports, if any.
 * A file that needs no Node runs in a page as it is. Imports by import() do not count.
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
  return entries.map(entry => ({
    file: join(root, 'build', entry.replace(/\.ts$/, '.js')),
    needsNode: needsNode(entry, metafile.inputs),
  }))
}

/** The first import of a Node built-in that `entry` reaches: 'node:fs in test/cli/trm.ts'; undefined without one. */
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

/** Goldens of up to this many bytes are copied beside the playground. */
const GOLDEN_BYTES = 1e6
/** Larger goldens that are copied too: the token-mixing network has no small one. */
const LARGER_GOLDENS = ['trm-mlp.safetensors']

/** The playground as plain files that can lie anywhere: page, worker, models, goldens. Returns their folder. */
export async function buildPlayground() {
  const out = join(root, 'build/playground')
  rmSync(out, { recursive: true, force: true })
  await build({
    ...shared,
    ...smallShaders,
    outdir: out,
    entryPoints: ['playground/page.ts', 'playground/worker.ts', 'playground/page.css'],
    splitting: false,
    minify: true,
    mainFields: ['module', 'main'],
    conditions: ['import', 'browser'],
  })
  copyFileSync(join(root, 'playground/index.html'), join(out, 'index.html'))
  copyModels(join(out, 'models'))
  const goldens = join(root, 'test/goldens')
  const chosen = readdirSync(goldens)
    .filter(file => statSync(join(goldens, file)).size <= GOLDEN_BYTES || LARGER_GOLDENS.includes(file))
    .sort()
  mkdirSync(join(out, 'goldens'))
  for (const file of chosen) copyFileSync(join(goldens, file), join(out, 'goldens', file))
  writeFileSync(join(out, 'goldens/index.json'), JSON.stringify(chosen))
  return out
}

/** Checkpoints, and the list of their sizes in bytes by name. */
function copyModels(out) {
  mkdirSync(out)
  const sizes = {}
  const folder = join(root, 'models')
  for (const file of readdirSync(folder).filter(name => name.endsWith('.safetensors'))) {
    copyFileSync(join(folder, file), join(out, file))
    sizes[file.slice(0, -'.safetensors'.length)] = statSync(join(folder, file)).size
  }
  writeFileSync(join(out, 'index.json'), JSON.stringify(sizes))
}

function buildTypes() {
  execFileSync(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', 'tsconfig.build.json'], {
    cwd: root,
    stdio: 'inherit',
  })
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  await buildPackage()
  if (process.argv.includes('--types')) buildTypes()
}
