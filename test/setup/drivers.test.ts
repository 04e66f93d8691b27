// The search for Vulkan drivers over a made-up file tree and made-up Dawns; nothing here is read or installed.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import {
  adapterKind,
  adapterLine,
  attemptEnv,
  attempts,
  findDrivers,
  firstAdapter,
  probe,
  type Driver,
} from '../../src/adapters/drivers.js'
import { openGpu } from '../../src/adapters/index.js'
import { openEngine } from '../../src/node.js'

const test = suite('drivers')
let root = ''

test.before.each(() => {
  root = mkdtempSync(join(tmpdir(), 'trm-drivers-'))
})
test.after.each(() => rmSync(root, { recursive: true }))

function place(...paths: string[]) {
  for (const path of paths) {
    mkdirSync(dirname(join(root, path)), { recursive: true })
    writeFileSync(join(root, path), '{}')
  }
}

const home = { HOME: '/home/someone' }
const chromium = ['/usr/lib/chromium/vk_swiftshader_icd.json', '/usr/lib/chromium/libvk_swiftshader.so']
const cached = ['vk_swiftshader_icd.json', 'libvk_swiftshader.so', 'libvulkan.so.1'].map(
  name => `/home/someone/.cache/webgpu-trm/swiftshader/${name}`,
)

test('an empty machine has no drivers', () => {
  assert.equal(findDrivers({ root, env: home }), [])
})

test('drivers are found in every folder of the Vulkan loader, each once, with their kind', () => {
  place(
    '/etc/vulkan/icd.d/nvidia_icd.json',
    '/usr/share/vulkan/icd.d/lvp_icd.json',
    '/usr/local/share/vulkan/icd.d/radeon_icd.json',
    '/opt/x/vulkan/icd.d/own_icd.json',
  )
  const found = findDrivers({ root, env: { ...home, XDG_DATA_DIRS: '/opt/x:/usr/share' } }).map(({ kind, file }) => [
    kind,
    file.slice(root.length),
  ])
  assert.equal(found.sort(), [
    ['hardware', '/etc/vulkan/icd.d/nvidia_icd.json'],
    ['hardware', '/opt/x/vulkan/icd.d/own_icd.json'],
    ['hardware', '/usr/local/share/vulkan/icd.d/radeon_icd.json'],
    ['lavapipe', '/usr/share/vulkan/icd.d/lvp_icd.json'],
  ])
})

test('drivers for another processor are passed over', () => {
  place(
    '/usr/share/vulkan/icd.d/lvp_icd.i686.json',
    '/usr/share/vulkan/icd.d/lvp_icd.x86_64.json',
    '/usr/share/vulkan/icd.d/lvp_icd.aarch64.json',
  )
  assert.match(
    findDrivers({ root, env: home, arch: 'x64' })
      .map(driver => driver.file)
      .join(),
    /^[^,]*lvp_icd\.x86_64\.json$/,
  )
  assert.match(
    findDrivers({ root, env: home, arch: 'arm64' })
      .map(driver => driver.file)
      .join(),
    /^[^,]*lvp_icd\.aarch64\.json$/,
  )
})

test('SwiftShader: the cache before Chromium, with the loader beside it, and never without its library', () => {
  place(...chromium, ...cached, '/usr/lib/chromium-browser/vk_swiftshader_icd.json')
  const found = findDrivers({ root, env: home })
  assert.equal(
    found.map(driver => driver.file),
    [join(root, cached[0]!), join(root, chromium[0]!)],
  )
  assert.equal(
    found.map(driver => driver.loader),
    [join(root, cached[2]!), undefined],
  )
})

const lvp: Driver = { kind: 'lavapipe', file: '/i/lvp_icd.json' }
const gpu: Driver = { kind: 'hardware', file: '/i/nvidia_icd.json' }
const swift: Driver = { kind: 'swiftshader', file: '/c/vk_swiftshader_icd.json', loader: '/c/libvulkan.so.1' }
const linux = { platform: 'linux', env: {}, gpuNodes: false }

test('auto: a GPU alone first, then the system, then SwiftShader', () => {
  const list = attempts('auto', { ...linux, drivers: [lvp, gpu, { ...swift, loader: undefined }], gpuNodes: true })
  assert.equal(
    list.map(({ kind, files }) => [kind, files]),
    [
      ['hardware', [gpu.file]],
      [undefined, undefined],
      ['swiftshader', [swift.file]],
    ],
  )
})

test('auto: without a GPU in the kernel the hardware drivers are not tried alone', () => {
  assert.equal(
    attempts('auto', { ...linux, drivers: [lvp, gpu] }).map(({ files }) => files),
    [undefined],
  )
  assert.equal(attempts('auto', { ...linux, drivers: [] }), [])
})

test('a system without a Vulkan loader gets a second try with the loader that came with SwiftShader', () => {
  const list = attempts('lavapipe', { ...linux, drivers: [lvp, swift] })
  assert.equal(
    list.map(({ files, loader }) => [files, loader]),
    [
      [[lvp.file], undefined],
      [[lvp.file], swift.loader],
    ],
  )
})

test('drivers that the user named are left alone, and so are other systems', () => {
  assert.equal(
    attempts('auto', { ...linux, drivers: [lvp, gpu], env: { VK_DRIVER_FILES: '/mine.json' } }).map(
      ({ files }) => files,
    ),
    [undefined],
  )
  assert.equal(attempts('auto', { platform: 'darwin', env: {}, drivers: [] }).length, 1)
})

