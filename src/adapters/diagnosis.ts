// Says which adapters this machine has, what is missing, and how to install it; never part of a browser bundle.
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { withoutChecks } from '../formats/human.js'
import { adapterLine, dawnEntry, findDrivers, firstAdapter } from './drivers.js'
import { type Adapter, adapterChoice, boundsChecksByDefault, type OpenedGpu, remedy } from './index.js'

export interface Diagnosis {
  ok: boolean
  system: { platform: string; arch: string; node: string; os: string }
  packages: { name: string; version?: string }[]
  /** Driver files (ICDs) found, best first. */
  drivers: { kind: string; file: string }[]
  /** What each choice gives here, tried in a child process. */
  adapters: AdapterDiagnosis[]
  /** The adapter that openGpu would take now; null where there is none. */
  chosen: AdapterDiagnosis | null
  /** Whether openGpu would keep kernels within their tensors. */
  boundsChecks: boolean
  /** What is missing, with the command that installs it. */
  missing: { what: string; command: string }[]
}

/** What one choice of an adapter gives on this machine: a name, or an error. */
export interface AdapterDiagnosis {
  choice: Adapter
  kind?: Exclude<OpenedGpu['kind'], 'null'>
  name?: string
  driver?: string
  features?: string[]
  limits?: Record<string, number>
  error?: string
}

export interface DiagnoseOptions {
  /** Default: the environment variable TRM_ADAPTER, else 'auto'. */
  adapter?: Adapter
  /** Default: the environment variable TRM_BOUNDS_CHECKS, else on. */
  boundsChecks?: boolean
  /** Also try the choices that were not asked for. Default true. */
  all?: boolean
}

/**
 * What `trm doctor` prints: packages, drivers, adapters with their limits and features, and what is missing.
 * Each choice is probed in a child process of its own, so that a driver may crash or hang.
 */
export async function diagnose({
  adapter,
  boundsChecks = boundsChecksByDefault(),
  all = true,
}: DiagnoseOptions = {}): Promise<Diagnosis> {
  const choice = adapterChoice(adapter)
  const missing: Diagnosis['missing'] = []
  const dawn = dawnEntry(fileURLToPath(new URL('.', import.meta.url))) ?? dawnEntry(process.cwd())
  if (!dawn) missing.push({ what: 'the npm package webgpu (Dawn)', command: 'npm install webgpu' })
  const [major, minor] = process.versions.node.split('.').map(Number)
  if (major! < 20)
    missing.push({
      what: `Node 20 or later (this is ${major}.${minor})`,
      command: 'install it from nodejs.org or your package manager',
    })
  const others: Adapter[] = all && process.platform === 'linux' ? ['hardware', 'lavapipe', 'swiftshader'] : []
  const adapters: AdapterDiagnosis[] = []
  if (dawn) for (const each of new Set([choice, ...others])) adapters.push(await tryAdapter(each, dawn.entry))
  const chosen = adapters.find(each => each.choice === choice && each.name) ?? null
  if (dawn && !chosen) missing.push({ what: `a WebGPU adapter (${choice})`, command: remedy(choice) })
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

async function tryAdapter(choice: Adapter, entry: string): Promise<AdapterDiagnosis> {
  if (choice === 'null') return { choice, name: 'null backend — computes nothing' }
  const { adapter, attempt, tried } = await firstAdapter(choice, { entry })
  if (!adapter) {
    const reasons = tried.map(({ label, error }) => `${label}: ${error}`)
    return { choice, error: reasons.join('; ') || 'no driver found' }
  }
  return {
    choice,
    kind: adapter.kind,
    name: adapterLine(adapter.info),
    driver: attempt?.files?.join(':') ?? attempt?.label,
    features: adapter.features,
    limits: adapter.limits,
  }
}

/** Features that kernels use where the adapter has them. */
const FEATURES = ['shader-f16', 'subgroups', 'timestamp-query', 'chromium-experimental-subgroup-matrix']

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
  return [
    `system    ${system.os}, ${system.platform} ${system.arch}, Node ${system.node}`,
    ...packages.map(({ name, version }) => `package   ${name} ${version ?? 'is missing'}`),
    ...drivers.map(({ kind, file }) => `driver    ${file} (${kind})`),
    ...adapters.map(({ choice, name, error }) => `${choice.padEnd(11)} ${name ?? `– ${error}`}`),
    ...(chosen?.limits ? [limitsLine(chosen.limits), featuresLine(chosen.features ?? [])] : []),
    ...missing.map(({ what, command }) => `missing   ${what}\n  fix it with: ${command}`),
    chosen ? `adapter: ${chosen.name}${withoutChecks(boundsChecks)}` : 'adapter: none',
  ].join('\n')
}

function limitsLine(limits: Record<string, number>): string {
  const { maxStorageBufferBindingSize, maxBufferSize, maxComputeInvocationsPerWorkgroup } = limits
  const kibibytes = (limits.maxComputeWorkgroupStorageSize ?? 0) / 1024
  const sizes = `one binding ${sizeText(maxStorageBufferBindingSize)}, one buffer ${sizeText(maxBufferSize)}`
  return `limits    ${sizes}, ${maxComputeInvocationsPerWorkgroup} invocations and ${kibibytes} KiB a workgroup`
}

function featuresLine(features: string[]): string {
  const answers = FEATURES.map(name => `${name} ${features.includes(name) ? 'yes' : 'no'}`)
  return `features  ${answers.join(', ')}`
}

function sizeText(bytes: number | undefined): string {
  if (bytes === undefined) return '?'
  const isLarge = bytes >= 2 ** 30
  return `${+(bytes / (isLarge ? 2 ** 30 : 2 ** 20)).toFixed(1)} ${isLarge ? 'GiB' : 'MiB'}`
}

function osName(): string {
  try {
    return /^PRETTY_NAME="?(.*?)"?$/m.exec(readFileSync('/etc/os-release', 'utf8'))?.[1] ?? process.platform
  } catch {
    return process.platform
  }
}
