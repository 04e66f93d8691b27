// Opens Dawn in Node with a Vulkan driver that works, and says what this machine has and lacks; never part of a browser bundle.
import { closeSync, constants, existsSync, fstatSync, openSync, readFileSync } from 'node:fs'
import { isatty } from 'node:tty'
import { fileURLToPath } from 'node:url'
import { isMainThread } from 'node:worker_threads'
import {
  adapterKind, adapterLine, attempts, choices, dawnEntry, dawnFeatures, findDrivers, firstAdapter, preload, type AdapterChoice, type AdapterKind, type Attempt,
} from '../scripts/adapters.js'

/** What to open: `auto` takes a GPU, else lavapipe, else SwiftShader; `null` computes nothing and only checks kernels. */
export type Adapter = 'auto' | 'hardware' | 'lavapipe' | 'swiftshader' | 'null'

export interface OpenGpuOptions {
  /** Default: the environment variable TRM_ADAPTER, else 'auto'. */
  adapter?: Adapter
  /** More of Dawn's toggles to enable. */
  features?: string[]
  /** Show what Dawn and the drivers print to stderr while drivers are listed. Default: only where TRM_DAWN_LOG is set. */
  verbose?: boolean
}

export interface OpenedGpu {
  /** As `navigator.gpu` in a browser. */
  gpu: GPU
  /** GPUBufferUsage, GPUMapMode and the like, which Node has no globals for. */
  globals: Record<string, unknown>
  /** What requestAdapter gives: 'software' is a fallback of another name than the two known. */
  kind: 'hardware' | 'lavapipe' | 'swiftshader' | 'software' | 'null'
  /** The adapter in a line, for people. */
  name: string
  /** Lets Dawn go. Only after every device has been destroyed. */
  release(): void
}

interface Dawn {
  create(flags: string[]): GPU
  globals: Record<string, unknown>
}

/** Dawn ends the process when the object that create() returned is collected before its devices are. */
const alive = new Set<GPU>()

/** The variables by which the Vulkan loader picks drivers, as the user set them. */
const loaderVariables = ['VK_DRIVER_FILES', 'VK_ICD_FILENAMES'] as const
const userEnv = { ...process.env }

/**
 * Opens Dawn and returns a GPU object, with the chosen Vulkan driver.
 * Throws, with what was tried and the command that mends it, when there is no such adapter.
 */
export async function openGpu({ adapter, features = [], verbose = Boolean(process.env.TRM_DAWN_LOG) }: OpenGpuOptions = {}): Promise<OpenedGpu> {
  const choice = checkChoice(adapter ?? (process.env.TRM_ADAPTER || 'auto'))
  const { create, globals } = await importDawn()
  const tried: string[] = []
  for (const attempt of attempts(choice, { env: userEnv })) {
    follow(attempt)
    const gpu = create([...(attempt.backend ? [`backend=${attempt.backend}`] : []), `enable-dawn-features=${[...dawnFeatures, ...features].join(',')}`])
    alive.add(gpu)
    const release = () => void alive.delete(gpu)
    if (choice === 'null') return { gpu, globals, kind: 'null', name: 'null backend — computes nothing', release }
    const found = await firstRequest(gpu, verbose)
    const kind = found && adapterKind(found.info)
    if (found && kind && (!attempt.kind || attempt.kind === kind)) return { gpu, globals, kind, name: adapterLine(found.info), release }
    release()
    tried.push(`${attempt.label}: ${kind ? `the adapter is ${kind}` : 'no adapter'}`)
  }
  follow({ label: '' })
  throw new Error(`openGpu: adapter '${choice}' was asked for, this machine has none (${tried.join('; ') || 'no driver found'}) — ${mend(choice)}`)
}

export interface Diagnosis {
  ok: boolean
  system: { platform: string, arch: string, node: string, os: string }
  packages: { name: string, version?: string }[]
  /** Driver files (ICDs) found, best first. */
  drivers: { kind: string, file: string }[]
  /** What each choice gives here, tried in a child process. */
  adapters: { choice: Adapter, kind?: AdapterKind, name?: string, driver?: string, features?: string[], limits?: Record<string, number>, error?: string }[]
  /** The adapter that openGpu would take now; null where there is none. */
  chosen: Diagnosis['adapters'][number] | null
  missing: { what: string, command: string }[]
}

