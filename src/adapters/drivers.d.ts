// Types of drivers.js, which is plain JavaScript because it runs before anything is built.
export type AdapterChoice = 'auto' | 'hardware' | 'lavapipe' | 'swiftshader' | 'null'
export type AdapterKind = 'hardware' | 'lavapipe' | 'swiftshader' | 'software'
export interface Driver {
  kind: 'hardware' | 'lavapipe' | 'swiftshader'
  file: string
  loader?: string
}
export interface Attempt {
  label: string
  kind?: AdapterKind
  files?: string[]
  loader?: string
  backend?: string
}
export interface InfoLike {
  vendor: string
  architecture: string
  device: string
  description: string
  isFallbackAdapter?: boolean
}
export interface ProbedAdapter {
  kind: AdapterKind
  info: InfoLike & { subgroupMinSize: number; subgroupMaxSize: number }
  subgroupMatrices: number
  features: string[]
  limits: Record<string, number>
}
export interface Search {
  drivers?: Driver[]
  env?: NodeJS.ProcessEnv
  platform?: string
  gpuNodes?: boolean
}
export const CHOICES: AdapterChoice[]
export const DAWN_FEATURES: string[]
export function cacheFolder(env?: NodeJS.ProcessEnv): string
export function driverFolders(env?: NodeJS.ProcessEnv): string[]
export function driverKind(file: string): Driver['kind']
export function findDrivers(options?: { root?: string; env?: NodeJS.ProcessEnv; arch?: string }): Driver[]
export function hasGpuNodes(): boolean
export function attempts(choice?: string, options?: Search): Attempt[]
export function preload(loader: string): void
export function adapterKind(info: InfoLike): AdapterKind
export function adapterLine(info: InfoLike, platform?: string): string
export function attemptEnv(attempt: Attempt, env?: NodeJS.ProcessEnv): NodeJS.ProcessEnv
export function probe(
  attempt: Attempt,
  options: { entry: string; env?: NodeJS.ProcessEnv; timeout?: number },
): Promise<{ adapter?: ProbedAdapter; error?: string }>
export function firstAdapter(
  choice: string,
  options: Search & { entry: string; timeout?: number },
): Promise<{ attempt?: Attempt; adapter?: ProbedAdapter; tried: { label: string; error?: string }[] }>
export function dawnEntry(root: string): { entry: string; version: string } | undefined
