// Makes this machine ready: installs the packages of package-lock.json and finds, or installs, a WebGPU adapter.
//   node scripts/setup.js [--browser] [--packages]
//   Uses Node's built-ins only, and installs nothing that is already there.
//   --packages     only npm packages: enough for what needs no adapter in Node, such as the playground
//   --browser      also finds or installs the Chromium that tests in a page need; goes on without one
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { brotliDecompressSync, gunzipSync } from 'node:zlib'
import { adapterLine, cacheFolder, dawnEntry, findDrivers, firstAdapter, hasGpuNodes } from '../src/adapters/drivers.js'
import { findChromium } from './chromium.js'

const root = fileURLToPath(new URL('..', import.meta.url))

/** SwiftShader as the npm registry has it: a driver with its own Vulkan loader, for x64 Linux. */
const SWIFTSHADER = {
  name: '@sparticuz/chromium@147.0.0',
  file: 'package/bin/swiftshader.tar.br',
  sha256: 'f957ea867313f9815b71dc2ed30cce301e01db4f3973fbdb31ffa5391b0ec45a',
  keep: ['libvulkan.so.1', 'libvk_swiftshader.so', 'vk_swiftshader_icd.json'],
}

/** An error whose message is all that the user needs. */
class SetupError extends Error {}

/**
 * Packages of package-lock.json that node_modules lacks or has in another version. Packages of other platforms do not
 * count, nor do optional ones that only those need.
 */
export function stalePackages(folder, { platform = process.platform, arch = process.arch } = {}) {
  const lock = join(folder, 'package-lock.json')
  if (!existsSync(lock)) return []
  const { packages = {} } = JSON.parse(readFileSync(lock, 'utf8'))
  const own = { ...packages['']?.dependencies, ...packages['']?.optionalDependencies }
  const wanted = Object.entries(packages)
  return wanted
    .filter(([path, entry]) => {
      if (!path.startsWith('node_modules/') || entry.link) return false
      const manifest = join(folder, path, 'package.json')
      if (existsSync(manifest)) return JSON.parse(readFileSync(manifest, 'utf8')).version !== entry.version
      if (entry.optional && !entry.os && !entry.cpu && !(path.slice('node_modules/'.length) in own)) return false
      return !entry.peer && allows(entry.os, platform) && allows(entry.cpu, arch) && !(entry.optional && entry.libc)
    })
    .map(([path]) => path.slice('node_modules/'.length))
}

/** Whether npm's field os or cpu allows a value: it lists what is allowed, or, with !, what is not. */
function allows(list, value) {
  if (!list?.length) return true
  const refused = list.filter(item => item.startsWith('!'))
  return refused.length ? !refused.includes(`!${value}`) : list.includes(value)
}

