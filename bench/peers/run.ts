// Compares webgpu-trm with other libraries on one adapter in one run: checks every result, then times it.
//   npm run bench:peers -- --json FILE [--only CASE,…] [--backend NAME,…] [--repeats N]
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { cpus, loadavg, tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { backends, isTorch, prepareBackends } from './backends.js'
import { type Case, chooseCases } from './cases.js'
import { fail, progress, round } from './common.js'
import type { Outputs, Reply } from './protocol.js'
import { Child } from './remote.js'
import { emptyRow, judge, printTable, type Row } from './rows.js'

const usage = 'npm run bench:peers -- --json FILE [--only CASE,…] [--backend NAME,…] [--repeats N]'

/** A repeat runs its case so often that it takes about this long, ms: the wait at its end then costs little. */
const TARGET_MS = 250
/** A case that takes longer, ms, is not run again to warm up, and is repeated at most twice. */
const SLOW_MS = 10_000

const options = readOptions()
const cases = chooseCases(options.only)
const { chosen, notes } = prepareBackends(options.backends)
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
notes.push(...explanations())
printTable(adapter, rows, notes)
const result = { adapter, peakGflops: round(peak), repeats: options.repeats, loadAverage: load, notes, rows }
if (options.json) writeFileSync(options.json, `${JSON.stringify(result, null, 2)}\n`)
process.exitCode = rows.some(row => row.error) ? 1 : 0

/** A backend whose results are right, ready to be timed. */
interface Running {
  child: Child
  row: Row
  /** Time of the first run, which compiles. */
  firstMs: number
  /** Runs of a repeat. */
  count: number
  /** Times of one run, of each repeat, ms. */
  times: number[]
  cpu: number[]
}

/** Checks and times a case on every backend, and adds the rows. */
async function runCase(each: Case): Promise<void> {
  const label = `${each.name} ${each.size}`
  const running = await startAll(each, label)
  for (let repeat = 0; repeat < options.repeats; repeat++) {
    for (const backend of running) await timeOnce(backend)
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
  const results = running.filter(({ row }) => !row.error).map(({ row }) => `${row.backend} ${row.medianMs} ms`)
  progress(`${label}: ${results.join(', ')}`)
}

/** Starts a process for each backend and checks its results; returns those that are right. */
async function startAll(each: Case, label: string): Promise<Running[]> {
  const job = each.job(folder)
  const running: Running[] = []
  for (const backend of chosen) {
    // PyTorch's program has no transformer.
    if (each.name === 'transformer-step' && isTorch(backend)) continue
    const child = new Child(backend)
    const row = emptyRow(backend, each.name, each.size)
    rows.push(row)
    try {
      const prepared = await child.ask<Extract<Reply, { outputs: Outputs }>>({ do: 'prepare', job })
      const { adapter: name, version, firstMs, outputs } = prepared
      Object.assign(row, { adapter: name, version })
      if (!isTorch(backend)) {
        adapter ||= name
        if (name !== adapter) throw new Error(`runs on ${name}, the others on ${adapter}`)
      }
      judge(row, each.check(new Map(Object.entries(outputs).map(([key, text]) => [key, decode(text)]))))
      const { ms, cpuMs } = await child.ask<Extract<Reply, { ms: number }>>({ do: 'run', count: 1 })
      const count = Math.max(1, Math.min(500, Math.round(TARGET_MS / ms)))
      const isSlow = ms > SLOW_MS
      running.push({ child, row, firstMs, count, times: isSlow ? [ms] : [], cpu: isSlow ? [cpuMs] : [] })
      progress(`${label}: ${backend} checked, first run ${(firstMs / 1000).toFixed(2)} s`)
    } catch (error) {
      row.error = (error as Error).message
      progress(`${label}: ${backend} FAILED: ${row.error}`)
      await child.end()
    }
  }
  return running
}

/** One repeat of a backend. Slow cases get two at most. */
async function timeOnce({ child, row, count, times, cpu }: Running): Promise<void> {
  if (row.error || (times.length >= 2 && times[0]! > SLOW_MS)) return
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

/** How the numbers were measured. */
function explanations(): string[] {
  const blas = rows.find(row => row.backend === 'torch-cpu')?.adapter ?? ''
  return [
    'Every backend has a process of its own and is checked before it is timed. The repeats of the backends ' +
      'alternate. One read-back or wait ends a run. A case that takes more than 10 s is repeated at most twice.',
    'In Node the event loop spins while a promise of Dawn is pending. For the peers mapAsync, ' +
      'onSubmittedWorkDone and createComputePipelineAsync are awaited asleep, as webgpu-trm does it: ' +
      'kernels are compared, not waiting.',
    'FLOP count, the same for all backends: products only (linear layers, attention, heads). ' +
      'train-step = T−1 cycles forward and one cycle three times; inference-step = T cycles.',
    `Peak: ${round(peak)} GFLOP/s, the best of multiply-add kernels in registers, by webgpu-trm's engine in this run.`,
    'torch-cpu runs on the CPU. torch-cuda runs on the GPU by CUDA: checked in float32, timed in bfloat16 with the ' +
      'recursion compiled. Neither uses the adapter.',
    ...(/\/blas\/libblas/.test(blas)
      ? [
          'torch-cpu uses the reference BLAS of Debian, which is many times slower than OpenBLAS ' +
            '(apt-get install libopenblas0-pthread).',
        ]
      : []),
    'cpu ms: processor time of the process, threads of a software adapter included. Other programs disturb it least.',
    'peakBytes: the most bytes of GPU buffers that existed at a time, staging included. ' +
      'compileMs: the first run minus a later one, without a shader cache on disk.',
    `Load average ${load.map(value => value.toFixed(2)).join(' at the start, ')} at the end; ${cpus().length} cores.`,
  ]
}

function medianOf(values: number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  return (sorted[(sorted.length - 1) >> 1]! + sorted[sorted.length >> 1]!) / 2
}

/** The options of the command line. Ends the process if one is wrong. */
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

function decode(text: string): Float32Array {
  const bytes = Buffer.from(text, 'base64')
  return new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength))
}
