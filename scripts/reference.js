// Generates the API reference from the types of the package's entries, with typedoc, which it installs on demand.
//   node scripts/reference.js [FOLDER]      default: build/playground/reference, beside the page
//   node scripts/reference.js --install     only installs typedoc
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync, rmSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { root } from './build.js'

const home = join(root, 'docs/reference')

/** The installed version of a package of docs/reference; undefined where it is absent. */
function installed(name) {
  const file = join(home, 'node_modules', name, 'package.json')
  return existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')).version : undefined
}

/** Installs what docs/reference/package.json asks for, unless it is there. */
function install() {
  const { dependencies } = JSON.parse(readFileSync(join(home, 'package.json'), 'utf8'))
  if (Object.entries(dependencies).every(([name, version]) => installed(name) === version)) return
  const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm'
  execFileSync(npm, ['install', '--no-audit', '--no-fund', '--no-package-lock', '--prefix', home], {
    stdio: ['ignore', 'ignore', 'pipe'],
    shell: process.platform === 'win32',
  })
}

/**
 * Writes the reference to `folder`, in place of what is there.
 * @throws with typedoc's output when it warns: a type that is not exported, a parameter that does not exist
 */
export function buildReference(folder = join(root, 'build/playground/reference')) {
  install()
  rmSync(folder, { recursive: true, force: true })
  const typedoc = join(home, 'node_modules/typedoc/bin/typedoc')
  try {
    execFileSync(process.execPath, [typedoc, '--options', join(home, 'typedoc.json'), '--out', folder], {
      cwd: home,
      stdio: 'pipe',
      env: { ...process.env, NO_COLOR: '1' },
    })
  } catch (error) {
    throw new Error(`reference: ${String(error.stderr || error.message).trim()}`)
  }
  return folder
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  try {
    if (process.argv[2] === '--install') install()
    else console.log(buildReference(process.argv[2] && resolve(process.argv[2])))
  } catch (error) {
    console.error(error.message)
    process.exit(1)
  }
}
