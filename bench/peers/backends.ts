// The backends that are compared: how each one is started, and what must be installed before.
import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { built, fail, progress, root, source } from './common.js'

/** The command of the process of each backend. */
export const backends: Record<string, readonly [command: string, args: string[]]> = {
  'webgpu-trm': [process.execPath, [join(built, 'child.js'), join(built, 'ours.js')]],
  'jax-js': [process.execPath, [join(built, 'child.js'), join(source, 'jax.js'), 'stand-in']],
  tfjs: [process.execPath, [join(built, 'child.js'), join(built, 'tfjs.bundle.js'), 'stand-in']],
  'torch-cpu': ['/usr/bin/python3', ['-u', join(source, 'pytorch.py'), 'cpu']],
  // A python3 that has PyTorch with CUDA. It uses the GPU of CUDA, which must be the card of the adapter.
  'torch-cuda': ['python3', ['-u', join(source, 'pytorch.py'), 'cuda']],
}

/** PyTorch uses neither WebGPU nor the adapter. */
export const isTorch = (backend: string) => backend.startsWith('torch-')

/**
 * Installs what the chosen backends need.
 * @returns the backends that can run, and a note for each one that is left out
 */
export function prepareBackends(names: readonly string[]): { chosen: string[]; notes: string[] } {
  if (names.includes('jax-js') || names.includes('tfjs')) installPeers()
  if (names.includes('tfjs')) bundleTfjs()
  const notes: string[] = []
  const chosen = names.filter(name => {
    const missing = missingTorch(name)
    if (missing === undefined) return true
    notes.push(`${name} is left out: ${missing}.`)
    progress(notes.at(-1)!)
    return false
  })
  return { chosen, notes }
}

/** Installs the libraries into bench/peers/node_modules, unless the wanted versions are there. */
function installPeers(): void {
  const packages = JSON.parse(readFileSync(join(source, 'package.json'), 'utf8')).dependencies as Record<string, string>
  const isInstalled = Object.entries(packages).every(([name, version]) => {
    const file = join(source, 'node_modules', name, 'package.json')
    return existsSync(file) && JSON.parse(readFileSync(file, 'utf8')).version === version
  })
  if (isInstalled) return
  const wanted = Object.entries(packages).map(([name, version]) => `${name}@${version}`)
  progress(`installing the peers into bench/peers/node_modules: ${wanted.join(', ')}`)
  try {
    execFileSync('npm', ['install', '--no-audit', '--no-fund', '--no-package-lock', '--loglevel=error'], {
      cwd: source,
      stdio: ['ignore', 'ignore', 'inherit'],
    })
  } catch {
    fail(
      'the peers could not be installed — run "npm install" in bench/peers to see why, ' +
        'or leave them out with --backend webgpu-trm,torch-cpu',
    )
  }
}

/** Bundles tfjs.js: Node cannot load the ES modules of TensorFlow.js as they are. */
function bundleTfjs(): void {
  const require = "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);"
  execFileSync(
    join(root, 'node_modules/.bin/esbuild'),
    [
      join(source, 'tfjs.js'),
      '--bundle',
      '--platform=node',
      '--format=esm',
      '--main-fields=module,main',
      `--banner:js=${require}`,
      '--log-level=error',
      `--outfile=${join(built, 'tfjs.bundle.js')}`,
    ],
    { stdio: ['ignore', 'ignore', 'inherit'] },
  )
}

/** What a PyTorch backend lacks; undefined if nothing, or for another backend. */
function missingTorch(name: string): string | undefined {
  if (!isTorch(name)) return undefined
  const [python, needs, reason] =
    name === 'torch-cpu'
      ? [
          '/usr/bin/python3',
          'import torch, numpy',
          '/usr/bin/python3 has no torch (Debian: apt-get install python3-torch)',
        ]
      : [
          'python3',
          'import torch, numpy; assert torch.cuda.is_available()',
          'python3 has no PyTorch that finds a GPU (pip install torch numpy)',
        ]
  return spawnSync(python, ['-c', needs]).status === 0 ? undefined : reason
}