test('the loader reads the driver files from both of its variables', () => {
  const env = attemptEnv({ label: '', files: ['/a.json', '/b.json'] }, { PATH: '/bin' })
  assert.equal(env, { PATH: '/bin', VK_DRIVER_FILES: '/a.json:/b.json', VK_ICD_FILENAMES: '/a.json:/b.json' })
})

const llvmpipe = {
  vendor: 'mesa',
  architecture: 'software',
  device: 'llvmpipe-llvm-15-0-6-256-bits-',
  description: 'llvmpipe: Mesa 25.0.7-2~bpo12+1 (LLVM 15.0.6) 0.0.1',
  isFallbackAdapter: true,
}

test('adapters are told apart and named in a line', () => {
  assert.is(adapterLine(llvmpipe, 'linux'), 'llvmpipe: Mesa 25.0.7 (LLVM 15.0.6) — lavapipe, software, Vulkan')
  assert.is(
    adapterKind({
      vendor: 'google',
      architecture: 'swiftshader',
      device: '',
      description: '',
      isFallbackAdapter: true,
    }),
    'swiftshader',
  )
  assert.is(
    adapterKind({ vendor: 'nvidia', architecture: 'hopper', device: '', description: '', isFallbackAdapter: false }),
    'hardware',
  )
  assert.is(
    adapterKind({ vendor: 'microsoft', architecture: 'warp', device: '', description: '', isFallbackAdapter: true }),
    'software',
  )
})

/** A stand-in for the npm package webgpu whose requestAdapter does as told. */
const dawn = (body: string) =>
  `data:text/javascript,${encodeURIComponent(
    `export const globals = {}\nexport const create = () => ({ requestAdapter: async () => { ${body} } })`,
  )}`

test('no adapter, a crash, an error and a hang all count as none, with the reason', async () => {
  const attempt = { label: 'made up' }
  const [none, crash, error, hang] = await Promise.all([
    probe(attempt, { entry: dawn('console.error("Warning: vkCreateInstance: Found no drivers!"); return null') }),
    probe(attempt, {
      entry: dawn('process.kill(process.pid, "SIGSEGV"); await new Promise(() => setTimeout(() => {}, 1e4))'),
    }),
    probe(attempt, { entry: dawn('throw new Error("lost")') }),
    probe(attempt, { entry: dawn('for (;;);'), timeout: 700 }),
  ])
  assert.equal(none, { error: 'vkCreateInstance: Found no drivers!' })
  assert.equal(crash, { error: 'crashed (SIGSEGV)' })
  assert.equal(error, { error: 'lost' })
  assert.equal(hang, { error: 'no answer in 0.7 s' })
})

test('the reasons of all attempts are kept', async () => {
  const found = await firstAdapter('auto', { ...linux, drivers: [lvp, swift], entry: dawn('return null') })
  assert.is(found.adapter, undefined)
  assert.equal(
    found.tried.map(({ label }) => label),
    ['system drivers', 'system drivers, bundled loader', `SwiftShader ${swift.file}`],
  )
})

test('an adapter of another name is refused with the names there are', async () => {
  try {
    await openGpu({ adapter: 'vulkan' as 'auto' })
    assert.unreachable()
  } catch (error) {
    assert.is(
      (error as Error).message,
      "openGpu: adapter 'vulkan' is not known, expected one of auto, hardware, lavapipe, swiftshader, null — " +
        'check the option or TRM_ADAPTER',
    )
  }
})

test('the null backend opens everywhere and says what it is', async () => {
  const { gpu: found, globals, kind, release } = await openGpu({ adapter: 'null' })
  assert.is(kind, 'null')
  assert.is((globals.GPUBufferUsage as { STORAGE: number }).STORAGE, 128)
  assert.ok(await found.requestAdapter())
  release()
})

/** What is opened while TRM_BOUNDS_CHECKS has this value; undefined removes it. */
async function withVariable<T>(value: string | undefined, open: () => Promise<T>): Promise<T> {
  const before = process.env.TRM_BOUNDS_CHECKS
  const set = (value: string | undefined) => {
    if (value === undefined) delete process.env.TRM_BOUNDS_CHECKS
    else process.env.TRM_BOUNDS_CHECKS = value
  }
  set(value)
  try {
    return await open()
  } finally {
    set(before)
  }
}

test('bounds checks are on unless the variable says off, and the option comes before the variable', async () => {
  const checks = async (value: string | undefined, boundsChecks?: boolean) =>
    (await withVariable(value, () => openGpu({ adapter: 'null', boundsChecks }))).boundsChecks
  assert.is(await checks(undefined), true)
  assert.is(await checks(''), true)
  assert.is(await checks('on'), true)
  assert.is(await checks('off'), false)
  assert.is(await checks('off', true), true)
  assert.is(await checks('on', false), false)
})

test('another value of the variable is refused with the values there are', async () => {
  const message = await withVariable('no', () => openGpu({ adapter: 'null' })).then(
    () => 'nothing',
    error => (error as Error).message,
  )
  assert.is(message, "openGpu: TRM_BOUNDS_CHECKS is 'no', expected on or off — correct the variable or unset it")
})

test('the adapter line and the engine say when bounds checks are off', async () => {
  const [on, off] = await withVariable(undefined, () => Promise.all([openGpu(), openGpu({ boundsChecks: false })]))
  assert.is(off.name, `${on.name}, without bounds checks`)
  const engine = await openEngine({ boundsChecks: false })
  assert.is(engine.adapter.boundsChecks, false)
  engine.close()
})

test.run()
