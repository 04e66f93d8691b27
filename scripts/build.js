// Bundles the package, the tests, the benches and the examples: the only place that names bundler options.
//   node scripts/build.js [--types] [--watch]
import { execFileSync } from 'node:child_process'
import { readdirSync, rmSync } from 'node:fs'
import { join, relative } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { build } from 'esbuild'

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
}

/** The package: library entries for browsers and Node, the Node door, the command line. */
export async function buildPackage() {
  rmSync(join(root, 'dist'), { recursive: true, force: true })
  await build({
    ...shared,
    outdir: 'dist',
    entryPoints: {
      index: 'src/index.ts',
      engine: 'src/engine/index.ts',
      data: 'src/data/index.ts',
      node: 'src/node.ts',
      cli: 'src/cli/main.ts',
    },
    chunkNames: 'chunks/[name]-[hash]',
    mainFields: ['module', 'main'],
    conditions: ['import', 'browser'],
  })
}

/** Every file below `folder` that ends in `suffix`, bundled to build/, its path kept. Returns the built files. */
export async function buildScripts(folder, suffix) {
  const entries = readdirSync(join(root, folder), { recursive: true })
    .map(String)
    .filter(file => file.endsWith(suffix) && !file.includes('node_modules'))
    .sort()
    .map(file => join(folder, file))
  await build({
    ...shared,
    outdir: 'build',
    outbase: '.',
    entryPoints: entries,
    chunkNames: `${folder}/chunks/[name]-[hash]`,
    mainFields: ['module', 'main'],
    conditions: ['import', 'browser'],
  })
  return entries.map(file => join(root, 'build', relative('.', file).replace(/\.ts$/, '.js')))
}

export function buildTypes() {
  execFileSync(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', 'tsconfig.build.json'], { cwd: root, stdio: 'inherit' })
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  await buildPackage()
  if (process.argv.includes('--types')) buildTypes()
}