/**
 * What `trm doctor` prints: packages, drivers found, adapter info, limits, features, what is missing and the command that mends it.
 * Each choice is probed in a child process of its own, so a driver that crashes or hangs does no harm.
 */
export async function diagnose({ adapter, all = true }: { adapter?: Adapter, /** Also try the choices that were not asked for. */ all?: boolean } = {}): Promise<Diagnosis> {
  const choice = checkChoice(adapter ?? (process.env.TRM_ADAPTER || 'auto'))
  const missing: Diagnosis['missing'] = []
  const dawn = dawnEntry(fileURLToPath(new URL('.', import.meta.url))) ?? dawnEntry(process.cwd())
  if (!dawn) missing.push({ what: 'the npm package webgpu (Dawn)', command: 'npm install webgpu' })
  const [major, minor] = process.versions.node.split('.').map(Number)
  if (major! < 20) missing.push({ what: `Node 20 or later (this is ${major}.${minor})`, command: 'install it from nodejs.org or your package manager' })
  const adapters: Diagnosis['adapters'] = []
  const others: Adapter[] = all && process.platform === 'linux' ? ['hardware', 'lavapipe', 'swiftshader'] : []
  for (const each of new Set([choice, ...others])) {
    if (!dawn) break
    if (each === 'null') {
      adapters.push({ choice: each, name: 'null backend — computes nothing' })
      continue
    }
    const { adapter: found, attempt, tried } = await firstAdapter(each, { entry: dawn.entry, env: userEnv })
    adapters.push(found
      ? { choice: each, kind: found.kind, name: adapterLine(found.info), driver: attempt?.files?.join(':') ?? attempt?.label, features: found.features, limits: found.limits }
      : { choice: each, error: tried.map(({ label, error }) => `${label}: ${error}`).join('; ') || 'no driver found' })
  }
  const chosen = adapters.find(each => each.choice === choice && each.name) ?? null
  if (dawn && !chosen) missing.push({ what: `a WebGPU adapter (${choice})`, command: mend(choice) })
  return {
    ok: missing.length === 0,
    system: { platform: process.platform, arch: process.arch, node: process.versions.node, os: osName() },
    packages: [{ name: 'webgpu', ...(dawn && { version: dawn.version }) }],
    drivers: process.platform === 'linux' ? findDrivers({ env: userEnv }).map(({ kind, file }) => ({ kind, file })) : [],
    adapters,
    chosen,
    missing,
  }
}

/** The diagnosis as lines for a terminal. */
export function formatDiagnosis({ system, packages, drivers, adapters, chosen, missing }: Diagnosis): string {
  const size = (bytes: number | undefined) => (bytes === undefined ? '?' : bytes >= 2 ** 30 ? `${+(bytes / 2 ** 30).toFixed(1)} GiB` : `${+(bytes / 2 ** 20).toFixed(1)} MiB`)
  const { limits = {}, features = [] } = chosen ?? {}
  return [
    `system    ${system.os}, ${system.platform} ${system.arch}, Node ${system.node}`,
    ...packages.map(({ name, version }) => `package   ${name} ${version ?? 'is missing'}`),
    ...drivers.map(({ kind, file }) => `driver    ${file} (${kind})`),
    ...adapters.map(({ choice, name, error }) => `${choice.padEnd(11)} ${name ?? `– ${error}`}`),
    ...(chosen?.limits
      ? [
          `limits    one binding ${size(limits.maxStorageBufferBindingSize)}, one buffer ${size(limits.maxBufferSize)}, ${limits.maxComputeInvocationsPerWorkgroup} invocations and ${(limits.maxComputeWorkgroupStorageSize ?? 0) / 1024} KiB a workgroup`,
          `features  ${['shader-f16', 'subgroups', 'timestamp-query', 'chromium-experimental-subgroup-matrix'].map(name => `${name} ${features.includes(name) ? 'yes' : 'no'}`).join(', ')}`,
        ]
      : []),
    ...missing.map(({ what, command }) => `missing   ${what}\n  mend it with: ${command}`),
    chosen ? `adapter: ${chosen.name}` : 'adapter: none',
  ].join('\n')
}

