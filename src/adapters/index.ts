// Opens Dawn in Node with a Vulkan driver that works, and says what this machine has and lacks; never part of a browser bundle.
import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import {
  adapterKind,
  adapterLine,
  attempts,
  choices,
  dawnEntry,
  dawnFeatures,
  findDrivers,
  firstAdapter,
  preload,
  type AdapterChoice,
  type Attempt,
} from './drivers.js'
import { muteStderr } from './stderr.js'
import { withoutChecks } from '../formats/human.js'

/** What to open: `auto` takes a GPU, else lavapipe, else SwiftShader; `null` computes nothing and only checks kernels. */
export type Adapter = 'auto' | 'hardware' | 'lavapipe' | 'swiftshader' | 'null'

export interface OpenGpuOptions {
  /** Default: the environment variable TRM_ADAPTER, else 'auto'. */
  adapter?: Adapter
  /**
   * Whether Dawn keeps kernels within their tensors; without (its toggle `disable_robustness`) products are up to a fifth faster on GPUs.
   * Then a kernel, one of your own too, that indexes outside of a tensor reads or overwrites whatever lies there, or loses the device.
   * Default: the environment variable TRM_BOUNDS_CHECKS (on, off), else on, on every adapter: test/bounds.long.test.ts shows that this
   * package's kernels stay inside, but not those for subgroup matrices, which no software adapter runs, and nobody has tested yours.
   */
  boundsChecks?: boolean
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
  boundsChecks: boolean
  /** Says that the caller is done. Dawn stays in memory for the next opening: freed with events pending, it hangs the process. */
  release(): void
}

interface Dawn {
  create(flags: string[]): GPU
  globals: Record<string, unknown>
}

interface Opened {
  gpu: GPU
  info: GPUAdapterInfo | null
}

/**
 * What create() returned, by its flags and drivers, for the life of the process. Dawn crashes when that object is collected
 * before its devices, and hangs when it is collected with events pending, so it is never let go; a second opening reuses it.
 */
const opened = new Map<string, Promise<Opened>>()

/** The variables by which the Vulkan loader picks drivers. */
const loaderVariables = ['VK_DRIVER_FILES', 'VK_ICD_FILENAMES'] as const

/**
 * Opens Dawn and returns a GPU object, with the chosen Vulkan driver.
 * Throws, with what was tried and the command that mends it, when there is no such adapter.
 */
export async function openGpu({
  adapter,
  boundsChecks = checksByDefault(),
  features = [],
  verbose = Boolean(process.env.TRM_DAWN_LOG),
}: OpenGpuOptions = {}): Promise<OpenedGpu> {
  const choice = checkChoice(adapter ?? (process.env.TRM_ADAPTER || 'auto'))
  const dawn = await importDawn()
  const { globals } = dawn
  const release = () => {}
  const toggles = `enable-dawn-features=${[...dawnFeatures, ...(boundsChecks ? [] : ['disable_robustness']), ...features].join(',')}`
  if (choice === 'null') {
    const { gpu } = await open(dawn, ['backend=null', toggles], { label: '' }, true)
    return { gpu, globals, kind: 'null', name: 'null backend — computes nothing', boundsChecks, release }
  }
  const tried: string[] = []
  for (const attempt of attempts(choice)) {
    const { gpu, info } = await open(dawn, [toggles], attempt, verbose)
    const kind = info && adapterKind(info)
    if (info && kind && (!attempt.kind || attempt.kind === kind))
      return { gpu, globals, kind, name: `${adapterLine(info)}${withoutChecks(boundsChecks)}`, boundsChecks, release }
    tried.push(`${attempt.label}: ${kind ? `the adapter is ${kind}` : 'no adapter'}`)
  }
  throw new Error(
    `openGpu: adapter '${choice}' was asked for, this machine has none (${tried.join('; ') || 'no driver found'}) — ${mend(choice)}`,
  )
}

/** Opens Dawn once for these flags and drivers. `info` is null where they give no adapter. */
function open(dawn: Dawn, flags: string[], attempt: Attempt, verbose: boolean): Promise<Opened> {
  const key = JSON.stringify([flags, attempt.files, attempt.loader])
  const known = opened.get(key)
  if (known) return known
  // The drivers are listed within the first requestAdapter call: no await before it, so that no other opening sets other drivers.
  const restore = follow(attempt)
  const unmute = verbose ? () => {} : muteStderr()
  try {
    const gpu = dawn.create(flags)
    const request = gpu.requestAdapter({ powerPreference: 'high-performance' })
    const result = request.then(
      adapter => ({ gpu, info: adapter?.info ?? null }),
      () => ({ gpu, info: null }),
    )
    opened.set(key, result)
    return result
  } finally {
    unmute()
    restore()
  }
}

export interface Diagnosis {
  ok: boolean
  system: { platform: string; arch: string; node: string; os: string }
  packages: { name: string; version?: string }[]
  /** Driver files (ICDs) found, best first. */
  drivers: { kind: string; file: string }[]
  /** What each choice gives here, tried in a child process. */
  adapters: {
    choice: Adapter
    kind?: Exclude<OpenedGpu['kind'], 'null'>
    name?: string
    driver?: string
    features?: string[]
    limits?: Record<string, number>
    error?: string
  }[]
  /** The adapter that openGpu would take now; null where there is none. */
  chosen: Diagnosis['adapters'][number] | null
  /** Whether it would keep kernels within their tensors. */
  boundsChecks: boolean
  missing: { what: string; command: string }[]
}

/**
 * What `trm doctor` prints: packages, drivers found, adapter info, limits, features, what is missing and the command that mends it.
 * Each choice is probed in a child process of its own, so a driver that crashes or hangs does no harm.
 */
