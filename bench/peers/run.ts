// Compares webgpu-trm with what a user would pick instead, on one adapter in one run: checks every result against the golden, then times it.
//   npm run bench:peers -- --json FILE [--only CASE,…] [--backend NAME,…] [--repeats N]
import { execFileSync, spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { cpus, loadavg, tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { parseSafetensors, type SafetensorsFile, toFloat32 } from '../../src/formats/safetensors.js'
import type { Job, Outputs, Reply, Request } from './protocol.js'

const usage = 'npm run bench:peers -- --json FILE [--only CASE,…] [--backend NAME,…] [--repeats N]'
/** This file runs as build/bench/peers/run.js. */
const built = fileURLToPath(new URL('.', import.meta.url))
const root = resolve(built, '../../..')
const source = join(root, 'bench/peers')
const goldens = join(process.env.TRM_SHARED ?? resolve(root, '../shared'), 'goldens')

/** A child that says nothing for so long has failed. */
const LIMIT = 480_000
/** A timed run repeats its case until it takes about so long, so that waiting costs little. */
const TARGET_MS = 250
/** What took so long is not run again to warm up, and is repeated twice at most. */
const SLOW_MS = 10_000

interface Row {
  backend: string
  case: string
  size: string
  adapter: string
  version: string
  /** Milliseconds of one step or product; null where the check failed. */
  medianMs: number | null
  /** Processor time of the backend's process for one step or product, median. On a software adapter other programs disturb it less than medianMs. */
  cpuMs: number | null
  /** (slowest − fastest) / median of the repeats. */
  spread: number | null
  gflops: number | null
  percentOfPeak: number | null
  peakBytes: number | null
  /** The first run, compilation included, less a later one. */
  compileMs: number | null
  repeats: number
  /** Largest share of the allowed error that a checked quantity used, and which. */
  check: { share: number; worst: string; quantities: number } | null
  error: string | null
}

const backends: Record<string, (job: Job) => [command: string, args: string[]]> = {
  'webgpu-trm': () => [process.execPath, [join(built, 'child.js'), join(built, 'ours.js')]],
  'jax-js': () => [process.execPath, [join(built, 'child.js'), join(source, 'jax.js'), 'stand-in']],
  tfjs: () => [process.execPath, [join(built, 'child.js'), join(built, 'tfjs.bundle.js'), 'stand-in']],
  'torch-cpu': () => ['/usr/bin/python3', ['-u', join(source, 'pytorch.py'), 'cpu']],
  // Whichever python3 has a PyTorch with CUDA; it runs on its GPU, so that --adapter's must be the same card.
  'torch-cuda': () => ['python3', ['-u', join(source, 'pytorch.py'), 'cuda']],
}

const isTorch = (backend: string) => backend.startsWith('torch-')

interface Case {
  name: Job['case']
  size: string
  flops: number
  job(folder: string): Job
  /** Compares; error and what is allowed by quantity. */
  check(outputs: Map<string, Float32Array>): { name: string; error: number; allowed: number }[]
}

const products = [
  [1088, 512, 64],
  [1088, 64, 256],
  [1296, 1024, 128],
  [1296, 128, 512],
  [1024, 1024, 512],
] as const

class Child {
  private readonly process: ChildProcess
  private readonly waiting: ((reply: Reply) => void)[] = []
  private said = ''

  constructor(
    readonly backend: string,
    job: Job,
  ) {
    const [command, args] = backends[backend]!(job)
    // Compilation is timed, so a driver must not find an earlier run's kernels.
    this.process = spawn(command, args, {
      cwd: root,
      env: { ...process.env, MESA_SHADER_CACHE_DISABLE: 'true' },
      stdio: ['pipe', 'pipe', 'pipe'],
    })
    this.process.stderr!.setEncoding('utf8').on('data', (text: string) => {
      this.said = (this.said + text).slice(-4000)
      if (process.env.BENCH_DEBUG) process.stderr.write(text)
    })
    createInterface({ input: this.process.stdout! }).on('line', line =>
      this.waiting.shift()?.(JSON.parse(line) as Reply),
    )
    this.process.stdin!.on('error', () => {})
    this.process.on('error', error => this.fail(error.message))
    this.process.on('close', (code, signal) =>
      this.fail(
        `the process ended with ${signal ?? code}: ${this.said
          .trim()
          .split('\n')
          .filter(line => !/^\s+at |^Node\.js|^$/.test(line))
          .slice(-2)
          .join(' ')}`,
      ),
    )
  }

  async ask<R extends Reply>(request: Request): Promise<R> {
    const reply = await new Promise<Reply>(resolve => {
      const timer = setTimeout(() => {
        this.process.kill('SIGKILL')
        this.fail(`no answer in ${LIMIT / 1000} s`)
      }, LIMIT)
      this.waiting.push(answer => {
        clearTimeout(timer)
        resolve(answer)
      })
      this.process.stdin!.write(`${JSON.stringify(request)}\n`)
      if (this.process.exitCode !== null) this.fail('the process has ended')
    })
    if ('error' in reply) throw new Error(reply.error)
    return reply as R
  }

  end(): Promise<void> {
    if (this.process.exitCode !== null || this.process.signalCode !== null) return Promise.resolve()
    return new Promise(resolve => {
      const timer = setTimeout(() => this.process.kill('SIGKILL'), 5000)
      this.process.on('close', () => {
        clearTimeout(timer)
        resolve()
      })
      this.process.stdin!.end()
    })
  }

  private fail(error: string): void {
    for (const answer of this.waiting.splice(0)) answer({ error })
  }
}

const options = readOptions()
const notes: string[] = []
const chosen = prepareBackends(options.backends)
const cases = [...productCases(), ...stepCases()].filter(
  each => options.only.length === 0 || options.only.some(part => `${each.name} ${each.size}`.includes(part)),
)
if (cases.length === 0)
  fail(
    `no case of that name, expected parts of: ${[...productCases(), ...stepCases()].map(each => `${each.name} ${each.size}`).join(', ')}`,
  )
const folder = mkdtempSync(join(tmpdir(), 'trm-peers-'))
const rows: Row[] = []
const load = [loadavg()[0]!]
let peak = 0
let adapter = ''
try {
  for (const each of cases) await runCase(each)
} finally {
  rmSync(folder, { recursive: true, force: true })
}
load.push(loadavg()[0]!)
for (const row of rows)
  if (peak > 0 && row.gflops !== null && !isTorch(row.backend)) row.percentOfPeak = round((100 * row.gflops) / peak)
notes.push(
  'Every backend has a process of its own and is checked before it is timed; the repeats of the backends take turns. One read-back or wait ends a run. What takes more than 10 s is repeated twice at most.',
  'In Node the event loop spins while a promise of Dawn is pending; for the peers mapAsync, onSubmittedWorkDone and createComputePipelineAsync are waited for asleep, as webgpu-trm does, so that kernels are compared and not waiting.',
  'GFLOP count, the same for all: products only (linear layers, attention, heads); train-step = T−1 cycles forward and one cycle three times; inference-step = T cycles.',
  `Peak: ${round(peak)} GFLOP/s, the best of register-only multiply-add kernels through webgpu-trm's engine in this run. torch-cpu runs on the CPU, torch-cuda on the GPU by CUDA (checked in float32, timed in bfloat16, the recursion compiled); neither uses the adapter.`,
  ...(/\/blas\/libblas/.test(rows.find(row => row.backend === 'torch-cpu')?.adapter ?? '')
    ? [
        "torch-cpu: Debian's reference BLAS is in use, which is many times slower than OpenBLAS (apt-get install libopenblas0-pthread).",
      ]
    : []),
  'cpu ms: processor time of the process, threads of a software adapter included: what other programs disturb least.',
  'peakBytes: bytes of GPU buffers made and not destroyed, at their most, staging included. compileMs: the first run less a later one, without a shader cache on disk.',
  `Load average ${load.map(value => value.toFixed(2)).join(' at the start, ')} at the end, ${cpus().length} processors.`,
)
printTable()
if (options.json)
  writeFileSync(
    options.json,
    `${JSON.stringify({ adapter, peakGflops: round(peak), repeats: options.repeats, loadAverage: load, notes, rows }, null, 2)}\n`,
  )
process.exitCode = rows.some(row => row.error) ? 1 : 0

async function runCase(each: Case): Promise<void> {
  const job = each.job(folder)
  const label = `${each.name} ${each.size}`
  const running: { child: Child; row: Row; firstMs: number; count: number; times: number[]; cpu: number[] }[] = []
  for (const backend of chosen) {
    const child = new Child(backend, job)
    const row: Row = {
      backend,
      case: each.name,
      size: each.size,
      adapter: '',
      version: '',
      medianMs: null,
      cpuMs: null,
      spread: null,
      gflops: null,
      percentOfPeak: null,
      peakBytes: null,
      compileMs: null,
      repeats: 0,
      check: null,
      error: null,
    }
    rows.push(row)
    try {
      const {
        adapter: name,
        version,
        firstMs,
        outputs,
      } = await child.ask<Extract<Reply, { outputs: Outputs }>>({ do: 'prepare', job })
      Object.assign(row, { adapter: name, version })
      if (!isTorch(backend)) {
        adapter ||= name
        if (name !== adapter) throw new Error(`runs on ${name}, the others on ${adapter}`)
      }
      judge(row, each.check(new Map(Object.entries(outputs).map(([key, text]) => [key, decode(text)]))))
      const { ms, cpuMs } = await child.ask<Extract<Reply, { ms: number }>>({ do: 'run', count: 1 })
      running.push({
        child,
        row,
        firstMs,
        count: Math.max(1, Math.min(500, Math.round(TARGET_MS / ms))),
        times: ms > SLOW_MS ? [ms] : [],
        cpu: ms > SLOW_MS ? [cpuMs] : [],
      })
      progress(`${label}: ${backend} checked, first run ${(firstMs / 1000).toFixed(2)} s`)
    } catch (error) {
      row.error = (error as Error).message
      progress(`${label}: ${backend} FAILED: ${row.error}`)
      await child.end()
    }
  }
  for (let repeat = 0; repeat < options.repeats; repeat++) {
    for (const { child, row, count, times, cpu } of running) {
      if (row.error || (times.length >= 2 && times[0]! > SLOW_MS)) continue
      await new Promise(resolve => setTimeout(resolve, 150))
      try {
        const { ms, cpuMs, peakBytes } = await child.ask<Extract<Reply, { ms: number }>>({ do: 'run', count })
        times.push(ms)
        cpu.push(cpuMs)
        row.peakBytes = peakBytes
      } catch (error) {
        row.error = (error as Error).message
      }
    }
  }
  const ours = running.find(({ row }) => row.backend === 'webgpu-trm' && !row.error)
  if (ours) peak = Math.max(peak, (await ours.child.ask<{ gflops: number }>({ do: 'peak' })).gflops)
  for (const { child, row, firstMs, times, cpu } of running) {
    await child.end()
    if (row.error) continue
    const median = medianOf(times)
    row.medianMs = round(median)
    row.cpuMs = round(medianOf(cpu))
    row.repeats = times.length
    row.spread = round((Math.max(...times) - Math.min(...times)) / median)
    row.gflops = round(each.flops / median / 1e6)
    row.compileMs = Math.max(0, Math.round(firstMs - median))
  }
  progress(
    `${label}: ${running
      .filter(({ row }) => !row.error)
      .map(({ row }) => `${row.backend} ${row.medianMs} ms`)
      .join(', ')}`,
  )
}

function medianOf(values: number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  return (sorted[(sorted.length - 1) >> 1]! + sorted[sorted.length >> 1]!) / 2
}

function judge(row: Row, compared: { name: string; error: number; allowed: number }[]): void {
  if (compared.length === 0) throw new Error('check: nothing was compared')
  const share = ({ error, allowed }: { error: number; allowed: number }) =>
    error <= allowed ? error / (allowed || 1) : Number.isFinite(error) && allowed > 0 ? error / allowed : 1e9
  const worst = compared.reduce((a, b) => (share(b) > share(a) ? b : a))
  row.check = { share: round(share(worst)), worst: worst.name, quantities: compared.length }
  const wrong = compared.filter(({ error, allowed }) => !(error <= allowed))
  if (wrong.length > 0)
    throw new Error(
      `check: ${wrong
        .slice(0, 3)
        .map(
          ({ name, error, allowed }) =>
            `${name} is off by ${error.toExponential(1)}, allowed ${allowed.toExponential(1)}`,
        )
        .join('; ')}${wrong.length > 3 ? `; ${wrong.length - 3} more` : ''}`,
    )
}

function productCases(): Case[] {
  return products.map(([m, n, k]) => {
    const [a, b] = [noise(m * k, 1), noise(n * k, 2)]
    return {
      name: 'matmul' as const,
      size: `${m}x${n}x${k}`,
      flops: 2 * m * n * k,
      job(folder) {
        const [fileA, fileB] = [join(folder, `a-${m}-${n}-${k}`), join(folder, `b-${m}-${n}-${k}`)]
        writeFileSync(fileA, a)
        writeFileSync(fileB, b)
        return { case: 'matmul', m, n, k, a: fileA, b: fileB }
      },
      check(outputs) {
        const c = outputs.get('c')
        if (c?.length !== m * n) return [{ name: 'c', error: Infinity, allowed: 0 }]
        // Every 17th row in float64: all columns, and rows of every tile.
        let [difference, norm] = [0, 0]
        for (let row = 0; row < m; row += 17) {
          for (let column = 0; column < n; column++) {
            let sum = 0
            for (let i = 0; i < k; i++) sum += a[row * k + i]! * b[column * k + i]!
            difference += (sum - c[row * n + column]!) ** 2
            norm += sum ** 2
          }
        }
        return [{ name: 'c', error: Math.sqrt(difference / norm), allowed: 1e-5 }]
      },
    }
  })
}

function stepCases(): Case[] {
  const all: Case[] = []
  for (const size of ['small', 'middle']) {
    const file = join(goldens, `bench-${size}.safetensors`)
    const isNeeded = (name: string) =>
      options.only.length === 0 || options.only.some(part => `${name} ${size}`.includes(part))
    if (!['inference-step', 'train-step'].some(isNeeded)) continue
    if (!existsSync(file))
      fail(
        `${file} is not there, expected the recordings of the published code — set TRM_SHARED to the folder that holds goldens/`,
      )
    const golden = parseSafetensors(readFileSync(file), file)
    const c = JSON.parse(golden.metadata.config!) as Record<string, number>
    const cost = stepFlops(c)
    for (const name of ['inference-step', 'train-step'] as const) {
      all.push({
        name,
        size,
        flops:
          name === 'train-step'
            ? (c.H_cycles! - 1) * cost.cycle + 3 * (cost.cycle + cost.heads)
            : c.H_cycles! * cost.cycle + cost.heads,
        job: () => ({ case: name, golden: file }),
        check: outputs => compare(golden, outputs, name),
      })
    }
  }
  return all
}

/** Operations of the products of one cycle and of the heads, forward, for the whole batch. */
function stepFlops(c: Record<string, number>): { cycle: number; heads: number } {
  const width = c.hidden_size!
  const prefix = c.puzzle_emb_ndim! > 0 ? c.puzzle_emb_len! || Math.ceil(c.puzzle_emb_ndim! / width) : 0
  const length = prefix + c.seq_len!
  const inner = (size: number) => 256 * Math.ceil(Math.round((c.expansion! * size * 2) / 3) / 256)
  const swiglu = (rows: number, size: number) => 2 * rows * size * 3 * inner(size)
  const mixing = c.mlp_t ? swiglu(width, length) : 2 * length * width * 4 * width + 4 * length * length * width
  const network = c.L_layers! * (mixing + swiglu(length, width))
  return {
    cycle: c.batch_size! * (c.L_cycles! + 1) * network,
    heads: c.batch_size! * 2 * width * (length * c.vocab_size! + 2),
  }
}

/** The law of the goldens' README. For training: losses, all gradients or what stands for them, who halted, and the trained state. */
function compare(golden: SafetensorsFile, outputs: Map<string, Float32Array>, name: string) {
  const noise = JSON.parse(golden.metadata.noise!) as Record<string, number>
  const log = JSON.parse(golden.metadata.train_log!) as { loss: number }[]
  const compared: { name: string; error: number; allowed: number }[] = []
  const floors: Record<string, number> = { eval: 1e-5, grad: 1e-4, loss: 1e-4, final: 1e-3, ema: 1e-3 }
  const wanted =
    name === 'inference-step'
      ? ['eval.1.logits', 'eval.1.q_halt_logits']
      : [
          ...log.map((_, i) => `loss.${i}`),
          ...[...golden.tensors.keys()].filter(
            key => /^(grad|final|ema)\.|^train\.\d+\.halted$/.test(key) && !/_init$|local_weights$/.test(key),
          ),
        ]
  for (const key of wanted) {
    const [group] = key.split('.') as [string]
    const ours = outputs.get(key) ?? new Float32Array()
    if (group === 'train') {
      const theirs = toFloat32(golden.tensors.get(key)!)
      compared.push({
        name: key,
        error: theirs.length === ours.length ? theirs.filter((value, i) => value !== ours[i]).length : Infinity,
        allowed: 0,
      })
      continue
    }
    const theirs =
      group === 'loss' ? Float32Array.of(log[Number(key.split('.')[1])]!.loss) : toFloat32(golden.tensors.get(key)!)
    compared.push({
      name: key,
      error: relativeError(ours, theirs),
      allowed: Math.max(floors[group]!, 50 * (noise[group === 'loss' ? 'loss' : key] ?? 0)),
    })
  }
  return compared
}

function relativeError(ours: Float32Array, theirs: Float32Array): number {
  if (ours.length !== theirs.length) return Infinity
  let [difference, norm] = [0, 0]
  for (let i = 0; i < ours.length; i++) {
    difference += (ours[i]! - theirs[i]!) ** 2
    norm += theirs[i]! ** 2
  }
  const error = Math.sqrt(difference / (norm || 1))
  return Number.isNaN(error) ? Infinity : error
}

function readOptions() {
  const { values } = (() => {
    try {
      return parseArgs({
        options: {
          json: { type: 'string' },
          only: { type: 'string' },
          backend: { type: 'string' },
          repeats: { type: 'string' },
          help: { type: 'boolean' },
        },
      })
    } catch (error) {
      return fail(`${(error as Error).message} — ${usage}`)
    }
  })()
  if (values.help) {
    console.log(usage)
    process.exit(0)
  }
  const list = (text = '') =>
    text
      .split(',')
      .map(part => part.trim())
      .filter(Boolean)
  const repeats = Number(values.repeats ?? 5)
  if (!Number.isInteger(repeats) || repeats < 1)
    fail(`--repeats is ${values.repeats}, expected a whole number of at least 1`)
  const named = list(values.backend)
  for (const name of named)
    if (!(name in backends))
      fail(`--backend ${name} is not known, expected some of ${Object.keys(backends).join(', ')}`)
  return {
    json: values.json && resolve(values.json),
    only: list(values.only),
    backends: named.length > 0 ? named : Object.keys(backends),
    repeats,
  }
}

/** Installs what the chosen backends need; a backend that cannot be had is left out with a note. */
function prepareBackends(names: string[]): string[] {
  const packages = JSON.parse(readFileSync(join(source, 'package.json'), 'utf8')).dependencies as Record<string, string>
  const isInstalled = Object.entries(packages).every(([name, version]) => {
    const file = join(source, 'node_modules', name, 'package.json')
    return existsSync(file) && JSON.parse(readFileSync(file, 'utf8')).version === version
  })
  if (!isInstalled && names.some(name => name === 'jax-js' || name === 'tfjs')) {
    progress(
      `installing the peers into bench/peers/node_modules: ${Object.entries(packages)
        .map(([name, version]) => `${name}@${version}`)
        .join(', ')}`,
    )
    try {
      execFileSync('npm', ['install', '--no-audit', '--no-fund', '--no-package-lock', '--loglevel=error'], {
        cwd: source,
        stdio: ['ignore', 'ignore', 'inherit'],
      })
    } catch {
      fail(
        'the peers could not be installed — run "npm install" in bench/peers to see why, or leave them out with --backend webgpu-trm,torch-cpu',
      )
    }
  }
  if (names.includes('tfjs')) {
    const require = "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);"
    execFileSync(
      join(root, 'node_modules/.bin/esbuild'),
      [
        join(source, 'tfjs.js'),
        '--bundle',
        '--platform=node',
        '--format=esm',
        '--main-fields=module,main',
        `--banner:js=${require}`,
        '--log-level=error',
        `--outfile=${join(built, 'tfjs.bundle.js')}`,
      ],
      { stdio: ['ignore', 'ignore', 'inherit'] },
    )
  }
  return names.filter(name => {
    if (!isTorch(name)) return true
    const [python, needs, reason] =
      name === 'torch-cpu'
        ? [
            '/usr/bin/python3',
            'import torch, numpy',
            '/usr/bin/python3 has no torch (Debian: apt-get install python3-torch)',
          ]
        : [
            'python3',
            'import torch, numpy; assert torch.cuda.is_available()',
            'python3 has no PyTorch that finds a GPU (pip install torch numpy)',
          ]
    if (spawnSync(python, ['-c', needs]).status === 0) return true
    notes.push(`${name} is left out: ${reason}.`)
    progress(notes.at(-1)!)
    return false
  })
}

function printTable(): void {
  const cells = rows.map(row =>
    row.error
      ? [row.case, row.size, row.backend, 'FAILED', '', '', '', '', '', '', row.error]
      : [
          row.case,
          row.size,
          row.backend,
          `${row.medianMs}`,
          `${row.cpuMs}`,
          `${Math.round(100 * row.spread!)} %`,
          `${row.gflops}`,
          row.percentOfPeak === null ? '–' : `${row.percentOfPeak} %`,
          row.peakBytes === null ? '–' : `${(row.peakBytes / 2 ** 20).toFixed(1)}`,
          `${row.compileMs}`,
          `${row.check!.share} (${row.check!.quantities})`,
        ],
  )
  const head = [
    'case',
    'size',
    'backend',
    'median ms',
    'cpu ms',
    'spread',
    'GFLOP/s',
    'of peak',
    'peak MiB',
    'compile ms',
    'share of error allowed',
  ]
  const widths = head.map((title, i) =>
    Math.max(title.length, ...cells.filter(cell => cell[3] !== 'FAILED' || i < 4).map(cell => cell[i]!.length)),
  )
  console.log(`adapter: ${adapter || 'none'}`)
  for (const cell of [head, ...cells])
    console.log(
      cell
        .map((text, i) => (i < 3 ? text.padEnd(widths[i]!) : i === 10 ? text : text.padStart(widths[i]!)))
        .join('  ')
        .trimEnd(),
    )
  for (const note of notes) console.log(`* ${note}`)
}

/** The same values on every run, between −0.5 and 0.5. */
function noise(count: number, seed: number): Float32Array {
  let state = seed
  return Float32Array.from({ length: count }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state / 2 ** 32 - 0.5
  })
}

function decode(text: string): Float32Array {
  const bytes = Buffer.from(text, 'base64')
  return new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength))
}

function round(value: number): number {
  return Number(value.toPrecision(3))
}

function progress(line: string): void {
  process.stderr.write(`${line}\n`)
}

function fail(message: string): never {
  console.error(`bench:peers: ${message}`)
  process.exit(1)
}