/** The files of a tar archive: { path: Buffer }. Reads plain files with short names, which is enough here. */
export function readTar(bytes, want = () => true) {
  const files = {}
  for (let at = 0; at + 512 <= bytes.length && bytes[at] !== 0;) {
    const text = (from, length) => bytes.toString('utf8', at + from, at + from + length).replace(/\0.*$/s, '')
    const prefix = text(257, 5) === 'ustar' ? text(345, 155) : ''
    const path = (prefix ? `${prefix}/` : '') + text(0, 100).replace(/^\.\//, '')
    const size = parseInt(text(124, 12).trim() || '0', 8)
    const type = text(156, 1)
    if ((type === '' || type === '0') && want(path)) files[path] = bytes.subarray(at + 512, at + 512 + size)
    at += 512 + Math.ceil(size / 512) * 512
  }
  return files
}

function say(line) {
  console.log(line)
}

/** Runs a command without printing. Returns { ok, output, stdout }. */
function run(command, args, { env = process.env, timeout = 900_000, cwd = root } = {}) {
  const { status, stdout, stderr, error } = spawnSync(command, args, {
    cwd,
    env,
    timeout,
    encoding: 'utf8',
    maxBuffer: 2 ** 26,
    stdio: ['ignore', 'pipe', 'pipe'],
    shell: process.platform === 'win32' && command === 'npm',
  })
  return {
    ok: status === 0,
    output: `${stdout ?? ''}${stderr ?? ''}${error ? error.message : ''}`.trim(),
    stdout: stdout ?? '',
  }
}

/** Runs npm, by the path that npm gives to its scripts where there is one. */
function npm(args, options) {
  const quiet = [
    '--no-audit',
    '--no-fund',
    '--no-progress',
    '--no-update-notifier',
    '--loglevel=error',
    '--fetch-retries=1',
    '--fetch-retry-mintimeout=1000',
    '--fetch-retry-maxtimeout=5000',
  ]
  const script = process.env.npm_execpath
  return script?.endsWith('npm-cli.js')
    ? run(process.execPath, [script, ...args, ...quiet], options)
    : run('npm', [...args, ...quiet], options)
}

/** Messages of npm when no registry can be reached. */
const OFFLINE = /ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|EHOSTUNREACH|network/

/** Installs the packages of the lock file where node_modules does not match it. */
function installPackages() {
  if (!stalePackages(root).length && dawnEntry(root)) return
  say('setup: installing the npm packages (npm ci) …')
  let { ok, output } = npm(['ci'])
  if (!ok && !OFFLINE.test(output)) ({ ok, output } = npm(['install']))
  if (ok && dawnEntry(root)) return
  const errors = output
    .split('\n')
    .filter(line => line && !/A complete log|npm warn|npm error( +at |  +\w+: |.*[{}]$| errno| syscall)/i.test(line))
    .slice(0, 12)
    .join('\n')
  throw new SetupError(
    [
      ok ? 'the npm package webgpu was not installed' : errors,
      'setup: the npm packages could not be installed — when the npm registry can be reached, run:',
      '  npm ci',
      '  node scripts/setup.js',
    ].join('\n'),
  )
}

/** The commands that install lavapipe on this system. */
export function lavapipeCommands(release = osRelease(), root = process.getuid?.() === 0) {
  const sudo = root ? '' : 'sudo '
  const ids = [release.ID, ...(release.ID_LIKE ?? '').split(' ')]
  if (release.ID === 'debian' && release.VERSION_CODENAME === 'bookworm') {
    const backports = 'deb http://deb.debian.org/debian bookworm-backports main'
    return [
      `echo '${backports}' | ${sudo}tee /etc/apt/sources.list.d/backports.list`,
      `${sudo}apt-get update`,
      `${sudo}apt-get install -y --no-install-recommends -t bookworm-backports mesa-vulkan-drivers libvulkan1`,
    ]
  }
  if (ids.includes('debian') || ids.includes('ubuntu'))
    return [`${sudo}apt-get update`, `${sudo}apt-get install -y --no-install-recommends mesa-vulkan-drivers libvulkan1`]
  if (ids.includes('fedora') || ids.includes('rhel')) return [`${sudo}dnf install -y mesa-vulkan-drivers vulkan-loader`]
  if (ids.includes('arch')) return [`${sudo}pacman -S --needed vulkan-swrast vulkan-icd-loader`]
  if (ids.includes('alpine')) return [`${sudo}apk add mesa-vulkan-swrast vulkan-loader`]
  if (ids.some(id => id.includes('suse'))) return [`${sudo}zypper install -y libvulkan_lvp libvulkan1`]
  return ["# install Mesa's software Vulkan driver (lavapipe) and the Vulkan loader with your package manager"]
}

/** /etc/os-release as an object. */
export function osRelease(file = '/etc/os-release') {
  if (!existsSync(file)) return {}
  const lines = readFileSync(file, 'utf8').matchAll(/^(\w+)=["']?(.*?)["']?$/gm)
  return Object.fromEntries([...lines].map(([, name, value]) => [name, value]))
}

/** The Debian mirror that apt uses, so that backports come from the same place. */
export function debianMirror(folder = '/etc/apt') {
  const lists = [join(folder, 'sources.list')]
  const more = join(folder, 'sources.list.d')
  if (existsSync(more)) lists.push(...readdirSync(more).map(name => join(more, name)))
  for (const list of lists.filter(file => existsSync(file))) {
    const text = readFileSync(list, 'utf8')
    const found = /^deb\s+(?:\[.*?\]\s+)?(\S+\/debian\/?)\s/m.exec(text) ?? /^URIs:\s*(\S+\/debian\/?)\s*$/m.exec(text)
    if (found) return found[1]
  }
  return 'http://deb.debian.org/debian'
}

/** Why apt cannot install anything here, or undefined. */
function noApt() {
  if (process.platform !== 'linux') return 'not Linux'
  if (process.getuid() !== 0) return 'not root'
  return run('apt-get', ['--version']).ok ? undefined : 'no apt-get'
}

function apt(...args) {
  return run(
    'apt-get',
    ['-o', 'Acquire::Retries=1', '-o', 'Acquire::http::Timeout=20', '-o', 'DPkg::Lock::Timeout=120', ...args],
    { env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive', LC_ALL: 'C' } },
  )
}

/** Installs Mesa's lavapipe with apt, as root. Returns why it did not, or undefined. */
function installLavapipe() {
  const without = noApt()
  if (without) return without
  const packages = ['mesa-vulkan-drivers', 'libvulkan1']
  say(`setup: no adapter here, installing Mesa's software driver lavapipe (apt-get install ${packages.join(' ')}) …`)
  const update = apt('update')
  const policy = run('apt-cache', ['policy', packages[0]], { env: { ...process.env, LC_ALL: 'C' } }).output
  const release = osRelease()
  const backports = `${release.VERSION_CODENAME}-backports`
  // Dawn refuses the lavapipe of Mesa 22.3 (Debian 12): it lacks shaderUniform*ArrayDynamicIndexing.
  const old = Number(/Candidate: (?:\d+:)?(\d+)/.exec(policy)?.[1]) < 23
  if (!old || release.ID !== 'debian') {
    const { ok, output } = apt('install', '-y', '--no-install-recommends', ...packages)
    return ok ? undefined : errorOf(output, update.output)
  }
  const source = '/etc/apt/sources.list.d/webgpu-trm-backports.sources'
  const added = !policy.includes(backports)
  if (added) {
    const keyring = '/usr/share/keyrings/debian-archive-keyring.gpg'
    const lines = [
      'Types: deb',
      `URIs: ${debianMirror()}`,
      `Suites: ${backports}`,
      'Components: main',
      ...(existsSync(keyring) ? [`Signed-By: ${keyring}`] : []),
    ]
    try {
      writeFileSync(source, `${lines.join('\n')}\n`)
    } catch (error) {
      return error.message
    }
    apt('update')
  }
  const { ok, output } = apt('install', '-y', '--no-install-recommends', '-t', backports, ...packages)
  if (ok) return undefined
  if (added) rmSync(source, { force: true })
  return errorOf(output, update.output)
}

/** Why apt failed, in a line: a file that it could not fetch, else its last error. */
function errorOf(output, updateOutput) {
  const lines = `${updateOutput}\n${output}`.split('\n')
  return (
    lines.find(line => /^[WE]: Failed to fetch/.test(line)) ??
    lines.findLast(line => line.startsWith('E: ')) ??
    lines.at(-1)
  ).replace(/^[WE]: /, '')
}

/** Fetches SwiftShader from the npm registry into the cache folder. Returns why it did not, or undefined. */
function installSwiftshader() {
  if (process.platform !== 'linux' || process.arch !== 'x64')
    return `no SwiftShader for ${process.platform} ${process.arch}`
  const folder = cacheFolder()
  say(`setup: fetching SwiftShader from the npm registry (${SWIFTSHADER.name}, 68 MB) …`)
  const work = mkdtempSync(join(tmpdir(), 'webgpu-trm-'))
  try {
    const { ok, output } = npm(['pack', SWIFTSHADER.name, '--pack-destination', work, '--cache', join(work, 'npm')], {
      cwd: work,
    })
    if (!ok)
      return (
        /^.*(?:reason:|npm error 404|ENOSPC|EACCES|not found).*$/m.exec(output)?.[0] ?? output.split('\n').at(-1)
      ).replace(/^npm error (network )?/i, '')
    const archive = readdirSync(work).find(name => name.endsWith('.tgz'))
    const packed = readTar(gunzipSync(readFileSync(join(work, archive))), path => path === SWIFTSHADER.file)[
      SWIFTSHADER.file
    ]
    if (!packed || createHash('sha256').update(packed).digest('hex') !== SWIFTSHADER.sha256)
      return `${SWIFTSHADER.name} does not hold the expected ${SWIFTSHADER.file}`
    const files = readTar(brotliDecompressSync(packed), path => SWIFTSHADER.keep.includes(path))
    mkdirSync(dirname(folder), { recursive: true })
    const ready = mkdtempSync(`${folder}-`)
    for (const name of SWIFTSHADER.keep) writeFileSync(join(ready, name), files[name], { mode: 0o755 })
    chmodSync(ready, 0o755)
    rmSync(folder, { recursive: true, force: true })
    renameSync(ready, folder)
    return undefined
  } catch (error) {
    return error.message
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
}

/** Finds an adapter, or installs one: lavapipe where apt may, SwiftShader elsewhere. */
async function readyAdapter() {
  const { entry } = dawnEntry(root)
  const choice = process.env.TRM_ADAPTER || 'auto'
  const search = () => firstAdapter(choice, { entry })
  const use = ({ adapter }) => say(`adapter: ${adapterLine(adapter.info)}`)
  if (choice === 'null') return say('adapter: null — computes nothing, checks kernels only')
  const found = await search()
  if (found.adapter) return use(found)
  const reasons = found.tried.map(({ label, error }) => `${label}: ${error}`)
  const steps = { lavapipe: installLavapipe, swiftshader: installSwiftshader }
  for (const [kind, install] of Object.entries(steps)) {
    if (choice !== 'auto' && choice !== kind) continue
    const failure = install()
    if (failure) {
      reasons.push(`installing ${kind}: ${failure}`)
      continue
    }
    const now = await search()
    if (now.adapter) {
      use(now)
      if (kind === 'swiftshader' && choice === 'auto')
        say(
          `  lavapipe would be 3 to 6 times faster:\n${lavapipeCommands()
            .map(line => `    ${line}`)
            .join('\n')}`,
        )
      return
    }
    reasons.push(...now.tried.map(({ label, error }) => `${label}: ${error}`))
  }
  throw new SetupError(noAdapterMessage([...new Set(reasons)]))
}

/** Installs Debian's Chromium with apt, as root. Returns why it did not, or undefined. */
function installChromium() {
  const without = noApt()
  if (without) return without
  say("setup: no Chromium here, installing Debian's (apt-get install chromium) …")
  const update = apt('update')
  const { ok, output } = apt('install', '-y', '--no-install-recommends', 'chromium')
  return ok ? undefined : errorOf(output, update.output)
}

/** Finds or installs the browser of the tests in a page. Returns a line: which browser it is, or why there is none. */
export function readyBrowser({
  env = process.env,
  find = () => findChromium({ env }),
  install = installChromium,
} = {}) {
  const without = reason =>
    `browser: none — ${reason}: the tests in a page are left out; ` +
    'install the package chromium, or name a Chromium in TRM_CHROMIUM'
  const found = find()
  if (found) return `browser: ${found}`
  if (env.TRM_CHROMIUM) return without(`TRM_CHROMIUM is ${env.TRM_CHROMIUM}`)
  const failure = install()
  const now = find()
  return now ? `browser: ${now}` : without(failure ?? 'the package chromium brought no program that is known')
}

/** What to print where no adapter could be found or installed. */
export function noAdapterMessage(reasons, release = osRelease(), platform = process.platform) {
  const commands =
    platform === 'linux'
      ? lavapipeCommands(release)
      : ['# update the graphics driver: Dawn needs Metal (macOS) or Direct3D 12 (Windows)']
  return [
    'setup: no WebGPU adapter on this machine',
    ...reasons.map(reason => `  ${reason}`),
    ...(platform === 'linux' && hasGpuNodes()
      ? ['  a GPU is there: install its Vulkan driver, or as software:']
      : ['install one:']),
    ...commands.map(command => `  ${command}`),
    'then run again:',
    '  node scripts/setup.js',
  ].join('\n')
}

// By name, not by import.meta.url: bundled into a test, this file's URL is the test's.
if (basename(process.argv[1] ?? '') === 'setup.js') {
  try {
    installPackages()
    if (!process.argv.includes('--packages')) await readyAdapter()
    if (process.argv.includes('--browser')) say(readyBrowser())
  } catch (error) {
    console.error(error instanceof SetupError ? error.message : error)
    process.exitCode = 1
  }
}