export async function diagnose({
  adapter,
  boundsChecks = checksByDefault(),
  all = true,
}: {
  adapter?: Adapter
  boundsChecks?: boolean
  /** Also try the choices that were not asked for. */ all?: boolean
} = {}): Promise<Diagnosis> {
  const choice = checkChoice(adapter ?? (process.env.TRM_ADAPTER || 'auto'))
  const missing: Diagnosis['missing'] = []
  const dawn = dawnEntry(fileURLToPath(new URL('.', import.meta.url))) ?? dawnEntry(process.cwd())
  if (!dawn) missing.push({ what: 'the npm package webgpu (Dawn)', command: 'npm install webgpu' })
  const [major, minor] = process.versions.node.split('.').map(Number)
  if (major! < 20)
    missing.push({
      what: `Node 20 or later (this is ${major}.${minor})`,
      command: 'install it from nodejs.org or your package manager',
    })
  const adapters: Diagnosis['adapters'] = []
  const others: Adapter[] = all && process.platform === 'linux' ? ['hardware', 'lavapipe', 'swiftshader'] : []
  for (const each of new Set([choice, ...others])) {
    if (!dawn) break
    if (each === 'null') {
      adapters.push({ choice: each, name: 'null backend — computes nothing' })
      continue
    }
    const { adapter: found, attempt, tried } = await firstAdapter(each, { entry: dawn.entry })
    adapters.push(
      found
        ? {
            choice: each,
            kind: found.kind,
            name: adapterLine(found.info),
            driver: attempt?.files?.join(':') ?? attempt?.label,
            features: found.features,
            limits: found.limits,
          }
        : {
            choice: each,
            error: tried.map(({ label, error }) => `${label}: ${error}`).join('; ') || 'no driver found',
          },
    )
  }
  const chosen = adapters.find(each => each.choice === choice && each.name) ?? null
  if (dawn && !chosen) missing.push({ what: `a WebGPU adapter (${choice})`, command: mend(choice) })
  return {
    ok: missing.length === 0,
    system: { platform: process.platform, arch: process.arch, node: process.versions.node, os: osName() },
    packages: [{ name: 'webgpu', ...(dawn && { version: dawn.version }) }],
    drivers: process.platform === 'linux' ? findDrivers().map(({ kind, file }) => ({ kind, file })) : [],
    adapters,
    chosen,
    boundsChecks,
    missing,
  }
}

/** The diagnosis as lines for a terminal. */
export function formatDiagnosis({
  system,
  packages,
  drivers,
  adapters,
  chosen,
  boundsChecks,
  missing,
}: Diagnosis): string {
  const size = (bytes: number | undefined) =>
    bytes === undefined
      ? '?'
      : bytes >= 2 ** 30
        ? `${+(bytes / 2 ** 30).toFixed(1)} GiB`
        : `${+(bytes / 2 ** 20).toFixed(1)} MiB`
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
    chosen ? `adapter: ${chosen.name}${withoutChecks(boundsChecks)}` : 'adapter: none',
  ].join('\n')
}

/** Values of TRM_BOUNDS_CHECKS. */
export const BOUNDS_CHECKS = ['on', 'off'] as const

function checksByDefault(): boolean {
  const { TRM_BOUNDS_CHECKS: asked = '' } = process.env
  if (asked !== '' && !(BOUNDS_CHECKS as readonly string[]).includes(asked))
    throw new Error(
      `openGpu: TRM_BOUNDS_CHECKS is '${asked}', expected ${BOUNDS_CHECKS.join(' or ')} — mend the variable or unset it`,
    )
  return asked !== 'off'
}

function checkChoice(choice: string): AdapterChoice {
  if ((choices as string[]).includes(choice)) return choice as AdapterChoice
  throw new Error(
    `openGpu: adapter '${choice}' is not known, expected one of ${choices.join(', ')} — check the option or TRM_ADAPTER`,
  )
}

async function importDawn(): Promise<Dawn> {
  try {
    return (await import('webgpu')) as unknown as Dawn
  } catch (error) {
    const missing = (error as NodeJS.ErrnoException).code === 'ERR_MODULE_NOT_FOUND'
    throw new Error(
      `openGpu: the npm package webgpu (Dawn) ${missing ? 'is not installed' : `does not load: ${(error as Error).message}`} — npm install webgpu`,
      { cause: error },
    )
  }
}

/** Sets the Vulkan loader's variables as the attempt wants them; the returned function takes that back. */
function follow({ files, loader }: Attempt): () => void {
  if (loader) preload(loader)
  if (!files) return () => {}
  const before = loaderVariables.map(name => process.env[name])
  for (const name of loaderVariables) process.env[name] = files.join(':')
  return () =>
    loaderVariables.forEach((name, i) => {
      if (before[i] === undefined) delete process.env[name]
      else process.env[name] = before[i]
    })
}

/** The command that brings the adapter that is missing. */
function mend(choice: string): string {
  if (process.platform !== 'linux') return 'update the graphics driver'
  if (choice === 'hardware')
    return 'install the Vulkan driver of your GPU, or leave TRM_ADAPTER unset for a software adapter'
  const script = ['../scripts/setup.js', './scripts/setup.js', '../../scripts/setup.js']
    .map(path => fileURLToPath(new URL(path, import.meta.url)))
    .find(path => existsSync(path))
  return `${choice === 'auto' ? '' : `TRM_ADAPTER=${choice} `}node ${script ?? 'scripts/setup.js'}`
}

function osName(): string {
  try {
    return /^PRETTY_NAME="?(.*?)"?$/m.exec(readFileSync('/etc/os-release', 'utf8'))?.[1] ?? process.platform
  } catch {
    return process.platform
  }
}
