// trm bench: measures the engine and the model on this machine, writes results, and compares two of them.
import { execFile, execFileSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { availableParallelism, loadavg } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { type Size, SIZES } from '../../bench/models.js'
import { compareResults, parseResult } from '../../bench/compare.js'
import { type Clock, WALL } from '../../bench/measure.js'
import { type ProcessStart, report, type Result, resultName } from '../../bench/report.js'
import {
  COLD_START,
  coldStart,
  coldStartRow,
  runSuite,
  type Start,
  startModel,
  STARTS,
  type SuiteOptions,
} from '../../bench/suite.js'
import { PROFILE_CASES, profileCases, profileTable } from '../../bench/profile.js'
import { compareVariants, VARIANT_CASES, variantsTable } from '../../bench/variants.js'
import type { AdapterSummary } from '../engine/index.js'
import { parseBytes } from '../trm/published/settings.js'
import { adapterName, adapterOptions, type AdapterValues, openEngine } from './adapter.js'
import { parseArguments, UsageError } from './arguments.js'
import { readBytes, reason, writeWhole } from './files.js'
import { Progress } from './progress.js'

const FOLDER = 'bench/results'

const usage = {
  command: 'trm bench',
  summary: "Measure operations and steps of the model: time, GFLOP/s, GB/s, share of this adapter's peak, memory.",
  options: {
    only: {
      type: 'string',
      placeholder: 'TEXT,…',
      description:
        'only cases whose size and name contain one of these, e.g. "matmul,official training" or "cold start"',
    },
    size: {
      type: 'string',
      default: SIZES.join(','),
      placeholder: 'SIZE,…',
      description: `only these sizes, of ${SIZES.join(', ')}`,
    },
    repeats: {
      type: 'number',
      min: 1,
      description: 'measurements of each case',
      otherwise: '7, and 3 where one lasts longer than a second',
    },
    limit: {
      type: 'number',
      min: 1,
      placeholder: 'SECONDS',
      description: 'time for each case; those that would take longer are skipped',
      otherwise: '10, and 60 on software adapters',
    },
    'memory-limit': {
      type: 'string',
      placeholder: 'SIZE',
      description: 'GPU memory that a training may take, e.g. 8GB: its micro-batches are made to fit',
      otherwise: 'only the largest binding limits them',
    },
    json: { type: 'string', placeholder: 'FILE', description: 'write the result as JSON' },
    save: { type: 'boolean', description: `write it to ${FOLDER}/ADAPTER-DATE.json` },
    ...adapterOptions,
  },
  notes: `trm bench compare A.json B.json   shows two results side by side.
trm bench variants                times every kernel that could run in place of the default.
trm bench profile                 times each dispatch of a step: which kernels take its time.
trm bench start                   opens an engine, trains one step of a model, and prints the times as JSON.`,
} as const

const compareUsage = {
  command: 'trm bench compare',
  summary: 'Show two results side by side, the greatest changes first.',
  options: {},
  positionals: ['A.json', 'B.json'],
} as const

const variantsUsage = {
  command: 'trm bench variants',
  summary: 'Time every kernel that this adapter could run for each operation of the cases, beside the default.',
  options: {
    only: {
      ...usage.options.only,
      description: 'only operations of cases whose size and name contain one of these',
      default: VARIANT_CASES.join(','),
    },
    size: usage.options.size,
    repeats: { type: 'number', min: 1, default: 5, description: 'measurements of each kernel; the least counts' },
    json: usage.options.json,
    ...adapterOptions,
  },
} as const

const profileUsage = {
  command: 'trm bench profile',
  summary:
    'Time each dispatch of the chosen cases by timestamps of the adapter: which kernels take the time of a step.',
  options: {
    only: {
      ...usage.options.only,
      description: 'only cases whose size and name contain one of these',
      default: PROFILE_CASES.join(','),
    },
    size: { ...usage.options.size, default: 'small' },
    repeats: { type: 'number', min: 1, default: 3, description: 'runs of each case; the shortest counts' },
    json: usage.options.json,
    ...adapterOptions,
  },
} as const

const startUsage = {
  command: 'trm bench start',
  summary: 'Time opening the engine, compiling and the first training step of a model; print JSON.',
  options: {
    size: { type: 'string', default: 'small', placeholder: 'SIZE', description: `the model: ${STARTS.join(' or ')}` },
    'memory-limit': usage.options['memory-limit'],
    ...adapterOptions,
  },
} as const

export const benchCommand = {
  name: 'bench',
  summary: 'speed and memory of operations and steps on this machine',
  async run([first, ...rest]: string[]): Promise<void> {
    if (first === 'compare') return compare(rest)
    if (first === 'variants') return variants(rest)
    if (first === 'profile') return profile(rest)
    if (first === 'start') return start(rest)
    return bench(first === undefined ? [] : [first, ...rest])
  },
}

async function bench(args: string[]): Promise<void> {
  const parsed = parseArguments(args, usage)
  if (!parsed) return
  const { only: onlyText = '', size, repeats, limit, 'memory-limit': memoryLimit, json, save } = parsed.values
  const only = list(onlyText)
  const sizes = sizesOf(size)

  const asksForStart = !only.length || only.some(part => COLD_START.includes(part.toLowerCase()))
  const startSizes = asksForStart ? STARTS.filter(size => sizes.includes(size)) : []
  const progress = new Progress()
  const load = { before: loadavg()[0], after: 0, cores: availableParallelism() }
  const commit = workingTree()
  let adapter: AdapterSummary | undefined
  const suite = await runSuite({
    async open() {
      const engine = await openEngine(parsed.values)
      adapter = engine.adapter
      return engine
    },
    only,
    sizes,
    repeats,
    limitMs: limit === undefined ? undefined : 1000 * limit,
    memoryLimit: bytesOf(memoryLimit),
    clock: clockOf,
    mayBeEmpty: startSizes.length > 0,
    onProgress: (done, total, text) => progress.show(done, total, `${done}/${total} ${text}`),
  })
  const [rows, missing] = [[...suite.rows], [...(suite.missing ?? [])]]
  const coldStarts: Record<string, ProcessStart[]> = {}
  for (const size of startSizes) {
    if (size === 'official' && adapter!.isSoftware) {
      missing.push(`skipped: ${COLD_START} of the published network, which takes minutes on a software adapter`)
      continue
    }
    for (const [name, environment] of Object.entries(SHADER_CACHE)) {
      progress.show(rows.length, rows.length + 1, `${size} ${COLD_START}, ${name}`)
      try {
        const starts = await freshStarts(size, parsed.values, environment)
        const row = coldStartRow(name, starts, suite.peak, startModel(size, adapter!))
        coldStarts[row.case] = starts
        rows.push(row)
      } catch (error) {
        missing.push(`failed: ${size} ${COLD_START}, ${name}: ${lastLine(error)}`)
        process.exitCode = 1
      }
    }
  }
  progress.end()
  load.after = loadavg()[0]
  const result: Result = {
    ...suite,
    missing,
    rows,
    commit,
    date: new Date().toISOString(),
    node: process.versions.node,
    load,
    ...(Object.keys(coldStarts).length ? { coldStarts } : {}),
  }
  console.log(report(result))
  if (save)
    await mkdir(FOLDER, { recursive: true }).catch(error => {
      throw new Error(`cannot make ${FOLDER}: ${reason(error)}`)
    })
  for (const file of [...(json ? [json] : []), ...(save ? [join(FOLDER, resultName(result))] : [])]) {
    await writeWhole(file, `${JSON.stringify(result, null, 1)}\n`)
    console.log(`written: ${file}`)
  }
}

const list = (text: string) =>
  text
    .split(',')
    .map(part => part.trim())
    .filter(Boolean)

function sizesOf(text: string): Size[] {
  const sizes = list(text)
  const wrong = sizes.find(name => !(SIZES as readonly string[]).includes(name))
  if (wrong !== undefined || !sizes.length)
    throw new UsageError(
      `trm bench: --size: expected some of ${SIZES.join(', ')}, got ${JSON.stringify(wrong ?? text)}`,
    )
  return sizes as Size[]
}

const bytesOf = (limit: string | undefined) => (limit === undefined ? undefined : parseBytes(limit))

const clockOf = ({ isSoftware }: { isSoftware: boolean }): Clock => (isSoftware ? processorClock() : undefined) ?? WALL

async function variants(args: string[]): Promise<void> {
  const parsed = parseArguments(args, variantsUsage)
  if (!parsed) return
  const { adapter, result } = await withProgress(parsed.values, compareVariants)
  await print(adapter, variantsTable(result), { rows: result }, parsed.values.json)
}

async function profile(args: string[]): Promise<void> {
  const parsed = parseArguments(args, profileUsage)
  if (!parsed) return
  const { adapter, result } = await withProgress(parsed.values, profileCases)
  await print(adapter, result.map(profileTable).join('\n\n'), { profiles: result }, parsed.values.json)
}

/** Measures the chosen cases, shows the progress, and says on which adapter. */
async function withProgress<Result>(
  values: AdapterValues & { only: string; size: string; repeats: number },
  measure: (options: SuiteOptions) => Promise<Result>,
): Promise<{ adapter: string; result: Result }> {
  const { only, size, repeats } = values
  const progress = new Progress()
  let adapter = ''
  const result = await measure({
    async open() {
      const engine = await openEngine(values)
      adapter = adapterName(engine)
      return engine
    },
    only: list(only),
    sizes: sizesOf(size),
    repeats,
    clock: clockOf,
    onProgress: (done, total, text) => progress.show(done, total, `${done}/${total} ${text}`),
  })
  progress.end()
  return { adapter, result }
}

/** Prints a result under the adapter and the circumstances, and writes it as JSON if there is a file. */
async function print(adapter: string, table: string, result: object, json: string | undefined): Promise<void> {
  const [commit, date] = [workingTree(), new Date().toISOString()]
  const circumstances = `commit ${commit ?? 'unknown'}, ${date}, load ${loadavg()[0].toFixed(1)}`
  console.log(`adapter: ${adapter}\n${circumstances}\n\n${table}`)
  if (json === undefined) return
  await writeWhole(json, `${JSON.stringify({ adapter, commit, date, ...result }, null, 1)}\n`)
  console.log(`written: ${json}`)
}

async function compare(args: string[]): Promise<void> {
  const parsed = parseArguments(args, compareUsage)
  if (!parsed) return
  const [a, b] = await Promise.all(
    parsed.positionals.map(async file =>
      parseResult(new TextDecoder().decode(await readBytes(file, 'bench result')), file),
    ),
  )
  console.log(compareResults(a, b))
}

async function start(args: string[]): Promise<void> {
  const parsed = parseArguments(args, startUsage)
  if (!parsed) return
  const { size } = parsed.values
  const model = STARTS.find(name => name === size)
  if (!model)
    throw new UsageError(`trm bench start: --size: expected ${STARTS.join(' or ')}, got ${JSON.stringify(size)}`)
  const memoryLimit = bytesOf(parsed.values['memory-limit'])
  const times = await coldStart(() => openEngine(parsed.values), { start: model, memoryLimit })
  const { user, system } = process.cpuUsage()
  // performance.now() counts from the start of the process.
  const result: ProcessStart = { ...times, processMs: performance.now(), cpuMs: (user + system) / 1000 }
  console.log(JSON.stringify(result))
}

/** Environment variables that turn off the caches of compiled kernels in Mesa's and NVIDIA's drivers, or none. */
const SHADER_CACHE: Record<string, Record<string, string>> = {
  'shader cache warm': {},
  'shader cache off': { MESA_SHADER_CACHE_DISABLE: 'true', __GL_SHADER_DISK_CACHE: '0' },
}

/** Measures three fresh processes in turn. Where shaders are cached, another process fills the cache first. */
async function freshStarts(
  size: Start,
  { adapter, 'bounds-checks': checks, 'memory-limit': limit }: AdapterValues & { 'memory-limit'?: string },
  environment: Record<string, string>,
): Promise<ProcessStart[]> {
  const once = async (): Promise<ProcessStart> => {
    const { stdout } = await promisify(execFile)(
      process.execPath,
      [
        process.argv[1],
        'bench',
        'start',
        '--size',
        size,
        ...(adapter ? ['--adapter', adapter] : []),
        ...(checks ? ['--bounds-checks', checks] : []),
        ...(limit === undefined ? [] : ['--memory-limit', limit]),
      ],
      { env: { ...process.env, ...environment } },
    )
    return JSON.parse(stdout)
  }
  if (!Object.keys(environment).length) await once()
  return [await once(), await once(), await once()]
}

/** The last line that a failed process printed. */
const lastLine = (error: unknown) =>
  String((error as { stderr?: string }).stderr || reason(error))
    .trim()
    .split('\n')
    .at(-1)

/** Commit of the repository that holds this program, with + where tracked files were changed; null without git. */
function workingTree(): string | null {
  try {
    const git = (...args: string[]) =>
      execFileSync('git', args, {
        cwd: fileURLToPath(new URL('.', import.meta.url)),
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'ignore'],
      }).trim()
    return git('rev-parse', '--short', 'HEAD') + (git('status', '--porcelain', '--untracked-files=no') ? '+' : '')
  } catch {
    return null
  }
}

/** Nothing ever changes it: waiting on it is a pause. */
const NEVER = new Int32Array(new SharedArrayBuffer(4))

/**
 * A clock that also knows processor times: of JavaScript's thread, and of all other threads per core. It reads Linux's
 * accounts; undefined on other systems.
 */
function processorClock(): Clock | undefined {
  const cores = availableParallelism()
  const threadMs = (thread: string) =>
    Number(readFileSync(`/proc/self/task/${thread}/schedstat`, 'utf8').split(' ')[0]) / 1e6
  const main = String(process.pid)
  const cpu = () => {
    let ms = 0
    for (const thread of readdirSync('/proc/self/task')) {
      if (thread === main) continue
      try {
        ms += threadMs(thread)
      } catch {
        // The thread has ended since the folder was listed.
      }
    }
    return ms / cores
  }
  const host = () => {
    // Linux updates a thread's account when the thread stops running.
    Atomics.wait(NEVER, 0, 0, 0.01)
    return threadMs(main)
  }
  return existsSync(`/proc/self/task/${main}/schedstat`) ? { now: () => performance.now(), cpu, host } : undefined
}