function checkChoice(choice: string): AdapterChoice {
  if ((choices as string[]).includes(choice)) return choice as AdapterChoice
  throw new Error(`openGpu: adapter '${choice}' is not known, expected one of ${choices.join(', ')} — check the option or TRM_ADAPTER`)
}

async function importDawn(): Promise<Dawn> {
  try {
    return await import('webgpu') as unknown as Dawn
  } catch (error) {
    const missing = (error as NodeJS.ErrnoException).code === 'ERR_MODULE_NOT_FOUND'
    throw new Error(`openGpu: the npm package webgpu (Dawn) ${missing ? 'is not installed' : `does not load: ${(error as Error).message}`} — npm install webgpu`, { cause: error })
  }
}

/** Sets the loader's variables as the attempt wants them: what the user set, unless it names files. */
function follow({ files, loader }: Attempt): void {
  for (const name of loaderVariables) {
    const value = files?.join(':') ?? userEnv[name]
    if (value === undefined) delete process.env[name]
    else process.env[name] = value
  }
  if (loader) preload(loader)
}

/** The command that brings the adapter that is missing. */
function mend(choice: string): string {
  if (process.platform !== 'linux') return 'update the graphics driver'
  if (choice === 'hardware') return 'install the Vulkan driver of your GPU, or leave TRM_ADAPTER unset for a software adapter'
  const script = ['../scripts/setup.js', './scripts/setup.js', '../../scripts/setup.js'].map(path => fileURLToPath(new URL(path, import.meta.url))).find(path => existsSync(path))
  return `${choice === 'auto' ? '' : `TRM_ADAPTER=${choice} `}node ${script ?? 'scripts/setup.js'}`
}

function osName(): string {
  try {
    return /^PRETTY_NAME="?(.*?)"?$/m.exec(readFileSync('/etc/os-release', 'utf8'))?.[1] ?? process.platform
  } catch {
    return process.platform
  }
}

/**
 * The first request is where Dawn and the Vulkan loader list the drivers and write warnings of no use to a user straight to
 * file descriptor 2; that work is done when the call returns, only the promise settles later. Further requests are silent.
 */
async function firstRequest(gpu: GPU, verbose: boolean): Promise<GPUAdapter | null> {
  const restore = verbose ? () => {} : muteStderr()
  let request: Promise<GPUAdapter | null>
  try {
    request = gpu.requestAdapter({ powerPreference: 'high-performance' })
  } finally {
    restore()
  }
  return await request.catch(() => null)
}

/**
 * Points file descriptor 2 at /dev/null until the returned function is called. Dawn has no switch for its log, and Node no dup2,
 * so descriptor 2 is closed and opened again: done only where nothing else can take its number in between (main thread, no
 * pending file work) and where opening it again gives the same thing (a terminal, a pipe with a reader, a file in append mode).
 */
function muteStderr(): () => void {
  const keep = () => {}
  if (process.platform !== 'linux' || !isMainThread) return keep
  if (process.getActiveResourcesInfo().some(name => /Req/.test(name) && !/^(Close|Write|Shutdown)/.test(name))) return keep
  let again: number
  let spare: number
  try {
    fstatSync(0)
    fstatSync(1)
    const kind = fstatSync(2)
    const isAppended = () => Boolean(parseInt(/^flags:\s*(\d+)/m.exec(readFileSync('/proc/self/fdinfo/2', 'utf8'))![1]!, 8) & constants.O_APPEND)
    if (!isatty(2) && !kind.isFIFO() && !(kind.isFile() && isAppended())) return keep
    // A pipe whose reader has gone would block; without blocking, the open fails instead.
    again = constants.O_WRONLY | constants.O_APPEND | constants.O_NOCTTY | (kind.isFIFO() ? constants.O_NONBLOCK : 0)
    spare = openSync('/proc/self/fd/2', again)
  } catch {
    return keep
  }
  closeSync(2)
  openSync('/dev/null', 'w')
  return () => {
    closeSync(2)
    try {
      openSync(`/proc/self/fd/${spare}`, again)
    } catch {
      openSync('/dev/null', 'w')
    }
    closeSync(spare)
  }
}
