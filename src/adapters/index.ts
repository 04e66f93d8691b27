// Opens Dawn in Node with a Vulkan driver that works; never part of a browser bundle.
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { CHOICES, adapterKind, adapterLine, attempts, DAWN_FEATURES, preload, type Attempt } from './drivers.js'
import { muteStderr } from './stderr.js'
import { withoutChecks } from '../formats/human.js'

/** What to open: `auto` takes a GPU, else lavapipe, else SwiftShader; `null` checks kernels and computes nothing. */
export type Adapter = 'auto' | 'hardware' | 'lavapipe' | 'swiftshader' | 'null'

export interface OpenGpuOptions {
  /** Default: the environment variable TRM_ADAPTER, else 'auto'. */
  adapter?: Adapter
  /**
   * Whether Dawn keeps kernels within their tensors. Without these checks (Dawn's toggle `disable_robustness`),
   * matrix products are up to a fifth faster on GPUs. But a kernel that indexes outside a tensor then reads or
   * overwrites other memory, or loses the device; this holds for your own kernels too.
   * Default: the environment variable TRM_BOUNDS_CHECKS (on, off), else on, on every adapter. test/bounds.long.test.ts
   * shows that this package's kernels stay inside. It cannot test the kernels for subgroup matrices, which no software
   * adapter runs.
   */
  boundsChecks?: boolean
  /** Further toggles of Dawn to enable. */
  features?: string[]
  /** Show what Dawn and the drivers print to stderr while they start. Default: whether TRM_DAWN_LOG is set. */
  verbose?: boolean
}

export interface OpenedGpu {
  /** What `navigator.gpu` is in a browser. */
  gpu: GPU
  /** GPUBufferUsage, GPUMapMode and other names that are globals in a browser. */
  globals: Record<string, unknown>
  /** Kind of the adapter; 'software' is a fallback adapter other than lavapipe and SwiftShader. */
  kind: 'hardware' | 'lavapipe' | 'swiftshader' | 'software' | 'null'
  /** The adapter in a line, for people. */
  name: string
  boundsChecks: boolean
  /**
   * Says that the caller is done. Dawn stays in memory for the next opening: freed with events pending, it hangs the
   * process.
   */
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
 * What create() returned, by its flags and drivers, for the life of the process. Dawn crashes when that object is
 * collected before its devices, and hangs when it is collected with events pending. So it is kept, and later openings
 * reuse it.
 */
const opened = new Map<string, Promise<Opened>>()

/** Environment variables that name the drivers for the Vulkan loader. */
const LOADER_VARIABLES = ['VK_DRIVER_FILES', 'VK_ICD_FILENAMES'] as const

/**
 * Opens Dawn with the chosen Vulkan driver.
 * @throws where there is no such adapter, with what was tried and the command that installs one
 */
export async function openGpu({
  adapter,
  boundsChecks = boundsChecksByDefault(),
  features = [],
  verbose = Boolean(process.env.TRM_DAWN_LOG),
}: OpenGpuOptions = {}): Promise<OpenedGpu> {
  const choice = adapterChoice(adapter)
  const dawn = await importDawn()
  const { globals } = dawn
  const release = () => {}
  const enabled = [...DAWN_FEATURES, ...(boundsChecks ? [] : ['disable_robustness']), ...features]
  // Timestamps of a tenth of a millisecond could not time a dispatch.
  const toggles = [`enable-dawn-features=${enabled.join(',')}`, 'disable-dawn-features=timestamp_quantization']
  if (choice === 'null') {
    const { gpu } = await open(dawn, ['backend=null', ...toggles], { label: '' }, true)
    return { gpu, globals, kind: 'null', name: 'null backend — computes nothing', boundsChecks, release }
  }
  const tried: string[] = []
  for (const attempt of attempts(choice)) {
    const { gpu, info } = await open(dawn, toggles, attempt, verbose)
    const kind = info && adapterKind(info)
    if (info && kind && (!attempt.kind || attempt.kind === kind))
      return { gpu, globals, kind, name: `${adapterLine(info)}${withoutChecks(boundsChecks)}`, boundsChecks, release }
    tried.push(`${attempt.label}: ${kind ? `the adapter is ${kind}` : 'no adapter'}`)
  }
  const reasons = tried.join('; ') || 'no driver found'
  throw new Error(`openGpu: adapter '${choice}' was asked for, this machine has none (${reasons}) — ${remedy(choice)}`)
}

/** Opens Dawn once for these flags and drivers. `info` is null where they give no adapter. */
function open(dawn: Dawn, flags: string[], attempt: Attempt, verbose: boolean): Promise<Opened> {
  const key = JSON.stringify([flags, attempt.files, attempt.loader])
  const known = opened.get(key)
  if (known) return known
  // The first requestAdapter call lists the drivers. No await before it: another opening could set other drivers.
  const restore = applyAttempt(attempt)
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

/** Values of TRM_BOUNDS_CHECKS. */
export const BOUNDS_CHECKS = ['on', 'off'] as const

/** Whether TRM_BOUNDS_CHECKS leaves the checks on. @throws for an unknown value */
export function boundsChecksByDefault(): boolean {
  const { TRM_BOUNDS_CHECKS: asked = '' } = process.env
  if (asked === '' || (BOUNDS_CHECKS as readonly string[]).includes(asked)) return asked !== 'off'
  const expected = `expected ${BOUNDS_CHECKS.join(' or ')}`
  throw new Error(`openGpu: TRM_BOUNDS_CHECKS is '${asked}', ${expected} — correct the variable or unset it`)
}

/** The adapter that was asked for, else that of TRM_ADAPTER, else 'auto'. @throws for an unknown name */
export function adapterChoice(asked: string | undefined): Adapter {
  const choice = asked ?? (process.env.TRM_ADAPTER || 'auto')
  if ((CHOICES as string[]).includes(choice)) return choice as Adapter
  const expected = `expected one of ${CHOICES.join(', ')}`
  throw new Error(`openGpu: adapter '${choice}' is not known, ${expected} — check the option or TRM_ADAPTER`)
}

async function importDawn(): Promise<Dawn> {
  try {
    return (await import('webgpu')) as unknown as Dawn
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    const problem = code === 'ERR_MODULE_NOT_FOUND' ? 'is not installed' : `does not load: ${message}`
    throw new Error(`openGpu: the npm package webgpu (Dawn) ${problem} — npm install webgpu`, { cause: error })
  }
}

/** Sets the Vulkan loader's variables as the attempt needs them; the returned function restores them. */
function applyAttempt({ files, loader }: Attempt): () => void {
  if (loader) preload(loader)
  if (!files) return () => {}
  const before = LOADER_VARIABLES.map(name => process.env[name])
  for (const name of LOADER_VARIABLES) process.env[name] = files.join(':')
  return () =>
    LOADER_VARIABLES.forEach((name, i) => {
      if (before[i] === undefined) delete process.env[name]
      else process.env[name] = before[i]
    })
}

/** The command that installs the missing adapter, or advice where there is none. */
export function remedy(choice: string): string {
  if (process.platform !== 'linux') return 'update the graphics driver'
  if (choice === 'hardware')
    return 'install the Vulkan driver of your GPU, or leave TRM_ADAPTER unset for a software adapter'
  const script = ['../scripts/setup.js', './scripts/setup.js', '../../scripts/setup.js']
    .map(path => fileURLToPath(new URL(path, import.meta.url)))
    .find(path => existsSync(path))
  return `${choice === 'auto' ? '' : `TRM_ADAPTER=${choice} `}node ${script ?? 'scripts/setup.js'}`
}
