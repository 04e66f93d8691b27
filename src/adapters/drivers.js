// Finds the Vulkan drivers of this machine, and tries Dawn on them in child processes.
//   Plain JavaScript on Node's built-ins: scripts/setup.js runs it before anything is installed or built.
import { execFile } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { constants, homedir } from 'node:os'
import { basename, dirname, join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'

/** Adapters that one can ask for. */
export const CHOICES = ['auto', 'hardware', 'lavapipe', 'swiftshader', 'null']

/** Toggles of Dawn for features that kernels can use and that it hides otherwise. */
export const DAWN_FEATURES = ['allow_unsafe_apis', 'vulkan_enable_f16_on_nvidia']

/** The folder of the SwiftShader that setup.js downloads. */
export function cacheFolder(env = process.env) {
  return join(env.XDG_CACHE_HOME || join(env.HOME || homedir(), '.cache'), 'webgpu-trm', 'swiftshader')
}

/** The folders in which the Vulkan loader looks for drivers, in its order. */
export function driverFolders(env = process.env) {
  const list = value => (value ?? '').split(':').filter(Boolean)
  const home = env.HOME || homedir()
  const bases = [
    env.XDG_CONFIG_HOME || join(home, '.config'),
    ...(list(env.XDG_CONFIG_DIRS).length ? list(env.XDG_CONFIG_DIRS) : ['/etc/xdg']),
    '/etc',
    env.XDG_DATA_HOME || join(home, '.local/share'),
    ...(list(env.XDG_DATA_DIRS).length ? list(env.XDG_DATA_DIRS) : ['/usr/local/share', '/usr/share']),
    '/usr/local/share',
    '/usr/share',
    '/run/opengl-driver/share',
  ]
  return [...new Set(bases)].map(base => join(base, 'vulkan/icd.d'))
}

/** File names of the software drivers. */
const SOFTWARE = { lavapipe: /^lvp_icd/, swiftshader: /swiftshader/ }

/** The kind of a driver file by its name: 'lavapipe', 'swiftshader' or 'hardware'. */
export function driverKind(file) {
  return Object.keys(SOFTWARE).find(kind => SOFTWARE[kind].test(basename(file))) ?? 'hardware'
}

/**
 * Every Vulkan driver file (ICD) found: [{ kind, file, loader? }]. `loader` is a libvulkan.so.1 in the same folder.
 * `root` replaces / (for tests).
 */
export function findDrivers({ root = '/', env = process.env, arch = process.arch } = {}) {
  const found = []
  const at = path => join(root, path)
  const add = file => {
    if (found.some(driver => driver.file === file)) return
    const loader = join(dirname(file), 'libvulkan.so.1')
    found.push({ kind: driverKind(file), file, ...(existsSync(loader) && { loader }) })
  }
  for (const folder of driverFolders(env).map(at)) {
    if (!existsSync(folder)) continue
    for (const name of readdirSync(folder).sort())
      if (name.endsWith('.json') && suits(name, arch)) add(join(folder, name))
  }
  for (const folder of [
    cacheFolder(env),
    '/usr/lib/chromium',
    '/usr/lib64/chromium-browser',
    '/usr/lib/chromium-browser',
    '/opt/google/chrome',
  ]) {
    const file = at(join(folder, 'vk_swiftshader_icd.json'))
    if (existsSync(file) && existsSync(join(dirname(file), 'libvk_swiftshader.so'))) add(file)
  }
  return found
}

/** Whether a driver is for this machine: some systems have lvp_icd.x86_64.json beside lvp_icd.i686.json. */
function suits(name, arch) {
  const machine = /\.(x86_64|i[3-6]86|aarch64|arm\w*|riscv64|ppc64le|s390x)\.json$/.exec(name)?.[1]
  return !machine || machine === { x64: 'x86_64', arm64: 'aarch64' }[arch]
}

/**
 * The ways to open Dawn for a choice, best first: [{ label, kind?, files?, loader?, backend? }].
 * `files` go into VK_DRIVER_FILES; without them the Vulkan loader sees all drivers of the system.
 * `kind`, where given, is what the adapter must turn out to be.
 */
export function attempts(
  choice = 'auto',
  { drivers = findDrivers(), env = process.env, platform = process.platform, gpuNodes = hasGpuNodes() } = {},
) {
  if (choice === 'null') return [{ label: 'null backend', backend: 'null' }]
  const bundled = drivers.find(driver => driver.loader)?.loader
  const named = env.VK_DRIVER_FILES || env.VK_ICD_FILENAMES
  const of = kind => drivers.filter(driver => driver.kind === kind)
  const swiftshader = of('swiftshader').map(({ file, loader }) => ({
    label: `SwiftShader ${file}`,
    kind: 'swiftshader',
    files: [file],
    ...(loader && { loader }),
  }))
  // The second of each pair is for systems with a driver but no Vulkan loader.
  const system = attempt => [
    attempt,
    ...(bundled ? [{ ...attempt, label: `${attempt.label}, bundled loader`, loader: bundled }] : []),
  ]
  switch (choice) {
    case 'auto':
      if (platform !== 'linux') return [{ label: 'system' }]
      if (named) return system({ label: `drivers named in the environment (${named})` })
      return [
        // First without other drivers, so that no software driver can be picked instead.
        ...(gpuNodes ? attempts('hardware', { drivers, env, platform, gpuNodes }) : []),
        ...(drivers.some(driver => driver.kind !== 'swiftshader') ? system({ label: 'system drivers' }) : []),
        ...swiftshader,
      ]
    case 'hardware':
      if (platform !== 'linux') return [{ label: 'system', kind: 'hardware' }]
      if (named) return system({ label: `drivers named in the environment (${named})`, kind: 'hardware' })
      return of('hardware').length
        ? system({ label: 'hardware drivers', kind: 'hardware', files: of('hardware').map(driver => driver.file) })
        : []
    case 'lavapipe':
      return of('lavapipe').flatMap(({ file }) =>
        system({ label: `lavapipe ${file}`, kind: 'lavapipe', files: [file] }),
      )
    case 'swiftshader':
      return swiftshader
    default:
      throw new Error(
        `openGpu: adapter '${choice}' is not known, expected one of ${CHOICES.join(', ')} ` + '— check TRM_ADAPTER',
      )
  }
}

/** Whether the system has a device file of any GPU: /dev/dri, NVIDIA's, WSL's. */
export function hasGpuNodes() {
  return ['/dev/dri', '/dev/nvidiactl', '/dev/dxg'].some(path => existsSync(path))
}

/** Linux's RTLD_NODELETE: the library stays in memory when Node, which finds no add-on in it, closes it and throws. */
const NO_DELETE = 0x1000
const DLOPEN_FLAGS = constants.dlopen.RTLD_NOW | (constants.dlopen.RTLD_GLOBAL ?? 0) | NO_DELETE

/** Makes later dlopens of libvulkan.so.1 find this file: LD_LIBRARY_PATH is read only when a process starts. */
export function preload(loader) {
  try {
    process.dlopen({ exports: {} }, loader, DLOPEN_FLAGS)
  } catch {}
}

/** 'hardware', 'lavapipe', 'swiftshader', or 'software' for any other fallback, from GPUAdapterInfo. */
export function adapterKind(info) {
  const words = `${info.vendor} ${info.architecture} ${info.device} ${info.description}`.toLowerCase()
  if (words.includes('llvmpipe')) return 'lavapipe'
  if (words.includes('swiftshader')) return 'swiftshader'
  return info.isFallbackAdapter ? 'software' : 'hardware'
}

/** One line on an adapter: `llvmpipe: Mesa 25.0.7 (LLVM 19.1.7) — lavapipe, software, Vulkan`. */
export function adapterLine(info, platform = process.platform) {
  const kind = adapterKind(info)
  const name = (info.description || info.device || info.vendor || 'unnamed')
    .replace(/(\d)-\S+/g, '$1')
    .replace(/ 0\.0\.1$/, '')
  const api = { darwin: 'Metal', win32: 'Direct3D 12' }[platform] ?? 'Vulkan'
  const words = {
    hardware: 'hardware',
    lavapipe: 'lavapipe, software',
    swiftshader: 'SwiftShader, software',
    software: 'software',
  }
  return `${name} — ${words[kind]}, ${api}`
}

/** The environment of a process that opens Dawn by an attempt. */
export function attemptEnv(attempt, env = process.env) {
  return attempt.files
    ? { ...env, VK_DRIVER_FILES: attempt.files.join(':'), VK_ICD_FILENAMES: attempt.files.join(':') }
    : env
}

/** Runs in the child: opens the adapter and lets it add two numbers, because a driver may list itself and then fail. */
const PROBE = `
const [entry, flags, loader] = process.argv.slice(1)
if (loader) try { process.dlopen({ exports: {} }, loader, ${DLOPEN_FLAGS}) } catch {}
const { create, globals } = await import(entry)
globalThis.gpu = create(JSON.parse(flags))
const adapter = await gpu.requestAdapter({ powerPreference: 'high-performance' })
if (adapter) {
  const plain = (object, names) => Object.fromEntries(names.map(name => [name, object[name]]))
  const names = new Set(Object.getOwnPropertyNames(Object.getPrototypeOf(adapter.limits)))
  const limits = [...names].filter(name => typeof adapter.limits[name] === 'number')
  const words = ['vendor', 'architecture', 'device', 'description']
  const answer = {
    info: plain(adapter.info, [...words, 'subgroupMinSize', 'subgroupMaxSize', 'isFallbackAdapter']),
    subgroupMatrices: adapter.info.subgroupMatrixConfigs?.length ?? 0,
    features: [...adapter.features].sort(),
    limits: plain(adapter.limits, limits),
  }
  const { GPUBufferUsage: usage, GPUMapMode } = globals
  const device = await adapter.requestDevice()
  const data = device.createBuffer({ size: 4, usage: usage.STORAGE | usage.COPY_SRC | usage.COPY_DST })
  const read = device.createBuffer({ size: 4, usage: usage.MAP_READ | usage.COPY_DST })
  device.queue.writeBuffer(data, 0, new Float32Array([1]))
  const code =
    '@group(0) @binding(0) var<storage, read_write> x: array<f32>;' +
    '@compute @workgroup_size(1) fn main() { x[0] += 1; }'
  const module = device.createShaderModule({ code })
  const pipeline = await device.createComputePipelineAsync({ layout: 'auto', compute: { module } })
  const encoder = device.createCommandEncoder()
  const pass = encoder.beginComputePass()
  pass.setPipeline(pipeline)
  const entries = [{ binding: 0, resource: { buffer: data } }]
  pass.setBindGroup(0, device.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries }))
  pass.dispatchWorkgroups(1)
  pass.end()
  encoder.copyBufferToBuffer(data, 0, read, 0, 4)
  device.queue.submit([encoder.finish()])
  await read.mapAsync(GPUMapMode.READ)
  const sum = new Float32Array(read.getMappedRange())[0]
  if (sum !== 2) throw new Error('1 + 1 gave ' + sum)
  read.unmap()
  device.destroy()
  process.stdout.write(JSON.stringify(answer))
}
`

/**
 * Opens Dawn in a child process by an attempt. A crash, a wrong sum or a hang counts as no adapter.
 * `entry` is the file URL of the npm package webgpu.
 * @returns {Promise<{ adapter?: { kind, info, subgroupMatrices, features, limits }, error?: string }>}
 */
export function probe(attempt, { entry, env = process.env, timeout = 20_000 }) {
  const flags = attempt.backend ? [`backend=${attempt.backend}`] : [`enable-dawn-features=${DAWN_FEATURES.join(',')}`]
  const args = [
    '--input-type=module',
    '-e',
    PROBE,
    entry,
    JSON.stringify(flags),
    ...(attempt.loader ? [attempt.loader] : []),
  ]
  const { NODE_OPTIONS: _options, ...childEnv } = attemptEnv(attempt, env)
  return new Promise(settle => {
    execFile(
      process.execPath,
      args,
      { env: childEnv, timeout, killSignal: 'SIGKILL', maxBuffer: 2 ** 24 },
      (failure, stdout, stderr) => {
        if (failure) {
          const why = failure.killed
            ? `no answer in ${timeout / 1000} s`
            : failure.signal
              ? `crashed (${failure.signal})`
              : errorLine(stderr) || failure.message
          return settle({ error: why })
        }
        if (!stdout) return settle({ error: errorLine(stderr) || 'no adapter' })
        const adapter = JSON.parse(stdout)
        const kind = adapterKind(adapter.info)
        if (attempt.kind && attempt.kind !== kind)
          return settle({ error: `the adapter is ${kind}, not ${attempt.kind}` })
        settle({ adapter: { kind, ...adapter } })
      },
    )
  })
}

/** The line of a driver's output that gives the reason: the last error or warning. */
function errorLine(stderr) {
  const lines = stderr.split('\n').map(line => line.trim())
  return lines.findLast(line => /^\w*Error: |^Warning: |^Error: /.test(line))?.replace(/^(Error|Warning): /, '')
}

/** Probes the attempts in turn: { attempt, adapter, tried } of the first that works, or only { tried }. */
export async function firstAdapter(choice, options) {
  const tried = []
  for (const attempt of attempts(choice, options)) {
    const { adapter, error } = await probe(attempt, options)
    if (adapter) return { attempt, adapter, tried }
    tried.push({ label: attempt.label, error })
  }
  return { tried }
}

/** The file URL of the npm package webgpu as seen from `root`, or undefined. */
export function dawnEntry(root) {
  for (let folder = resolve(root); ; folder = dirname(folder)) {
    const file = join(folder, 'node_modules/webgpu/package.json')
    if (existsSync(file)) {
      const { main = 'index.js', version } = JSON.parse(readFileSync(file, 'utf8'))
      return { entry: pathToFileURL(join(dirname(file), main)).href, version }
    }
    if (folder === dirname(folder)) return undefined
  }
}
